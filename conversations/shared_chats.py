"""What whoever opens a link sees of a chat: its questions and answers, and nothing beside them.

No reasoning, nothing that was sent to a tool or came back, no ids, no costs, no other branches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import User
from accounts.permissions import Viewer, is_colleague, may_read_shared_by
from chatcore import rows
from conversations.markdown import ENDINGS
from conversations.models import Conversation, Message, MessageRole, SharedLink, branch
from conversations.places import places

# A message has 200,000 characters at most; most have one or two thousand.
MESSAGES_ON_A_PAGE = 40
LONGEST_TOOL_NAME = 64


@dataclass(frozen=True)
class SharedMessage:
    """`tools` are the names of those that were used, each once. `ending` is "" for a whole one."""

    is_question: bool
    texts: Sequence[str]
    tools: Sequence[str]
    ending: str


@dataclass(frozen=True)
class SharedChat:
    """What is shown on one page. `by` is "" where the owner has no name that may be told."""

    title: str
    by: str
    shared_at: datetime
    messages: Sequence[SharedMessage]
    page: int
    pages: int


def opened(token: str, viewer: Viewer, page: int) -> SharedChat | None:
    """A page of what is behind a link, counted from 1. None if there is nothing for this viewer.

    Whatever the reason: unknown, ended, for others, in the trash, a message gone, no such page.
    """
    link = rows.one(SharedLink, token=token)
    if link is None:
        return None
    chat = rows.one(Conversation, id=link.conversation_id)
    owner = rows.one(User, id=link.user_id)
    if chat is None or chat.deleted_at is not None:
        return None
    if owner is None or not may_read_shared_by(viewer, owner):
        return None
    path = _path(chat, link.leaf_id)
    pages = -(-len(path) // MESSAGES_ON_A_PAGE)
    if not 1 <= page <= pages:
        return None
    begin = (page - 1) * MESSAGES_ON_A_PAGE
    messages = _messages(chat, path[begin : begin + MESSAGES_ON_A_PAGE])
    if not messages:
        return None
    return SharedChat(
        title=chat.title.strip() or "Untitled",
        # An e-mail address is for colleagues.
        by=owner.display_name if is_colleague(viewer, owner) else owner.name,
        shared_at=link.shared_at,
        messages=messages,
        page=page,
        pages=pages,
    )


def _path(chat: Conversation, leaf_id: str) -> list[str]:
    """The ids from the first message down to the leaf; [] if one of them is gone."""
    path = branch(places(chat.pk), leaf_id)
    is_whole = bool(path) and path[0].parent_id is None
    return [each.client_id for each in path] if is_whole else []


def _messages(chat: Conversation, ids: Sequence[str]) -> list[SharedMessage]:
    """In this order; [] if one of them was deleted at this moment."""
    found = Message.objects.filter(conversation=chat, client_id__in=ids)
    by_id = {row[0]: row[1:] for row in found.values_list("client_id", "role", "parts", "status")}
    return [_message(*by_id[each]) for each in ids] if len(by_id) == len(ids) else []


def _message(role: str, parts: Sequence[Any], status: str) -> SharedMessage:
    """Parts may be a client's, of any shape: only what is known to be text is shown."""
    tools = [part.get("toolName") for part in parts if part.get("type") == "dynamic-tool"]
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    return SharedMessage(
        is_question=role == MessageRole.USER,
        texts=[each for each in texts if isinstance(each, str) and each.strip()],
        tools=list(dict.fromkeys(_in_words(each) for each in tools if isinstance(each, str))),
        ending=ENDINGS.get(status, ""),
    )


def _in_words(name: str) -> str:
    """A tool's name for people, as static/js/tools.js has it."""
    words = name[:LONGEST_TOOL_NAME].replace("_", " ")
    return f"RocketReach{rest}" if (rest := words.removeprefix("rocketreach")) != words else words
