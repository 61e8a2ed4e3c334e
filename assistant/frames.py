"""The frames of /ws/assistant, both ways, as docs/stream-protocol.md explains them."""

from typing import Annotated, Any, Literal, TypedDict, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from assistant.answer_log import AnswerLog
from assistant.events import Event, ReasoningDelta, Retrying, TextDelta, ToolCall
from assistant.saving import Found
from assistant.shown import RunningAnswer, Shown, ShownMessage
from assistant.turns import Question, Turn
from chatcore.validation import fault_of
from conversations.models import CLIENT_ID_PATTERN, Conversation

PROTOCOL_VERSION = 1
# Well below the server's own limit of 1 MiB, past which it can only hang up.
MAX_FRAME_BYTES = 900_000
MAX_TEXT_CHARACTERS = 200_000

ClientId = Annotated[str, Meta(pattern=CLIENT_ID_PATTERN)]
ModelRef = Annotated[str, Meta(min_length=1, max_length=300)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARACTERS)]


# --- From the client ----------------------------------------------------------------------------
class Send(TypedDict):
    """Ask something: the first message of a new chat, or the next one of an old chat."""

    type: Literal["send"]
    requestId: ClientId
    conversationId: ClientId
    messageId: ClientId
    parentId: ClientId | None
    text: Text
    model: ModelRef | None


class Regenerate(TypedDict):
    """Ask for another answer to a question that is stored already."""

    type: Literal["regenerate"]
    requestId: ClientId
    conversationId: ClientId
    messageId: ClientId
    model: ModelRef | None


class Continue(TypedDict):
    """Ask for a new answer that goes on from one that ended early."""

    type: Literal["continue"]
    requestId: ClientId
    conversationId: ClientId
    messageId: ClientId
    model: ModelRef | None


class Attach(TypedDict):
    """See an answer that is being made, from the position after `after` on."""

    type: Literal["attach"]
    generationId: UUID
    after: Annotated[int, Meta(ge=0, le=2**31)] | None


class Stop(TypedDict):
    """End an answer and keep what was written."""

    type: Literal["stop"]
    generationId: UUID


class Sync(TypedDict):
    """Ask what is to be shown of a chat, if that does not end with this message any more."""

    type: Literal["sync"]
    conversationId: ClientId
    messageId: ClientId | None


class Ping(TypedDict):
    """Ask whether the socket is alive."""

    type: Literal["ping"]


ClientFrame = Send | Regenerate | Continue | Attach | Stop | Sync | Ping
_CLIENT_FRAMES: dict[str, Any] = {
    "send": Send,
    "regenerate": Regenerate,
    "continue": Continue,
    "attach": Attach,
    "stop": Stop,
    "sync": Sync,
    "ping": Ping,
}


# --- To the client ------------------------------------------------------------------------------
class Ready(TypedDict):
    """The socket belongs to a logged-in person and takes frames."""

    type: Literal["ready"]
    protocol: int


class Pong(TypedDict):
    type: Literal["pong"]


class Started(TypedDict):
    """The question is saved, its answer is being made. Also the answer to a repeated request."""

    type: Literal["started"]
    requestId: str
    conversationId: str
    title: str
    messageId: str
    generationId: str
    answerId: str
    model: str


class AskedQuestion(TypedDict):
    id: str
    parentId: str | None
    text: str


class Begun(TypedDict):
    """Another tab of this person, or a program of theirs, has asked something."""

    type: Literal["begun"]
    requestId: str
    conversationId: str
    title: str
    generationId: str
    answerId: str
    model: str
    question: AskedQuestion


class ConversationFrame(TypedDict):
    """All that is to be shown of a chat; it takes the place of what the client had."""

    type: Literal["conversation"]
    conversationId: str
    title: str
    messages: list[ShownMessage]
    running: RunningAnswer | None


class Unchanged(TypedDict):
    """The chat ends with the message that the client named."""

    type: Literal["unchanged"]
    conversationId: str


class Snapshot(TypedDict):
    """All there is of an answer at position `seq`; it takes the place of what the client had."""

    type: Literal["snapshot"]
    generationId: str
    conversationId: str
    parentId: str
    answerId: str
    model: str
    seq: int
    text: str
    reasoning: str
    status: str
    error: dict[str, Any] | None


