"""What a page shows of a chat: the branch that was written to last, and what is running in it."""

from typing import Any, TypedDict

from accounts.models import User
from assistant.models import Generation, GenerationStatus
from chatcore import rows
from conversations.models import Conversation, Message, branch


class ShownMessage(TypedDict):
    id: str
    parentId: str | None
    role: str
    parts: list[dict[str, Any]]
    model: str
    status: str
    error: dict[str, Any] | None


class RunningAnswer(TypedDict):
    """What to attach to. `parentId` is the last one of the messages, which it answers."""

    generationId: str
    answerId: str
    parentId: str


class RunningChat(TypedDict):
    """A chat in which an answer is being made."""

    conversationId: str
    generationId: str


class Shown(TypedDict):
    messages: list[ShownMessage]
    running: RunningAnswer | None


def shown(conversation: Conversation) -> Shown:
    # In this order: an answer that ends between the two is then among the messages.
    running = Generation.objects.running().filter(conversation=conversation).last()
    messages = list(conversation.messages.in_order())
    leaf_id = running.parent_id if running else messages[-1].client_id if messages else None
    return {
        "messages": [_message(message) for message in branch(messages, leaf_id)],
        "running": _running(running) if running else None,
    }


def running_chats(user: User) -> list[RunningChat]:
    """The answers that are being made for this person; those of a chat may be several."""
    found = Generation.objects.for_user(user).running()
    return [
        {"conversationId": chat, "generationId": str(key)}
        for key, chat in found.values_list("pk", "conversation__client_id")
    ]


def since(
    user: User, conversation_id: str, message_id: str | None
) -> tuple[Conversation | None, Shown | None]:
    """A chat of this person's, and what is to be shown of it now.

    The chat is None if it is not there any more; what is shown is None if that ends with
    `message_id` as before and nothing is running.
    """
    conversation = rows.one(Conversation, client_id=conversation_id, user_id=user.pk)
    if conversation is None or conversation.deleted_at is not None:
        return None, None
    equal = {"conversation_id": conversation.pk}
    is_running = rows.read(
        Generation, ("id",), equal={**equal, "status": GenerationStatus.RUNNING}, limit=1
    )
    newest = rows.read(Message, ("client_id",), equal=equal, order=(("seq", -1),), limit=1)
    if not is_running and [row["client_id"] for row in newest] == [message_id]:
        return conversation, None
    return conversation, shown(conversation)


def _running(generation: Generation) -> RunningAnswer:
    return {
        "generationId": str(generation.pk),
        "answerId": generation.answer_id,
        "parentId": generation.parent_id,
    }


def _message(message: Message) -> ShownMessage:
    return {
        "id": message.client_id,
        "parentId": message.parent_id,
        "role": message.role,
        "parts": message.parts,
        "model": message.model,
        "status": message.status,
        "error": message.error,
    }
