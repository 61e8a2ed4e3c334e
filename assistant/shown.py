"""What a page shows of a chat: one branch of it, and what is running there."""

from collections.abc import Sequence
from typing import Any, TypedDict

from accounts.models import User
from assistant.models import Generation, GenerationStatus
from chatcore import rows
from conversations.models import Conversation, Message, branch


class ShownMessage(TypedDict):
    """`siblings` are the ids of all versions in this place, this one among them, oldest first."""

    id: str
    parentId: str | None
    role: str
    parts: list[dict[str, Any]]
    model: str
    status: str
    error: dict[str, Any] | None
    createdAt: str
    siblings: list[str]


class RunningAnswer(TypedDict):
    """What to attach to. `parentId` is the last one of the messages, which it answers."""

    generationId: str
    answerId: str
    parentId: str
    model: str
    siblings: list[str]


class RunningChat(TypedDict):
    """A chat in which an answer is being made."""

    conversationId: str
    generationId: str


class Shown(TypedDict):
    messages: list[ShownMessage]
    running: RunningAnswer | None


def shown(conversation: Conversation, through: str | None = None) -> Shown:
    """The branch through this message down to the newest one below it.

    Without `through`, or if it is not there any more, the branch that was written to last.
    """
    # In this order: an answer that ends between the two is then among the messages.
    everything = list(Generation.objects.running().filter(conversation=conversation))
    messages = list(conversation.messages.in_order())
    below = _below(messages, through, everything)
    found = [each for each in everything if below is None or each.parent_id in below]
    running = found[-1] if found else None
    if running is None:
        reached = [each for each in messages if below is None or each.client_id in below]
        leaf_id = reached[-1].client_id if reached else None
    else:
        leaf_id = running.parent_id
    versions = _versions(messages)
    return {
        "messages": [_message(each, versions) for each in branch(messages, leaf_id)],
        "running": _running(running, versions) if running else None,
    }


def running_chats(user: User) -> list[RunningChat]:
    """The answers that are being made for this person; those of a chat may be several."""
    found = Generation.objects.for_user(user).running()
    return [
        {"conversationId": chat, "generationId": str(key)}
        for key, chat in found.values_list("pk", "conversation__client_id")
    ]


def _below(
    messages: Sequence[Message], through: str | None, running: Sequence[Generation]
) -> set[str] | None:
    """The message and all that follow it; None for the whole chat.

    Of an answer that is being made itself, the question: it is the newest one below.
    """
    asked = {each.answer_id: each.parent_id for each in running}
    known = {each.client_id for each in messages}
    if through is not None and through not in known:
        through = asked.get(through)
    if through is None:
        return None
    below = {through}
    # In the order in which they were saved: a message comes behind the one that it follows.
    for each in messages:
        if each.parent_id in below:
            below.add(each.client_id)
    return below


def _versions(messages: Sequence[Message]) -> dict[str | None, list[str]]:
    """The ids of the messages that follow each one."""
    versions: dict[str | None, list[str]] = {}
    for each in messages:
        versions.setdefault(each.parent_id, []).append(each.client_id)
    return versions


def show(user: User, conversation_id: str, through: str) -> tuple[Conversation | None, Shown]:
    """A chat of this person's and its branch through a message; None if it is not there."""
    conversation = _find(user, conversation_id)
    if conversation is None:
        return None, {"messages": [], "running": None}
    return conversation, shown(conversation, through)


def _find(user: User, conversation_id: str) -> Conversation | None:
    conversation = rows.one(Conversation, client_id=conversation_id, user_id=user.pk)
    return None if conversation is None or conversation.deleted_at is not None else conversation


def since(
    user: User, conversation_id: str, message_id: str | None
) -> tuple[Conversation | None, Shown | None]:
    """A chat of this person's, and what is to be shown of it now: the branch of `message_id`.

    The chat is None if it is not there any more; what is shown is None if that ends with
    `message_id` as before and nothing is running.
    """
    conversation = _find(user, conversation_id)
    if conversation is None:
        return None, None
    equal = {"conversation_id": conversation.pk}
    is_running = rows.read(
        Generation, ("id",), equal={**equal, "status": GenerationStatus.RUNNING}, limit=1
    )
    newest = rows.read(Message, ("client_id",), equal=equal, order=(("seq", -1),), limit=1)
    if not is_running and [row["client_id"] for row in newest] == [message_id]:
        return conversation, None
    return conversation, shown(conversation, message_id)


def _running(generation: Generation, versions: dict[str | None, list[str]]) -> RunningAnswer:
    return {
        "generationId": str(generation.pk),
        "answerId": generation.answer_id,
        "parentId": generation.parent_id,
        "model": f"{generation.provider}:{generation.model}",
        "siblings": [*versions.get(generation.parent_id, []), generation.answer_id],
    }


def _message(message: Message, versions: dict[str | None, list[str]]) -> ShownMessage:
    return {
        "id": message.client_id,
        "parentId": message.parent_id,
        "role": message.role,
        "parts": message.parts,
        "model": message.model,
        "status": message.status,
        "error": message.error,
        "createdAt": message.created_at.isoformat(),
        "siblings": versions[message.parent_id],
    }
