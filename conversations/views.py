"""One chat as a file, for its owner."""

import re

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.sessions import person
from chatcore import clock
from conversations import exporting
from conversations.markdown import as_markdown
from conversations.models import Conversation

LONGEST_NAME = 80


@never_cache
@require_safe
@login_required
def export(request: HttpRequest, conversation_id: str, kind: str) -> HttpResponseBase:
    """As Markdown the branch that ends with `leaf`, or was written to last; as JSON all of it."""
    mine = Conversation.objects.for_user(person(request)).active()
    chat = get_object_or_404(mine, client_id=conversation_id)
    response: HttpResponseBase
    if kind == "md":
        text = as_markdown(chat, request.GET.get("leaf"), clock.now())
        response = HttpResponse(text, "text/markdown; charset=utf-8")
    elif kind == "json":
        whole = exporting.array("conversations", [exporting.chat(chat.pk)])
        pieces = exporting.document(clock.now(), [whole])
        response = StreamingHttpResponse(exporting.streamed(pieces), "application/json")
    else:
        raise Http404
    name = f"{file_name(chat.title)}.{kind}"
    response.headers["Content-Disposition"] = str(content_disposition_header(True, name))
    return response


def file_name(title: str) -> str:
    """A title as a name that any file system takes: no path, no dots in front, one line."""
    words = re.sub(
        r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]+', " ", title
    )
    name = re.sub(r"\s+", " ", words).strip(" .")[:LONGEST_NAME].strip(" .")
    return name or "chat"