class Delta(TypedDict):
    """The next piece. `seq` is the position behind it."""

    type: Literal["delta"]
    generationId: str
    seq: int
    channel: Literal["text", "reasoning"]
    text: str


class ToolCallFrame(TypedDict):
    """The model asks for a tool. `arguments` is JSON text."""

    type: Literal["toolCall"]
    generationId: str
    seq: int
    id: str
    name: str
    arguments: str


class RetryingFrame(TypedDict):
    """The provider failed before anything was shown, and is asked again in `seconds`."""

    type: Literal["retrying"]
    generationId: str
    seq: int
    message: str
    seconds: float


class Finished(TypedDict):
    """The answer has ended and is saved."""

    type: Literal["finished"]
    generationId: str
    seq: int
    status: str
    error: dict[str, Any] | None


class ErrorFrame(TypedDict):
    """A frame was not taken. `requestId` and `field` say which, where that is known.

    `retryAfter` is the seconds to wait where a limit was exceeded, else null.
    """

    type: Literal["error"]
    code: str
    message: str
    requestId: str | None
    field: str | None
    retryAfter: int | None


ServerFrame = (
    Ready
    | Pong
    | Started
    | Begun
    | ConversationFrame
    | Unchanged
    | Snapshot
    | Delta
    | ToolCallFrame
    | RetryingFrame
    | Finished
    | ErrorFrame
)


class BadFrame(Exception):
    """A frame that cannot be taken. Its text says what is wrong with it."""

    def __init__(
        self, code: str, message: str, *, request_id: str | None = None, field: str | None = None
    ) -> None:
        self.code, self.request_id, self.field = code, request_id, field
        super().__init__(message)

    def frame(self) -> ErrorFrame:
        return error_frame(self.code, str(self), request_id=self.request_id, field=self.field)


def error_frame(
    code: str,
    message: str,
    *,
    request_id: str | None = None,
    field: str | None = None,
    retry_after: int | None = None,
) -> ErrorFrame:
    return {
        "type": "error",
        "code": code,
        "message": message,
        "requestId": request_id,
        "field": field,
        "retryAfter": retry_after,
    }


def parse(raw: str) -> ClientFrame:
    """The frame in `raw`, checked to the last field. Raises BadFrame."""
    # A character takes at least a byte: most frames need no encoding to be measured.
    if len(raw) > MAX_FRAME_BYTES or len(raw.encode(errors="replace")) > MAX_FRAME_BYTES:
        raise BadFrame("too_large", f"A frame may have at most {MAX_FRAME_BYTES:,} bytes.")
    try:
        frame = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadFrame("malformed", "A frame is one JSON object.") from error
    if not isinstance(frame, dict):
        raise BadFrame("malformed", "A frame is one JSON object.")
    given = frame.get("requestId")
    request_id = given if isinstance(given, str) and len(given) <= 64 else None
    kind = frame.get("type")
    shape = _CLIENT_FRAMES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise BadFrame(
            "unknown_type",
            f"`type` is one of {', '.join(_CLIENT_FRAMES)}.",
            request_id=request_id,
            field="type",
        )
    return _convert(frame, shape, request_id)


def request_id_of(frame: ClientFrame) -> str | None:
    """The client's key of the request, for the frames that ask for something."""
    match frame["type"]:
        case "send" | "regenerate" | "continue":
            return frame["requestId"]
    return None


def question_of(frame: Send | Regenerate | Continue) -> Question:
    """What is asked."""
    return Question(
        request_id=frame["requestId"],
        conversation_id=frame["conversationId"],
        message_id=frame["messageId"],
        parent_id=frame["parentId"] if frame["type"] == "send" else None,
        text=frame["text"] if frame["type"] == "send" else None,
        continues=frame["type"] == "continue",
    )


def started(turn: Turn) -> Started:
    record = turn.generation
    return {
        "type": "started",
        "requestId": record.request_id,
        "conversationId": turn.conversation.client_id,
        "title": turn.conversation.title,
        "messageId": record.parent_id,
        "generationId": str(record.pk),
        "answerId": record.answer_id,
        "model": f"{record.provider}:{record.model}",
    }


