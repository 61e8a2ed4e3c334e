"""The chat page, complete at its first load: the list, the conversation, what is running in it."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.permissions import may_administer
from accounts.sessions import person
from assistant import catalog
from assistant.frames import MAX_TEXT_CHARACTERS
from assistant.models import Generation
from conversations import pages
from conversations.models import Conversation, Message, branch

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
    context = {
        "conversation": conversation,
        "conversations": listed,
        "models": catalog.choices(),
        "may_administer": may_administer(request.user),
        "page": {"userId": str(person(request).pk), **_page_data(conversation)},
    }
    return render(request, "assistant/chat.html", context)


def _page_data(conversation: Conversation | None) -> dict[str, Any]:
    """What the page's script begins with, in the shapes of docs/stream-protocol.md."""
    data: dict[str, Any] = {
        "conversationId": None,
        "messages": [],
        "running": None,
        "maxTextCharacters": MAX_TEXT_CHARACTERS,
    }
    if conversation is None:
        return data
    # In this order: an answer that ends between the two is then among the messages.
    running = Generation.objects.running().filter(conversation=conversation).last()
    messages = list(conversation.messages.in_order())
    # The branch that was written to last.
    leaf_id = running.parent_id if running else messages[-1].client_id if messages else None
    return {
        **data,
        "conversationId": conversation.client_id,
        "messages": [_message_data(message) for message in branch(messages, leaf_id)],
        "running": running
        and {
            "generationId": str(running.pk),
            "answerId": running.answer_id,
            "parentId": running.parent_id,
        },
    }


def _message_data(message: Message) -> dict[str, Any]:
    return {
        "id": message.client_id,
        "parentId": message.parent_id,
        "role": message.role,
        "parts": message.parts,
        "model": message.model,
        "status": message.status,
        "error": message.error,
    }
