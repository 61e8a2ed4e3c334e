"""What a page shows of a chat: the end of one branch of it, and what is running there.

Of a long chat all ids are read, and only the messages that are shown.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

from accounts.models import User
from assistant.models import Generation, GenerationStatus
from chatcore import rows
from conversations.models import Conversation, Message, branch
from conversations.places import Place, places

# More than fills the highest screen. Those before them are asked for as somebody scrolls there.
SHOWN_AT_ONCE = 40
# Ids in one question to the store; SQLite takes some ten thousand.
_READ_AT_ONCE = 500


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
    """The last messages of a branch. If the first of them has a `parentId`, more stand before."""

    messages: list[ShownMessage]
    running: RunningAnswer | None


Versions = dict[str | None, list[str]]


def shown(conversation: Conversation, through: str | None = None) -> Shown:
    """The end of the branch through this message, at least from it down to the newest below it.

    Without `through`, or if it is not there any more, of the branch that was written to last.
    """
    # In this order: an answer that ends between the two is then among the messages.
    everything = list(Generation.objects.running().filter(conversation=conversation))
    tree = places(conversation.pk)
    below = _below(tree, through, everything)
    found = [each for each in everything if below is None or each.parent_id in below]
    running = found[-1] if found else None
    if running is None:
        reached = [each for each in tree if below is None or each.client_id in below]
        leaf_id = reached[-1].client_id if reached else None
    else:
        leaf_id = running.parent_id
    versions = _versions(tree)
    return {
        "messages": _messages(conversation, _end(branch(tree, leaf_id), through), versions),
        "running": _running(running, versions) if running else None,
    }


def before(conversation: Conversation, message_id: str) -> list[ShownMessage] | None:
    """The SHOWN_AT_ONCE messages that lead to this one; None if there is no such message."""
    tree = places(conversation.pk)
    path = branch(tree, message_id)
    if not path:
        return None
    return _messages(conversation, path[-1 - SHOWN_AT_ONCE : -1], _versions(tree))


def _end(path: Sequence[Place], through: str | None) -> Sequence[Place]:
    """The last ones of a branch, with `through` among them if it is there."""
    first = max(0, len(path) - SHOWN_AT_ONCE)
    from_there = (index for index, each in enumerate(path[:first]) if each.client_id == through)
    return path[next(from_there, first) :]


def _messages(
    conversation: Conversation, wanted: Sequence[Place], versions: Versions
) -> list[ShownMessage]:
    found: dict[str, Message] = {}
    for begin in range(0, len(wanted), _READ_AT_ONCE):
        ids = [each.client_id for each in wanted[begin : begin + _READ_AT_ONCE]]
        # What the content says stands in the parts as well.
        read = conversation.messages.filter(client_id__in=ids).defer("content")
        found.update((each.client_id, each) for each in read)
    # One that was removed since is left out.
    there = (found.get(each.client_id) for each in wanted)
    return [_message(each, versions) for each in there if each is not None]


def running_chats(user: User) -> list[RunningChat]:
    """The answers that are being made for this person; those of a chat may be several."""
    found = Generation.objects.for_user(user).running()
    return [
        {"conversationId": chat, "generationId": str(key)}
        for key, chat in found.values_list("pk", "conversation__client_id")
    ]


def _below(
    tree: Sequence[Place], through: str | None, running: Sequence[Generation]
) -> set[str] | None:
    """The message and all that follow it; None for the whole chat.

    Of an answer that is being made itself, the question: it is the newest one below.
    """
    asked = {each.answer_id: each.parent_id for each in running}
    known = {each.client_id for each in tree}
    if through is not None and through not in known:
        through = asked.get(through)
    if through is None:
        return None
    below = {through}
    # A message comes behind the one that it follows.
    for each in tree:
        if each.parent_id in below:
            below.add(each.client_id)
    return below


def _versions(tree: Sequence[Place]) -> Versions:
    """The ids of the messages that follow each one."""
    versions: Versions = {}
    for each in tree:
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


def _running(generation: Generation, versions: Versions) -> RunningAnswer:
    return {
        "generationId": str(generation.pk),
        "answerId": generation.answer_id,
        "parentId": generation.parent_id,
        "model": f"{generation.provider}:{generation.model}",
        "siblings": [*versions.get(generation.parent_id, []), generation.answer_id],
    }


def _message(message: Message, versions: Versions) -> ShownMessage:
    return {
        "id": message.client_id,
        "parentId": message.parent_id,
        "role": message.role,
        "parts": message.parts,
        "model": message.model,
        "status": message.status,
        "error": message.error,
        "createdAt": message.created_at.isoformat(),
        # One that was given another parent at this moment stands alone.
        "siblings": versions.get(message.parent_id, [message.client_id]),
    }
