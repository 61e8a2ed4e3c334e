"""What is answered when something goes wrong: JSON in the one shape under /api/, else a page."""

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import csrf, defaults

from chatcore import errors
from chatcore.db import because_store_is_away, report_away

# RFC 6455's registry of close codes.
TRY_AGAIN_LATER = 1013

Application = Callable[[Any, Any, Any], Awaitable[None]]


class ErrorPagesMiddleware:
    """Refuses what Django would stumble over, and answers for a store that is away."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Django decodes by whatever codec is named here, also by one that makes no text.
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.lower() not in ("utf-8", "utf8"):
            raise BadRequest("Only UTF-8 is read")
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, errors.ApiError):
            # Of a view that is none of REST framework's, which answers for its own.
            return errors.as_response(error)
        return _store_away(request, error)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Also for a session that cannot be saved, which Django reports as a bad request."""
    return (
        _store_away(request, exception)
        or _json(request, 400, "bad_request", "This request cannot be read.")
        or defaults.bad_request(request, exception)
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _json(
        request, 403, "forbidden", "This is not for your account."
    ) or defaults.permission_denied(request, exception)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    message = "The CSRF token is missing or wrong. Send it as X-CSRFToken."
    return _json(request, 403, "csrf_failed", message) or csrf.csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _json(
        request, 404, "not_found", "There is nothing under this address."
    ) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Also for what a middleware meets, where no `process_exception` is asked."""
    return (
        _store_away(request, sys.exc_info()[1])
        or _json(request, 500, "internal", "The fault is ours, and it is in the server's log.")
        or defaults.server_error(request)
    )


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _json(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse | None:
    if not _is_api(request):
        return None
    return JsonResponse(errors.body(code, message), status=status)


def _store_away(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """The answer if the store is away, or None if something else is wrong."""
    cause = because_store_is_away(error)
    if cause is None:
        return None
    report_away(cause)
    away = errors.StoreAway()
    if _is_api(request):
        return errors.as_response(away)
    page = render_to_string("503.html")
    return HttpResponse(page, status=away.status, headers=away.headers)


class RefuseSocketsWhileStoreIsAway:
    """A handshake that cannot look up its session is refused; the page tries again by itself."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self.application(scope, receive, send)
        except Exception as error:
            cause = because_store_is_away(error)
            if cause is None:
                raise
            report_away(cause)
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})


class StrangersGetOneLine(logging.Filter):
    """A wrong Host or a thousand parameters are reported, but not with a traceback for each."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security"):
            record.exc_info = None
        return True


class StoreAwayIsLoggedOnce(logging.Filter):
    """Drops Django's line, and traceback, for each request that is answered with 503.

    The store's breaker says when it goes and when it is back.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        status: Any = getattr(record, "status_code", None)
        return bool(status != errors.StoreAway.status)
