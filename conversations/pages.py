"""Pages of chats and of messages, each found by its key: the last one costs what the first does."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from chatcore import rows, validation
from conversations.models import Conversation, Message
from conversations.shapes import Listed, SavedConversation, SavedMessage, SavedMetadata, Summary

_SUMMARY = (
    *("id", "client_id", "title", "metadata", "message_count", "version"),
    *("created_at", "updated_at", "deleted_at"),
)
MESSAGE = (
    *("client_id", "parent_id", "role", "content", "parts", "model", "status", "error"),
    *("token_count", "created_at", "seq"),
)
_NEWEST: rows.Order = (("updated_at", -1), ("id", -1))
# The index of the list, read backwards.
_LAST_DELETED: rows.Order = (("deleted_at", -1), ("updated_at", 1), ("id", 1))

Key = tuple[Any, ...]


def chats(
    user_id: UUID, *, deleted: bool, after: Key | None, limit: int
) -> tuple[list[rows.Row], Key | None]:
    """A page of chats, and the key to go on behind it: None if it was the last one.

    Newest first; the trash by the time of deletion, the last one first.
    """
    order = _LAST_DELETED if deleted else _NEWEST
    found = rows.read(
        Conversation,
        _SUMMARY,
        equal={"user_id": user_id} if deleted else {"user_id": user_id, "deleted_at": None},
        present="deleted_at" if deleted else None,
        order=order,
        after=after,
        limit=limit + 1,
    )
    page = found[:limit]
    return page, key_of(page[-1], deleted=deleted) if len(found) > limit else None


def key_of(row: rows.Row, *, deleted: bool) -> Key:
    """Where a chat stands in its list."""
    return tuple(row[name] for name, _ in (_LAST_DELETED if deleted else _NEWEST))


def find(
    user_id: UUID, conversation_id: str, fields: tuple[str, ...] = _SUMMARY
) -> rows.Row | None:
    """One chat of this person's, from the trash as well."""
    equal = {"client_id": conversation_id, "user_id": user_id}
    found = rows.read(Conversation, fields, equal=equal, limit=1)
    return found[0] if found else None


def conversation(chat: rows.Row, *, before: str | None, limit: int) -> SavedConversation:
    """A chat with its newest messages, or with those before the message `before`.

    Raises Invalid if there is no such message.
    """
    found = rows.read(
        Message,
        MESSAGE,
        equal={"conversation_id": chat["id"]},
        order=(("seq", -1),),
        after=None if before is None else (_seq_of(chat["id"], before),),
        limit=limit + 1,
    )
    messages = [message(row) for row in reversed(found[:limit])]
    return SavedConversation(
        **msgspec.structs.asdict(summary(chat)),
        messages=messages,
        next_before=messages[0].id if len(found) > limit else None,
    )


def _seq_of(conversation: UUID, message_id: str) -> int:
    equal = {"conversation_id": conversation, "client_id": message_id}
    found = rows.read(Message, ("seq",), equal=equal, limit=1)
    if not found:
        raise validation.invalid("before", "names no message of this conversation")
    return int(found[0]["seq"])


def summary(chat: rows.Row) -> Summary:
    """A chat as the list shows it."""
    metadata = chat["metadata"] or {}
    return Summary(
        id=chat["client_id"],
        title=chat["title"],
        metadata=SavedMetadata(
            total_tokens=metadata.get("totalTokens") or 0,
            total_cost=_cost(metadata.get("totalCost")),
            tools_used=metadata.get("toolsUsed") or [],
        ),
        message_count=chat["message_count"],
        version=chat["version"],
        created_at=chat["created_at"],
        updated_at=chat["updated_at"],
        deleted_at=chat["deleted_at"],
    )


def listed(chat: rows.Row) -> Listed:
    """A chat of a list; a search adds a `snippet` to its row."""
    return Listed(**msgspec.structs.asdict(summary(chat)), snippet=chat.get("snippet") or UNSET)


def _cost(stored: object) -> float | None:
    """A client gives a number; what the ledger says stands as text, so that sums are exact."""
    return None if stored is None else float(str(stored))


def message(row: rows.Row) -> SavedMessage:
    return SavedMessage(
        id=row["client_id"],
        parent_id=row["parent_id"],
        role=row["role"],
        content=row["content"],
        parts=row["parts"],
        model=row["model"],
        status=row["status"],
        error=row["error"],
        token_count=row["token_count"],
        created_at=row["created_at"],
    )


_KEYS: dict[bool, type[Any]] = {
    False: tuple[datetime, UUID],
    True: tuple[datetime, datetime, UUID],
}


def cursor_of(key: Key) -> str:
    """The key of a page as text for an address."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def key_from(cursor: str, *, deleted: bool) -> Key:
    """The key in a cursor. Raises Invalid for one that we did not make."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key: Key = msgspec.json.decode(raw, type=_KEYS[deleted])
        if any(isinstance(each, datetime) and each.tzinfo is None for each in key):
            raise ValueError(cursor)
        return tuple(each.astimezone(UTC) if isinstance(each, datetime) else each for each in key)
    except (ValueError, OverflowError, binascii.Error, msgspec.DecodeError, UnicodeError) as error:
        raise validation.invalid("cursor", "is none of a page of this list") from error
