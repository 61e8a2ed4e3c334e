"""What people take with them."""

from collections.abc import AsyncIterator
from concurrent.futures import Future
from functools import partial

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache

from accounts.sessions import person
from assistant import export as exports
from chatcore import clock, limits
from chatcore.db import in_thread
from chatcore.errors import ApiError
from chatcore.uploads import taken
from conversations import exporting
from conversations.importing import api as imports
from conversations.importing import running
from conversations.importing.report import ImportReport
from prompts.models import Prompt

TEMPLATE = "settings/data.html"


@never_cache
@login_required
def data(request: HttpRequest) -> HttpResponseBase:
    return _page(request)


def _page(request: HttpRequest, *, status: int = 200, **found: object) -> HttpResponse:
    return render(request, TEMPLATE, _context(**found), status=status)


def _too_often(request: HttpRequest, usage: limits.Usage, **found: object) -> HttpResponse:
    page = _page(request, status=429, **found)
    for name, value in usage.headers().items():
        page.headers[name] = value
    return page


def _context(**found: object) -> dict[str, object]:
    return {
        "section": "data",
        "import_max_mb": settings.IMPORT_MAX_MB,
        "most_prompts": Prompt.MOST,
        **found,
    }


@never_cache
@login_required
def export(request: HttpRequest) -> HttpResponseBase:
    """All of one's own. By POST: nothing that looks ahead at addresses makes one."""
    if request.method != "POST":  # where a log-in in between leads back to
        return redirect("assistant:data")
    usage = limits.exports(person(request).pk)
    if usage.exceeded:
        return _too_often(request, usage, wait=limits.in_words(usage.retry_after))
    now = clock.now()
    pieces = exports.everything(person(request), now)
    response = StreamingHttpResponse(exporting.streamed(pieces), "application/json")
    name = f"chatcore-{now:%Y-%m-%d}.json"
    response.headers["Content-Disposition"] = str(content_disposition_header(True, name))
    return response


@never_cache
@login_required
def import_chats(request: HttpRequest) -> HttpResponseBase:
    """The page again, with what has come of it. It begins before that is known, as the API's answer
    does."""
    if request.method != "POST":
        return redirect("assistant:data")
    usage = limits.imports(person(request).pk)
    if usage.exceeded:
        wait = limits.in_words(usage.retry_after)
        told = f"You have imported several times. Try again in {wait}."
        return _too_often(request, usage, import_error=told)
    files = [taken(each) for each in request.FILES.getlist(imports.FIELD)]
    try:
        future = running.begin(person(request), files, clock.now())
    except ApiError as error:
        return _page(request, status=error.status, import_error=str(error))
    return StreamingHttpResponse(_imported(request, future))


async def _imported(request: HttpRequest, future: "Future[ImportReport]") -> AsyncIterator[str]:
    async for report in running.ended(future):
        if report is None:
            yield "\n"
        else:
            context = _context(report=report)
            yield await in_thread(partial(render_to_string, TEMPLATE, context, request))
