"""What the AI SDK posts, as a question to ask.

The client sends its whole list of messages. This server has its own, so it takes the last message
and, from the others, only where that one belongs.
"""

from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from accounts.models import User
from assistant.client_frames import MAX_TEXT_CHARACTERS, CallId
from assistant.models import Generation
from assistant.turns import Question, TurnRefused
from chatcore import validation
from chatcore.ids import new_id
from conversations.models import Conversation, MessageRole
from conversations.shapes import MAX_MESSAGES, ClientId


class UIMessage(Struct):
    """A message as the AI SDK has it. Other fields of it are ignored."""

    id: Annotated[str, Meta(max_length=1000)]
    role: Literal["system", "user", "assistant"]
    parts: list[dict[str, Any]]


class RunningChat(Struct, rename="camel"):
    """A chat in which an answer is being made."""

    conversation_id: str
    generation_id: UUID


class RunningChats(Struct):
    """The answers that are being made; those of one chat may be several."""

    running: list[RunningChat]


class StreamRequest(Struct, rename="camel"):
    """What `DefaultChatTransport` posts, and two fields of ours. Other fields are ignored.

    `id` is the conversation. Of `messages` the last one is asked; the others say where it belongs.
    `requestId` names this very request, so that it can be repeated safely.
    """

    id: ClientId
    messages: Annotated[list[UIMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: Annotated[str, Meta(max_length=1000)] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    request_id: ClientId | None = None


class ToolDecision(validation.Shape):
    """What the person says of a tool call that asks: allow it once, in this chat, or deny it."""

    generation_id: UUID
    tool_call_id: CallId
    decision: Literal["once", "chat", "deny"]


def question_of(user: User, given: StreamRequest, header_key: str | None) -> Question:
    """The question that is meant. Raises Invalid and TurnRefused."""
    chat = Conversation.objects.for_user(user).filter(client_id=given.id).first()
    key = _request_id(given, header_key)
    if given.trigger == "regenerate-message":
        key = key or new_id().hex
        if answered := _answered_by(chat, given.message_id):
            return Question(key, given.id, answered, None, None)
    asked, text = _asked(given)
    message_id, parent_id = _place(chat, given, asked, text)
    key = key or _key_of(given.id, asked, text)
    return Question(key, given.id, message_id, parent_id, text)


def _request_id(given: StreamRequest, header: str | None) -> str | None:
    """The client's name for this request, by the body or the header."""
    if header is None:
        return given.request_id
    try:
        # In quotes, as the header's draft has it, or without, as most clients do.
        key = msgspec.convert(header.strip().strip('"'), ClientId)
    except msgspec.ValidationError as error:
        fault = "is 1 to 64 letters, digits, hyphens and underscores"
        raise validation.invalid("Idempotency-Key", fault) from error
    if given.request_id not in (None, key):
        raise validation.invalid("requestId", "differs from Idempotency-Key")
    return key


def _key_of(conversation_id: str, message_id: str, text: str) -> str:
    """The same for the same message, so that a request that is sent again is answered once."""
    return f"ask-{_digest(conversation_id, message_id, text)}"


def _digest(*parts: str) -> str:
    return sha256(msgspec.json.encode(parts)).hexdigest()[:40]


def _answered_by(chat: Conversation | None, message_id: str | None) -> str | None:
    """The question under the answer of that id; None if there is no such answer."""
    if chat is None or message_id is None:
        return None
    answers = chat.messages.filter(role=MessageRole.ASSISTANT, client_id=message_id)
    return answers.values_list("parent_id", flat=True).first()


def _asked(given: StreamRequest) -> tuple[str, str]:
    """Id and text of the last message. Raises Invalid."""
    message = given.messages[-1]
    place = f"messages[{len(given.messages) - 1}]"
    if message.role != "user":
        raise validation.invalid(place, "is not the user's; results of tools are not taken")
    texts = [_text(part, f"{place}.parts[{i}]") for i, part in enumerate(message.parts)]
    text = "".join(texts)
    if not text.strip():
        raise validation.invalid(place, "has no text")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise validation.invalid(place, f"has more than {MAX_TEXT_CHARACTERS:,} characters")
    try:
        return msgspec.convert(message.id, ClientId), text
    except msgspec.ValidationError as error:
        fault = "is 1 to 64 letters, digits, hyphens and underscores"
        raise validation.invalid(f"{place}.id", fault) from error


def _text(part: dict[str, Any], place: str) -> str:
    if part.get("type") == "file":
        raise validation.invalid(place, "is a file, and files are not taken")
    if part.get("type") != "text":
        return ""
    text = part.get("text")
    if not isinstance(text, str):
        raise validation.invalid(f"{place}.text", "is text")
    return text


def _place(
    chat: Conversation | None, given: StreamRequest, message_id: str, text: str
) -> tuple[str, str | None]:
    """The id to store the message under, and the id of the message before it."""
    if chat is None:
        return message_id, None
    earlier = chat.messages.filter(client_id=message_id).first()
    if earlier is None:
        parent_id = _parent(chat, given)
        _refuse_if_being_answered(chat, parent_id)
        return message_id, parent_id
    if earlier.content == text or earlier.role != MessageRole.USER:
        return message_id, earlier.parent_id
    # The AI SDK changes a message and keeps its id. Here the earlier one stays, beside the new one.
    return f"edit-{_digest(message_id, text)}", earlier.parent_id


def _parent(chat: Conversation, given: StreamRequest) -> str | None:
    """The nearest message before it that is stored, else the last one that is."""
    stored = list(chat.messages.in_order().values_list("client_id", flat=True))
    known = set(stored)
    for message in reversed(given.messages[:-1]):
        if message.id in known:
            return message.id
    return stored[-1] if stored else None


def _refuse_if_being_answered(chat: Conversation, parent_id: str | None) -> None:
    """An answer becomes a message at its end; until then nothing can follow it."""
    running = Generation.objects.running().filter(conversation=chat, parent_id=parent_id)
    if parent_id is not None and running.exists():
        raise TurnRefused(
            "already_running",
            "The question before this one is being answered. Wait for the end, or stop it.",
        )
