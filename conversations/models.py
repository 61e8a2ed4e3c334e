"""Conversations and their messages, as documents: names in the store are those of the API."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from accounts.models import Organization, User
from chatcore import clock, writes
from chatcore.db import SparseIndex
from chatcore.ids import new_id
from conversations import cache, signals

# Ids that clients choose, for conversations, messages and requests alike.
CLIENT_ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}\Z"
TITLE_LENGTH = 80
MAX_TITLE_CHARACTERS = 200
# Where no message gives a chat its title.
UNTITLED = "New chat"

client_id_validator = RegexValidator(
    CLIENT_ID_PATTERN, "Use 1 to 64 letters, digits, hyphens and underscores."
)


def title_from(text: str) -> str:
    """The beginning of a first message as a title: one line, cut at a word."""
    line = re.sub(r"\s+", " ", text).strip()
    if len(line) <= TITLE_LENGTH:
        return line
    return line[: TITLE_LENGTH - 1].rsplit(" ", 1)[0][: TITLE_LENGTH - 1] + "…"


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def for_user(self, user: User) -> "ConversationQuerySet":
        """This person's own. Somebody else's chat is not there, whatever the role."""
        return self.filter(user=user)

    def active(self) -> "ConversationQuerySet":
        """Not in the trash."""
        return self.filter(deleted_at=None)


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    client_id = models.CharField(max_length=64, validators=[client_id_validator], db_column="id")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, db_column="orgId", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_column="userId", db_index=False
    )
    title = models.CharField(max_length=MAX_TITLE_CHARACTERS, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    # Names of tools that may spend something in this chat without a question to its person.
    allowed_tools = models.JSONField(default=list, blank=True, db_column="allowedTools")
    # Of the request that made it, should the same one come again; "" if it was not made by one.
    creation_digest = models.CharField(max_length=64, blank=True, db_column="creationDigest")
    message_count = models.PositiveIntegerField(default=0, db_column="messageCount")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=clock.now, db_column="createdAt")
    updated_at = models.DateTimeField(default=clock.now, db_column="updatedAt")
    deleted_at = models.DateTimeField(null=True, blank=True, db_column="deletedAt")

    objects: ClassVar[models.Manager["Conversation"]] = ConversationQuerySet.as_manager()

    class Meta:
        db_table = "conversations"
        constraints = [
            models.UniqueConstraint(fields=["client_id", "user"], name="conversations_id_user")
        ]
        indexes = [
            models.Index(fields=["user", "-updated_at"], name="conversations_user_updated"),
            models.Index(fields=["organization", "-created_at"], name="conversations_org_created"),
            # The list and, read backwards, the trash: each page by its key, however long it is.
            models.Index(
                fields=["user", "deleted_at", "-updated_at", "-id"], name="conversations_user_list"
            ),
            SparseIndex(field="deleted_at", name="conversations_deleted"),
        ]

    def __str__(self) -> str:
        # Django's admin lists what is deleted along with a person: not in words they wrote.
        return self.client_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        cache.forget_list(self.user_id)

    def change(self, *, more_messages: int = 0, **fields: Any) -> None:
        """Write these fields and raise the version, so that nothing cached of this chat counts.

        Until the transaction around it ends, no other writer can pass here. Raises DoesNotExist if
        it was deleted for good meanwhile.
        """
        counts = {"version": 1, **({"message_count": more_messages} if more_messages else {})}
        found = writes.update(
            type(self),
            {"id": self.pk},
            values=fields,
            add=counts,
            returning=("version", "message_count"),
        )
        if found is None:
            raise type(self).DoesNotExist
        for name, value in {**fields, **found}.items():
            setattr(self, name, value)
        cache.forget_list(self.user_id)

    def soft_delete(self, now: datetime) -> None:
        """Into the trash; a second time changes nothing."""
        if self.deleted_at is None:
            self.change(deleted_at=now)

    def restore(self) -> None:
        """Out of the trash."""
        if self.deleted_at is not None:
            self.change(deleted_at=None)

    def append(self, message: "Message", now: datetime, **fields: Any) -> "Message":
        """Save a message as the newest of this conversation. Call it inside a transaction.

        `fields` of the conversation are written along with it.

        The count is raised in the store first: of two tabs that append at once the second waits,
        or begins again, and each gets a `seq` of its own.
        """
        self.change(more_messages=1, updated_at=now, **fields)
        message.conversation = self
        message.seq = self.message_count
        message.created_at = now
        writes.insert(message)
        self.announce(messages=1, at=now)
        return message

    def announce(self, *, chats: int = 0, messages: int, at: datetime) -> None:
        """Say that so much was written here. Call it inside the transaction that does it."""
        signals.written.send(
            type(self),
            user_id=self.user_id,
            organization_id=self.organization_id,
            chats=chats,
            messages=messages,
            at=at,
        )


class MessageRole(models.TextChoices):
    USER = "user"
    ASSISTANT = "assistant"


class MessageStatus(models.TextChoices):
    """How the writing of a message ended. A person's own messages are always complete."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class MessageQuerySet(models.QuerySet["Message"]):
    def in_order(self) -> "MessageQuerySet":
        return self.order_by("seq")


