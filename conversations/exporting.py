"""What people take with them, as JSON (docs/export.md): made page by page, never whole in memory.

The pieces come from plain generators. `streamed` asks for each in a thread that may wait for the
store, so that a long export holds no thread of a request.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from chatcore import rows
from chatcore.db import in_thread
from chatcore.rest import encode
from conversations import pages
from conversations.models import Conversation, Message

FORMAT = "chatcore-export"
VERSION = 1

# Of a chat at a time; a message has at most half a megabyte.
MESSAGES = 50
# Small pieces are sent together: each costs a change of threads.
PIECE_BYTES = 64 * 1024

_CHAT = (
    *("id", "client_id", "title", "metadata", "allowed_tools", "created_at", "updated_at"),
    "deleted_at",
)


def document(now: datetime, members: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """The whole export. Each member begins with a comma, as `member` and `array` make it."""
    opening = encode({"format": FORMAT, "version": VERSION, "exportedAt": now})
    yield opening[:-1]
    for each in members:
        yield from each
    yield b"}\n"


def member(name: str, value: Any) -> Iterator[bytes]:
    yield b"," + encode(name) + b":" + encode(value)


def array(name: str, items: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """A list whose items come in pieces. Each has one at least."""
    yield b"," + encode(name) + b":["
    comma = b""
    for pieces in items:
        for piece in pieces:
            yield comma + piece
            comma = b""
        comma = b","
    yield b"]"


def chats(user_id: UUID) -> Iterator[Iterable[bytes]]:
    """All of a person's chats, those in the trash as well, the oldest first.

    The keys are read at once, so that each comes once, whatever is written meanwhile.
    """
    mine = Conversation.objects.filter(user_id=user_id).order_by("created_at")
    for key in list(mine.values_list("pk", flat=True)):
        yield chat(key)


def chat(key: UUID) -> Iterator[bytes]:
    """One chat with the messages of all its branches."""
    found = rows.read(Conversation, _CHAT, equal={"id": key}, limit=1)
    # A chat that was deleted for good meanwhile is null: nothing would leave its comma behind.
    yield encode(_chat(found[0]))[:-1] + b',"messages":[' if found else b"null"
    if not found:
        return
    after, comma = 0, b""
    while page := _messages(key, after):
        yield comma + encode([pages.message(row) for row in page])[1:-1]
        after, comma = page[-1]["seq"], b","
    yield b"]}"


def _chat(row: rows.Row) -> dict[str, Any]:
    return {
        "id": row["client_id"],
        "title": row["title"],
        "metadata": row["metadata"],
        "allowedTools": row["allowed_tools"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "deletedAt": row["deleted_at"],
    }


def _messages(key: UUID, after: int) -> list[rows.Row]:
    return rows.read(
        Message,
        pages.MESSAGE,
        equal={"conversation_id": key},
        order=(("seq", 1),),
        after=(after,),
        limit=MESSAGES,
    )


async def streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    gathered = _gathered(pieces)
    while (piece := await in_thread(next, gathered, None)) is not None:
        yield piece


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
