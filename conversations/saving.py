"""Conversations as clients write them: made whole, changed as a whole, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError
from msgspec import UNSET

from accounts.models import User
from chatcore import clock, validation
from chatcore.db import in_transaction
from chatcore.errors import Conflict, NotFound, PreconditionRequired, Stale
from chatcore.rest import encode
from conversations.cache import tag_of
from conversations.models import (
    UNTITLED,
    Conversation,
    Message,
    MessageRole,
    as_text_part,
    title_from,
)
from conversations.shapes import (
    MAX_CONTENT_CHARACTERS,
    MAX_MESSAGE_BYTES,
    MAX_TYPE_CHARACTERS,
    ConversationChange,
    Metadata,
    NewConversation,
)
from conversations.shapes import Message as GivenMessage

_BATCH = 500
_UPDATED_AT_ONCE = 100
# All of a message that a client can set.
_SAID = (
    *("parent_id", "role", "content", "parts", "model", "status", "error", "token_count"),
    "created_at",
)


@dataclass(frozen=True)
class Meant:
    """A version, and of which row: an id may be made anew when the trash was emptied."""

    version: int
    key: UUID | None = None

    def is_version_of(self, conversation: Conversation) -> bool:
        return self.version == conversation.version and self.key in (None, conversation.pk)


def create(user: User, given: NewConversation, now: datetime) -> None:
    """A conversation with its messages. The very same request again makes nothing.

    Raises Conflict if the id is that of another conversation, and Invalid.
    """
    digest = sha256(msgspec.json.encode(given, order="sorted")).hexdigest()
    messages = _build(given.messages, {}, now)

    def work() -> None:
        mine = Conversation.objects.for_user(user).filter(client_id=given.id)
        if (earlier := mine.first()) is not None:
            if earlier.creation_digest != digest:
                raise Conflict("There is another conversation with this id.")
            return
        conversation = Conversation.objects.create(
            client_id=given.id,
            user=user,
            organization_id=user.organization_id,
            title=_title(given, messages),
            metadata=_metadata(given.metadata),
            creation_digest=digest,
            message_count=len(messages),
            created_at=now,
            updated_at=now,
        )
        _insert(conversation, messages)
        conversation.announce(chats=1, messages=len(messages), at=now)

    try:
        in_transaction(work)
    except IntegrityError:
        # The same id at the same moment; the other one is there now.
        in_transaction(work)


def change(
    user: User, given: ConversationChange, *, meant: Meant | None, now: datetime
) -> Conversation:
    """The conversation as changed. `meant` is what the client has read of it, None for anything.

    Raises NotFound, Stale with the current version, PreconditionRequired where messages would be
    lost and no version is named, and Invalid.
    """

    def work() -> Conversation:
        conversation = find(user, given.id)
        fields = _fields(conversation, given)
        if meant is not None and not meant.is_version_of(conversation):
            raise stale(conversation)
        if not fields:
            return conversation
        if given.messages is not UNSET:
            # Another name leaves a chat where it stands in the list.
            fields["updated_at"] = now
        # Whoever else writes this chat waits, or begins again: what is read now stays.
        conversation.change(**fields)
        if given.messages is not UNSET:
            _replace(conversation, given.messages, now, is_meant=meant is not None)
        return conversation

    return in_transaction(work)


def find(user: User, conversation_id: str, *, deleted: bool | None = False) -> Conversation:
    """One of this person's, from the trash or not; None for either. Raises NotFound."""
    conversation = Conversation.objects.for_user(user).filter(client_id=conversation_id).first()
    if conversation is None or deleted not in (None, conversation.deleted_at is not None):
        raise not_found()
    return conversation


def not_found() -> NotFound:
    return NotFound("There is no such conversation, or it is in the trash.")


def stale(conversation: Conversation) -> Stale:
    return Stale(
        "The conversation was changed since. Read it again, and repeat what is still wanted.",
        headers={"ETag": f'"{tag_of(conversation.pk, conversation.version)}"'},
        extra={"version": conversation.version},
    )


def _fields(conversation: Conversation, given: ConversationChange) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if given.title is not UNSET:
        fields["title"] = given.title
    if given.metadata is not UNSET:
        fields["metadata"] = {**conversation.metadata, **_metadata(given.metadata)}
    if given.messages is not UNSET:
        fields["message_count"] = len(given.messages)
    return fields


def _metadata(given: Metadata) -> dict[str, Any]:
    """Only what was named."""
    return dict(msgspec.to_builtins(given))


def _title(given: NewConversation, messages: Sequence[Message]) -> str:
    if given.title is not UNSET:
        return given.title
    questions = (each.content for each in messages if each.role == MessageRole.USER)
    return title_from(next(questions, "")) or UNTITLED


