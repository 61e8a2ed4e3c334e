"""A chat of our own export (docs/export.md) as it was, but for what it has cost and allowed.

What was paid for it was paid elsewhere, and a file cannot say for a person what tools may spend.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from chatcore import validation
from conversations.importing.chats import (
    MOST_MESSAGES,
    FoundChat,
    Unusable,
    clean,
    fit,
    is_client_id,
    moment,
    times,
    title_of,
)
from conversations.models import Message
from conversations.shapes import ClientId, Count

_MOST_TOOLS = 200
_LONGEST_FAULT = 100


class _Message(Struct, rename="camel"):
    """As the export has it; members that a later version added are passed over."""

    id: ClientId
    role: Literal["user", "assistant"]
    content: str = ""
    parts: list[Any] = []
    parent_id: str | None = None
    model: str = ""
    status: Literal["complete", "stopped", "failed", "interrupted"] = "complete"
    error: dict[str, Any] | None = None
    token_count: Count | None = None
    created_at: Any = None


def convert(chat: Any, now: datetime) -> FoundChat:
    """Raises Unusable."""
    if not isinstance(chat, dict) or not is_client_id(chat.get("id")):
        raise Unusable("It has no id that can be used.")
    given = chat.get("messages")
    if not isinstance(given, list):
        raise Unusable("It has no list of messages.")
    if len(given) > MOST_MESSAGES:
        raise Unusable(f"It has more than {MOST_MESSAGES:,} messages.")
    created = moment(chat.get("createdAt"), now)
    messages: dict[str, Message] = {}
    for number, each in enumerate(given, start=1):
        message = _message(each, number, messages, created or now, now)
        messages.setdefault(message.client_id, message)
    found = list(messages.values())
    created, updated = times(created, moment(chat.get("updatedAt"), now), found, now)
    return FoundChat(
        client_id=chat["id"],
        title=title_of(chat.get("title")),
        created_at=created,
        updated_at=updated,
        messages=found,
        is_deleted=chat.get("deletedAt") is not None,
        tools_used=_tools(chat.get("metadata")),
        shortened=sum([fit(each) for each in found]),
    )


def _message(
    given: Any, number: int, before: dict[str, Message], begin: datetime, now: datetime
) -> Message:
    try:
        each = msgspec.convert(given, _Message)
    except msgspec.ValidationError as error:
        field, fault = validation.fault_of(error)
        # Both have what the file says in them, of whatever length.
        where = field[:_LONGEST_FAULT] or "the whole"
        raise Unusable(f"Of message {number}, {where}: {fault[:_LONGEST_FAULT]}.") from error
    return Message(
        client_id=each.id,
        # One that is missing, or comes later, would lead nowhere.
        parent_id=each.parent_id if each.parent_id in before else None,
        role=each.role,
        content=each.content,
        parts=each.parts,
        model=clean(each.model),
        status=each.status,
        error=each.error,
        token_count=each.token_count,
        created_at=moment(each.created_at, now) or begin,
    )


def _tools(metadata: Any) -> list[str]:
    used = metadata.get("toolsUsed") if isinstance(metadata, dict) else None
    names = used if isinstance(used, list) else []
    return [clean(each)[:100] for each in names if isinstance(each, str)][:_MOST_TOOLS]
