"""The chat page, complete at its first load: the list, the conversation, what is running in it."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.permissions import may_administer, may_see_reports
from accounts.sessions import person
from assistant import catalog
from assistant.client_frames import MAX_TEXT_CHARACTERS
from assistant.offers import offers
from assistant.services import services
from assistant.shown import Shown, running_chats, shown
from chatcore import clock, rows
from conversations import pages
from conversations.models import Conversation

# The first page of the list; the page's script asks the API for more.
LISTED_CONVERSATIONS = 50


@never_cache
@login_required
def chat(request: HttpRequest, conversation_id: str | None = None) -> HttpResponse:
    """A new chat, or one of this person's own; 404 for anybody else's."""
    mine = Conversation.objects.for_user(person(request)).active()
    conversation = None
    if conversation_id is not None:
        conversation = mine.filter(client_id=conversation_id).first()
        if conversation is None:
            raise Http404
    listed, key = pages.chats(
        person(request).pk, deleted=False, after=None, limit=LISTED_CONVERSATIONS
    )
    wanted = person(request).default_model
    default_model = wanted if catalog.preferred(wanted) else ""
    context = {
        "default_model": default_model,
        "gone_model": "" if default_model else wanted,
        "conversation": conversation,
        "conversations": _with_open(listed, conversation),
        "models": offers(clock.now(), default_model),
        "may_administer": may_administer(request.user),
        "may_see_reports": may_see_reports(request.user),
        "page": {
            "userId": str(person(request).pk),
            **_page_data(conversation),
            "mayAdminister": may_administer(request.user),
            "troubles": services.troubles(clock.now()),
            "list": {
                "nextCursor": pages.cursor_of(key) if key else None,
                "oldest": listed[-1]["updated_at"] if key else None,
                "running": running_chats(person(request)),
            },
        },
    }
    return render(request, "assistant/chat.html", context)


def _with_open(listed: list[rows.Row], conversation: Conversation | None) -> list[Any]:
    """With the chat that is shown, however far down the list it stands."""
    is_listed = any(conversation and each["id"] == conversation.pk for each in listed)
    return [*listed, conversation] if conversation and not is_listed else listed


def _page_data(conversation: Conversation | None) -> dict[str, Any]:
    """What the page's script begins with, in the shapes of docs/stream-protocol.md."""
    chat: Shown = shown(conversation) if conversation else {"messages": [], "running": None}
    return {
        "conversationId": conversation and conversation.client_id,
        "maxTextCharacters": MAX_TEXT_CHARACTERS,
        **chat,
    }
