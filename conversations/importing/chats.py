"""A chat as it is found in a file, and what makes its values such that both stores take them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chatcore import clock, validation
from chatcore.errors import Invalid
from chatcore.rest import encode
from conversations.models import CLIENT_ID_PATTERN, MAX_TITLE_CHARACTERS, Message, as_text_part
from conversations.shapes import (
    MAX_CONTENT_CHARACTERS,
    MAX_MESSAGE_BYTES,
    MAX_PARTS,
    MAX_TYPE_CHARACTERS,
)

# More than anybody writes; a page reads all of a chat.
MOST_MESSAGES = 20_000
# Nobody chatted with a model before. What is said to be older, or not yet, is taken for unknown.
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
SHORTENED = "\n\n[The rest was too long to be imported.]"


class Unusable(Exception):
    """A chat cannot be imported. The text says why, as a sentence for its owner."""


@dataclass
class FoundChat:
    """`messages` are in their order, each behind the one that it follows; not saved yet.

    `shortened` counts those of which something was too long. One with `is_deleted` was in the
    trash.
    """

    client_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    messages: list[Message]
    is_deleted: bool = False
    tools_used: list[str] = field(default_factory=list)
    shortened: int = 0


def clean(text: str) -> str:
    """Without NUL, and without halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def title_of(value: object) -> str:
    """One line of at most MAX_TITLE_CHARACTERS; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    line = re.sub(r"\s+", " ", clean(value[: 4 * MAX_TITLE_CHARACTERS])).strip()
    return line if len(line) <= MAX_TITLE_CHARACTERS else line[: MAX_TITLE_CHARACTERS - 1] + "…"


def is_client_id(value: object) -> bool:
    return isinstance(value, str) and re.match(CLIENT_ID_PATTERN, value) is not None


def moment(value: object, now: datetime) -> datetime | None:
    """Seconds since 1970, or a text of ISO 8601; None for what is no time of a chat."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return clock.in_milliseconds(found) if EARLIEST <= found <= now else None


def times(
    created: datetime | None,
    updated: datetime | None,
    messages: Sequence[Message],
    now: datetime,
) -> tuple[datetime, datetime]:
    """When a chat was made and last written to; of what is not known, by its messages."""
    written = [each.created_at for each in messages]
    latest = updated or max(written, default=created or now)
    return min(created or min(written, default=latest), latest), latest


def fit(message: Message) -> bool:
    """Make it one that can be stored. Returns whether something was left out for that."""
    message.model = clean(message.model)[:200]
    if _can_be_stored(message.parts, message.error) and (
        len(message.content) <= MAX_CONTENT_CHARACTERS and message.content == clean(message.content)
    ):
        return False
    # Its text is what people wrote and read. What a tool gave can be asked for again.
    message.error = None
    message.content = _shortened(clean(message.content))
    message.parts = [as_text_part(message.content)] if message.content else []
    return True


def _can_be_stored(parts: Sequence[Any], error: object) -> bool:
    try:
        validation.check_storable([parts, error])
    except Invalid:
        return False
    return (
        len(parts) <= MAX_PARTS
        and all(_is_part(each) for each in parts)
        and len(encode((parts, error))) <= MAX_MESSAGE_BYTES
    )


def _is_part(part: object) -> bool:
    if not isinstance(part, dict):
        return False
    kind, text = part.get("type"), part.get("text", "")
    is_kind = isinstance(kind, str) and 0 < len(kind) <= MAX_TYPE_CHARACTERS
    return is_kind and isinstance(text, str) and len(text) <= MAX_CONTENT_CHARACTERS


def _shortened(text: str) -> str:
    most = MAX_CONTENT_CHARACTERS - len(SHORTENED)
    is_long = len(text) > MAX_CONTENT_CHARACTERS
    kept = text[:most] if is_long else text
    # With room for what stands around it.
    while (size := len(encode(kept))) > MAX_MESSAGE_BYTES - 1_000:
        kept, is_long = kept[: (len(kept) * (MAX_MESSAGE_BYTES - 1_000)) // size - 1], True
    return kept + SHORTENED if is_long else kept
