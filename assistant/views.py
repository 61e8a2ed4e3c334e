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
from assistant.shown import Shown, shown
from conversations import pages
from conversations.models import Conversation

LISTED_CONVERSATIONS = 200


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
    listed, _ = pages.chats(
        person(request).pk, deleted=False, after=None, limit=LISTED_CONVERSATIONS
    )
    default_model = person(request).default_model
    is_offered = catalog.preferred(default_model) is not None
    context = {
        "default_model": default_model if is_offered else "",
        "gone_model": "" if is_offered else default_model,
        "conversation": conversation,
        "conversations": listed,
        "models": catalog.choices(),
        "may_administer": may_administer(request.user),
        "may_see_reports": may_see_reports(request.user),
        "page": {"userId": str(person(request).pk), **_page_data(conversation)},
    }
    return render(request, "assistant/chat.html", context)


def _page_data(conversation: Conversation | None) -> dict[str, Any]:
    """What the page's script begins with, in the shapes of docs/stream-protocol.md."""
    chat: Shown = shown(conversation) if conversation else {"messages": [], "running": None}
    return {
        "conversationId": conversation and conversation.client_id,
        "maxTextCharacters": MAX_TEXT_CHARACTERS,
        **chat,
    }
