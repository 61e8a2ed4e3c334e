"""Which pages may open a socket. Browsers send cookies along with any page's WebSocket."""

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host


class OriginValidator:
    """Lets a handshake through if its page is ours: same host as the socket, or TRUSTED_ORIGINS."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin1")
        host = headers.get(b"host", b"").decode("latin1")
        if is_ours(origin, host):
            return await self.application(scope, receive, send)
        return await WebsocketDenier()(scope, receive, send)


def is_ours(origin: str, host: str) -> bool:
    """Whether `origin` ("https://chat.example.org") is a page of the server that is `host`."""
    if origin in settings.TRUSTED_ORIGINS:
        return True
    domain, _port = split_domain_port(host)
    # The host is checked as for a request: a foreign name that points here is no name of ours.
    return validate_host(domain, settings.ALLOWED_HOSTS) and _host_of(origin) == host


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
