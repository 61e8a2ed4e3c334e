"""What is cached of conversations: key, lifetime and invalidator of each, side by side.

No value is believed by its age. Each is kept with the version it was made of, and the version comes
from the database with every request: of a person's list it stands in the person's row, which the
log-in reads anyway; of a chat in its own. So a cached value is never older than the last write that
was answered, whatever Redis or another process has missed meanwhile.
"""

from functools import partial
from uuid import UUID

from accounts.models import User
from chatcore import writes
from chatcore.db import with_commit

CHAT_SECONDS = 5 * 60
LIST_SECONDS = 60


def chat_key(user_id: UUID, conversation_id: str) -> str:
    """The newest page of one chat. `Conversation.change` raises its version."""
    return f"conversation:{user_id}:{conversation_id}"


def tag_of(key: UUID, version: int) -> str:
    """Names a version of a chat, also where its id is that of an earlier one, gone for good."""
    return f"{version}.{key.hex}"


def list_key(user_id: UUID) -> str:
    """The first page of a person's chats."""
    return f"conversations:{user_id}"


def forget_list(user_id: UUID) -> None:
    """Whatever is cached of this person's list is not true any more.

    Before the write is answered. Should the process be killed between the two, LIST_SECONDS end it.
    """
    with_commit(partial(_raise_version, user_id))


def _raise_version(user_id: UUID) -> None:
    writes.update(User, {"id": user_id}, add={"chats_version": 1})