class Message(models.Model):
    """One message. `parent_id` makes a tree: two children of one message are two branches."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.CASCADE,
        related_name="messages",
        db_column="conversationId",
        db_index=False,
    )
    client_id = models.CharField(max_length=64, validators=[client_id_validator], db_column="id")
    parent_id = models.CharField(max_length=64, null=True, blank=True, db_column="parentId")
    seq = models.PositiveIntegerField()
    role = models.CharField(max_length=16, choices=MessageRole)
    content = models.TextField(blank=True)
    parts = models.JSONField(default=list, blank=True)
    model = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=16, choices=MessageStatus, default=MessageStatus.COMPLETE)
    error = models.JSONField(null=True, blank=True)
    token_count = models.PositiveIntegerField(null=True, blank=True, db_column="tokenCount")
    created_at = models.DateTimeField(default=clock.now, db_column="createdAt")

    objects: ClassVar[models.Manager["Message"]] = MessageQuerySet.as_manager()

    class Meta:
        db_table = "messages"
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "client_id"], name="messages_conversation_id"
            )
        ]
        indexes = [models.Index(fields=["conversation", "seq"], name="messages_conversation_seq")]

    def __str__(self) -> str:
        return f"{self.role} {self.client_id}"


def new_token() -> str:
    """128 random bits, in letters and digits that no program cuts off the end of an address."""
    return secrets.token_hex(16)


class SharedLinkQuerySet(models.QuerySet["SharedLink"]):
    def for_user(self, user: User) -> "SharedLinkQuerySet":
        """This person's own. Somebody else's link is not there, whatever the role."""
        return self.filter(user=user)

    def with_chats(self) -> "SharedLinkQuerySet":
        """With what they lead to, the one that was shared last first."""
        return self.select_related("conversation").order_by("-shared_at")


class SharedLink(models.Model):
    """Lets others read a chat, from its first message down to `leaf_id` and no further.

    The text is not copied: it is read anew each time. To stop sharing deletes the row, so that
    the token is gone for good.
    """

    MOST_PER_PERSON: ClassVar[int] = 200

    # In addresses of those who manage links; only who may read gets the token.
    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    token = models.CharField(max_length=32, default=new_token, editable=False)
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.CASCADE,
        related_name="+",
        db_column="conversationId",
        db_index=False,
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_column="userId",
        db_index=False,
        verbose_name="person",
    )
    # The last message that was shown when it was shared, by the client's id.
    leaf_id = models.CharField(max_length=64, db_column="leafId")
    created_at = models.DateTimeField("made", default=clock.now, db_column="createdAt")
    shared_at = models.DateTimeField("shows the chat as of", db_column="sharedAt")

    objects: ClassVar[models.Manager["SharedLink"]] = SharedLinkQuerySet.as_manager()

    class Meta:
        db_table = "shared_links"
        constraints = [
            models.UniqueConstraint(fields=["token"], name="shared_links_token"),
            models.UniqueConstraint(fields=["conversation"], name="shared_links_conversation"),
        ]
        indexes = [models.Index(fields=["user", "-shared_at"], name="shared_links_user_shared")]

    def __str__(self) -> str:
        # Django's admin names what it deletes: not by the token, nor in words of the chat.
        return str(self.id)


class HasParent(Protocol):
    @property
    def client_id(self) -> str: ...

    @property
    def parent_id(self) -> str | None: ...


InTree = TypeVar("InTree", bound=HasParent)


def branch(messages: Sequence[InTree], leaf_id: str | None) -> list[InTree]:
    """The messages from the first one down to the leaf, along `parent_id`.

    `messages` are those of one conversation, in any order. Without a leaf: [].
    A parent that is not there, or a ring of parents, ends the walk.
    """
    by_id = {message.client_id: message for message in messages}
    path: list[InTree] = []
    while leaf_id is not None and (message := by_id.pop(leaf_id, None)):
        path.append(message)
        leaf_id = message.parent_id
    path.reverse()
    return path


def as_text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def reasoning_of(parts: Sequence[dict[str, Any]]) -> str:
    """What the model thought, of the parts of a message."""
    return "".join(part.get("text", "") for part in parts if part.get("type") == "reasoning")
