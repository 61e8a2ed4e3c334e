"""Django REST framework as this API uses it: typed bodies in, encoded JSON out, one error shape."""

from typing import Any

import msgspec
from csp.constants import UNSAFE_INLINE
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBase
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BrowsableAPIRenderer as DefaultBrowsableAPIRenderer
from rest_framework.renderers import JSONRenderer as DefaultJSONRenderer
from rest_framework.response import Response

from chatcore import errors, validation
from chatcore.db import report_away, store_is_away

MAX_BODY_BYTES = 8 * 1024 * 1024


def _plain(value: object) -> int:
    """Numbers in what MongoDB gives back are of the driver's own type."""
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"{type(value)} is nothing that JSON knows")


encode = msgspec.json.Encoder(enc_hook=_plain).encode


class JSONParser(BaseParser):
    """The JSON of a body, of which every part can be stored. Raises TooLarge and Invalid."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise errors.TooLarge(f"A body may have at most {MAX_BODY_BYTES:,} bytes.")
        return validation.decode(raw)


class JSONRenderer(DefaultJSONRenderer):
    """msgspec's encoder, for its own types too. Bytes are JSON already, from a cache."""

    def render(
        self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None
    ) -> bytes:
        if data is None:
            return b""
        encoded = data if isinstance(data, bytes) else encode(data)
        indent = self.get_indent(accepted_media_type or "", renderer_context or {})
        return msgspec.json.format(encoded, indent=indent) if indent else encoded


class BrowsableAPIRenderer(DefaultBrowsableAPIRenderer):
    """The API for people. Its pages have styles in their tags, which no other page may have."""

    def render(
        self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None
    ) -> Any:
        page = super().render(data, accepted_media_type, renderer_context)
        allow_inline_styles(renderer_context["response"])
        return page


def allow_inline_styles(response: HttpResponseBase) -> None:
    """For the pages of others: theirs set styles, their scripts are files of this server."""
    response._csp_update = {"style-src": [UNSAFE_INLINE]}  # type: ignore[attr-defined]


def exception_handler(error: Exception, _context: dict[str, Any]) -> Response | None:
    """What goes back for an error in a view of the API; None for a fault of ours."""
    if store_is_away(error):
        report_away(error)
        error = errors.StoreAway()
    if isinstance(error, errors.ApiError):
        return Response(error.body(), status=error.status, headers=error.headers)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if scheme := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = scheme
    message = str(error.detail)
    code = "csrf_failed" if message.startswith("CSRF Failed") else error.default_code
    return Response(errors.body(code, message), status=error.status_code, headers=headers)
