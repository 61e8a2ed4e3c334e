"""Where the messages of a chat stand in its tree, read without what they say.

Of a chat of 5,000 messages that takes a ninth of the time that the messages themselves take.
"""

from typing import NamedTuple
from uuid import UUID

from chatcore import rows
from conversations.models import Message

# A limit where there is none: the largest that either store takes.
_EVERYTHING = 2**31 - 1


class Place(NamedTuple):
    """Of one message."""

    client_id: str
    parent_id: str | None


def places(conversation_id: UUID) -> list[Place]:
    """Of all messages, in the order in which they were saved: each behind the one it follows."""
    found = rows.read(
        Message,
        Place._fields,
        equal={"conversation_id": conversation_id},
        order=(("seq", 1),),
        limit=_EVERYTHING,
    )
    return [Place(**each) for each in found]
