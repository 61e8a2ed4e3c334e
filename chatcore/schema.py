"""The OpenAPI document of the API, and the page that shows it."""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Any, cast

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
)
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiResponse

from chatcore.rest import allow_inline_styles


class ErrorDetails(msgspec.Struct):
    """`code` is for programs, `message` for people; `fields` has the fault of each field."""

    code: str
    message: str
    fields: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    version: int | msgspec.UnsetType = msgspec.UNSET
    resetsAt: datetime | msgspec.UnsetType = msgspec.UNSET  # noqa: N815  as it is sent


class Error(msgspec.Struct):
    error: ErrorDetails


def errors_of(*statuses: int) -> dict[int, Any]:
    """What a schema says of errors: these, and those that every request can meet."""
    return {
        status: OpenApiResponse(Error, HTTPStatus(status).phrase)
        for status in sorted({400, 401, 403, 429, 503, *statuses})
    }


class ShapeExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Writes msgspec's types into the schema, from the very types that check the requests."""

    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: str) -> str:
        return cast(str, self.target.__name__)

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        _, components = msgspec.json.schema_components(
            [self.target], ref_template="#/components/schemas/{name}"
        )
        own = components.pop(self.target.__name__)
        shapes = {shape.__name__: shape for shape in _shapes(msgspec.Struct)}
        for name, schema in components.items():
            auto_schema.registry.register_on_missing(
                ResolvedComponent(  # type: ignore[no-untyped-call]
                    name=name,
                    type=ResolvedComponent.SCHEMA,
                    # By its type, as where it is an answer by itself. Of a choice there is none.
                    object=shapes.get(name, name),
                    schema=schema,
                )
            )
        return cast("dict[str, Any]", own)


def _shapes(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for shape in base.__subclasses__():
        yield shape
        yield from _shapes(shape)


class TokenExtension(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """API tokens, as the schema calls them."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


@cache
def _document() -> bytes:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return msgspec.json.encode(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


def document(_request: HttpRequest) -> HttpResponse:
    """The OpenAPI document. It is the same for everybody, and made once."""
    return HttpResponse(_document(), content_type="application/json")


def docs(request: HttpRequest) -> HttpResponse:
    """The schema for people, by Swagger UI from this server."""
    response = render(request, "api_docs.html")
    allow_inline_styles(response)
    return response
