"""The import for programs and for the page's script: /api/assistant/import."""

from collections.abc import AsyncIterator
from concurrent.futures import Future
from shutil import copyfileobj
from typing import Any, BinaryIO, cast

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from chatcore import clock, errors, limits
from chatcore.rest import encode
from chatcore.schema import errors_of
from chatcore.uploads import nameless_file, taken
from conversations.importing import running
from conversations.importing.report import ImportReport

FIELD = "file"


class _Raw(BaseParser):
    """The body as it is, as a file: a program need not make a form of it."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> BinaryIO:
        file = nameless_file()
        try:
            copyfileobj(stream, file, 1024 * 1024)
        except BaseException:
            file.close()
            raise
        return file


@method_decorator(never_cache, name="dispatch")
class ImportView(APIView):
    """Takes chats over from ChatGPT's data export, or chats and prompts from our own export."""

    parser_classes = [MultiPartParser, _Raw]

    @extend_schema(
        operation_id="importChats",
        summary="Import chats",
        description="The zip of ChatGPT's data export, a `conversations.json` of it, or a JSON file"
        " that Chatcore exported, as the body itself or as one or several files named `file` of a"
        " form. Chats that are there already are left alone, so the same file again does no harm."
        " Of an export of everything the prompts are taken as well."
        " The answer begins before the import has ended; blanks come meanwhile, and then the"
        " report. Whoever hangs up only does not learn of it.",
        request={
            "multipart/form-data": {
                "type": "object",
                "required": [FIELD],
                "properties": {
                    FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}}
                },
            },
            "application/zip": OpenApiTypes.BINARY,
            "application/json": OpenApiTypes.ANY,
        },
        responses={
            200: OpenApiResponse(ImportReport, "What has come of it."),
            **errors_of(409, 413),
        },
    )
    @limits.per_user(limits.imports)
    def post(self, request: Request) -> HttpResponseBase:
        future = running.begin(cast(User, request.user), _files(request), clock.now())
        return StreamingHttpResponse(_report(future), "application/json")


def _files(request: Request) -> list[BinaryIO]:
    if request.content_type.startswith("multipart/"):
        uploads = cast(Any, request.FILES).getlist(FIELD)
        if not uploads:
            raise errors.Invalid(f"The form has no file named {FIELD}.", code="no_file")
        return [taken(each) for each in uploads]
    # Of an empty body there is nothing that a parser has made a file of.
    return [cast(BinaryIO, request.data)] if hasattr(request.data, "fileno") else []


async def _report(future: "Future[ImportReport]") -> AsyncIterator[bytes]:
    """JSON may have blanks in front, which tell whoever stands between that we are at it."""
    async for report in running.ended(future):
        yield b"\n" if report is None else encode(report)