def _replace(
    conversation: Conversation, given: Sequence[GivenMessage], now: datetime, *, is_meant: bool
) -> None:
    """Make `given` the messages. What is there already and not named of a message stays."""
    stored = {each.client_id: each for each in conversation.messages.in_order()}
    before = {key: _said(each) for key, each in stored.items()}
    messages = _build(given, stored, now)
    changed = {each.client_id for each in messages if before.get(each.client_id, ()) != _said(each)}
    is_addition = [each.client_id for each in messages[: len(stored)]] == list(stored)
    if not is_meant and (not is_addition or changed.intersection(stored)):
        raise PreconditionRequired(
            "This would remove, change or move messages. Say by `version` or If-Match which version"
            " you mean, so that nobody's message is lost unseen."
        )
    kept = {each.client_id for each in messages}
    lost = [each.pk for key, each in stored.items() if key not in kept]
    for begin in range(0, len(lost), _BATCH):
        Message.objects.filter(pk__in=lost[begin : begin + _BATCH]).delete()
    moved = [each for seq, each in enumerate(messages, start=1) if each.seq != seq]
    for seq, each in enumerate(messages, start=1):
        each.seq = seq
    # Others wait for this transaction, so what only moved is not written whole.
    _update([each for each in moved if each.client_id in stored], ["seq"])
    _update([each for each in messages if each.client_id in changed.intersection(stored)], _SAID)
    new = [each for each in messages if each.client_id not in stored]
    _insert(conversation, new)
    if new:
        conversation.announce(messages=len(new), at=now)


def _said(message: Message) -> tuple[Any, ...]:
    return tuple(getattr(message, name) for name in _SAID)


def _update(messages: Sequence[Message], fields: Sequence[str]) -> None:
    Message.objects.bulk_update(messages, fields, batch_size=_UPDATED_AT_ONCE)


def _build(
    given: Sequence[GivenMessage], stored: dict[str, Message], now: datetime
) -> list[Message]:
    """The messages in their order, numbered from 1 if they are new. Raises Invalid."""
    messages: list[Message] = []
    known: set[str] = set()
    for index, each in enumerate(given):
        if each.id in known:
            raise validation.invalid(f"messages[{index}].id", "is there twice")
        message = stored.get(each.id) or Message(
            client_id=each.id,
            seq=index + 1,
            parent_id=messages[-1].client_id if messages else None,
            created_at=now,
        )
        _take(message, each, f"messages[{index}]")
        if message.parent_id is not None and message.parent_id not in known:
            raise validation.invalid(
                f"messages[{index}].parentId", "names no message before this one"
            )
        known.add(each.id)
        messages.append(message)
    return messages


def _take(message: Message, given: GivenMessage, path: str) -> None:
    message.role = given.role
    if given.parts is not UNSET:
        _check_parts(given.parts, path)
        message.parts = given.parts
        message.content = _text_of(given.parts)
        if len(message.content) > MAX_CONTENT_CHARACTERS:
            raise validation.invalid(
                f"{path}.parts", f"have more than {MAX_CONTENT_CHARACTERS:,} characters of text"
            )
    if given.content is not UNSET:
        if given.parts is UNSET and message.content != given.content:
            message.parts = [as_text_part(given.content)] if given.content else []
        message.content = given.content
    if given.created_at is not UNSET:
        message.created_at = _moment(given.created_at, f"{path}.createdAt")
    for name in ("parent_id", "model", "status", "error", "token_count"):
        if (value := getattr(given, name)) is not UNSET:
            setattr(message, name, value)
    if len(encode((message.parts, message.error))) > MAX_MESSAGE_BYTES:
        raise validation.invalid(path, f"has more than {MAX_MESSAGE_BYTES:,} bytes")


def _check_parts(parts: Sequence[dict[str, Any]], path: str) -> None:
    for index, part in enumerate(parts):
        kind = part.get("type")
        if not isinstance(kind, str) or not 0 < len(kind) <= MAX_TYPE_CHARACTERS:
            raise validation.invalid(
                f"{path}.parts[{index}].type",
                f"is needed, a text of at most {MAX_TYPE_CHARACTERS} characters",
            )
        text = part.get("text", "")
        if not isinstance(text, str) or len(text) > MAX_CONTENT_CHARACTERS:
            raise validation.invalid(
                f"{path}.parts[{index}].text",
                f"is a text of at most {MAX_CONTENT_CHARACTERS:,} characters",
            )


def _text_of(parts: Sequence[dict[str, Any]]) -> str:
    return "".join(part.get("text", "") for part in parts if part["type"] == "text")


def _moment(given: datetime, path: str) -> datetime:
    """In UTC and whole milliseconds, as both stores keep it."""
    try:
        return clock.in_milliseconds(given.astimezone(UTC))
    except OverflowError as error:
        raise validation.invalid(path, "is no moment that can be stored") from error


def _insert(conversation: Conversation, messages: Sequence[Message]) -> None:
    for each in messages:
        each.conversation = conversation
    for begin in range(0, len(messages), _BATCH):
        Message.objects.bulk_create(messages[begin : begin + _BATCH])