def begun(turn: Turn) -> Begun:
    """Of a new turn."""
    record, asked = turn.generation, turn.asked
    assert asked is not None  # known of every new turn
    return {
        "type": "begun",
        "requestId": record.request_id,
        "conversationId": turn.conversation.client_id,
        "title": turn.conversation.title,
        "generationId": str(record.pk),
        "answerId": record.answer_id,
        "model": f"{record.provider}:{record.model}",
        "question": {
            "id": asked.client_id,
            "parentId": asked.parent_id,
            "text": asked.content,
        },
    }


def synced(conversation: Conversation, shown: Shown | None) -> ConversationFrame | Unchanged:
    """The reply to `sync`, of what `shown.since` found."""
    if shown is None:
        return {"type": "unchanged", "conversationId": conversation.client_id}
    return {
        "type": "conversation",
        "conversationId": conversation.client_id,
        "title": conversation.title,
        **shown,
    }


def snapshot(found: Found, log: AnswerLog | None = None) -> Snapshot:
    """All there is of an answer: as it is followed here, or as the store has it."""
    record, progress = found.generation, log.progress() if log else found.progress
    return {
        "type": "snapshot",
        "generationId": str(record.pk),
        "conversationId": found.conversation_id,
        "parentId": record.parent_id,
        "answerId": record.answer_id,
        "model": f"{record.provider}:{record.model}",
        "seq": progress.seq,
        "text": progress.text,
        "reasoning": progress.reasoning,
        "status": log.status if log else record.status,
        "error": log.error if log else record.error,
    }


def finished(log: AnswerLog, seq: int) -> Finished:
    return {
        "type": "finished",
        "generationId": str(log.id),
        "seq": seq,
        "status": log.status,
        "error": log.error,
    }


def _convert(frame: dict[str, Any], shape: Any, request_id: str | None) -> ClientFrame:
    allowed = shape.__annotations__
    for name in frame:
        if name not in allowed:
            raise BadFrame(
                "unknown_field",
                f"`{frame['type']}` has no field {name[:64]!r}.",
                request_id=request_id,
                field=name[:64],
            )
    # A field that may be null may be missing as well.
    complete = {**_nullable(shape), **frame}
    try:
        converted = msgspec.convert(complete, shape)
    except msgspec.ValidationError as error:
        field, _ = fault_of(error)
        raise BadFrame("invalid", str(error), request_id=request_id, field=field or None) from error
    if "\x00" in complete.get("text", ""):
        raise BadFrame("invalid", "Text has no NUL.", request_id=request_id, field="text")
    if "text" in complete and not complete["text"].strip():
        raise BadFrame("invalid", "The text is empty.", request_id=request_id, field="text")
    return cast(ClientFrame, converted)


def _nullable(shape: Any) -> dict[str, None]:
    return {
        name: None for name, hint in shape.__annotations__.items() if type(None) in _options(hint)
    }


def _options(hint: Any) -> tuple[Any, ...]:
    return getattr(hint, "__args__", ())


def delta_frames(generation_id: str, after: int, events: list[Event]) -> list[ServerFrame]:
    """Events behind position `after` as frames; neighbours of one channel become one frame."""
    frames: list[ServerFrame] = []
    pending: list[str] = []
    channel: Literal["text", "reasoning"] = "text"

    def flush(seq: int) -> None:
        if pending:
            frames.append(
                {
                    "type": "delta",
                    "generationId": generation_id,
                    "seq": seq,
                    "channel": channel,
                    "text": "".join(pending),
                }
            )
            pending.clear()

    for seq, event in enumerate(events, start=after + 1):
        match event:
            case TextDelta() | ReasoningDelta():
                kind: Literal["text", "reasoning"] = (
                    "text" if isinstance(event, TextDelta) else "reasoning"
                )
                if kind != channel:
                    flush(seq - 1)
                    channel = kind
                pending.append(event.text)
            case ToolCall():
                flush(seq - 1)
                frames.append(
                    {
                        "type": "toolCall",
                        "generationId": generation_id,
                        "seq": seq,
                        "id": event.id,
                        "name": event.name,
                        "arguments": event.arguments,
                    }
                )
            case Retrying():
                flush(seq - 1)
                frames.append(
                    {
                        "type": "retrying",
                        "generationId": generation_id,
                        "seq": seq,
                        "message": event.message,
                        "seconds": event.seconds,
                    }
                )
    flush(after + len(events))
    return frames
