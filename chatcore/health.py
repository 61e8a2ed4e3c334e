"""The probes: /healthz, whether the process is up, and /readyz, whether it can do its work.

They come before everything else, so that a probe by address is not refused for its `Host`, not
redirected to https, and needs no session.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.utils.cache import add_never_cache_headers

from chatcore import cache
from chatcore.db import ask_store, reason
from chatcore.errors import StoreAway

# Whatever the store does, a probe is answered within about this time.
STORE_SECONDS = 2.5

# One at a time: while the store hangs, probes must not pile up threads that hang with it.
_asker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readyz")


class ProbesMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path_info)
        if probe is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        response = probe()
        add_never_cache_headers(response)
        return response


def healthz() -> HttpResponse:
    """Touches nothing: a process that can say this needs no restart."""
    return JsonResponse({"status": "ok"})


def readyz() -> HttpResponse:
    """Redis away is told, but no reason to send nobody here: everything works without it."""
    store = _store()
    is_ready = store == "ok"
    return JsonResponse(
        {
            "status": "ok" if is_ready else "unavailable",
            "store": store,
            "cache": cache.state(),
            "cacheUse": cache.use(),
        },
        status=200 if is_ready else StoreAway.status,
        headers={} if is_ready else StoreAway().headers,
    )


PROBES = {"/healthz": healthz, "/readyz": readyz}


def _store() -> str:
    """ "ok", or the class of the error: the driver's words may hold the address and password."""
    asked = _asker.submit(_ask)
    try:
        asked.result(STORE_SECONDS)
    except Exception as error:
        asked.cancel()
        return type(reason(error)).__name__
    return "ok"


def _ask() -> None:
    try:
        ask_store()
    finally:
        connection.close()
