"""The frames that a client sends over /ws/assistant, checked to the last field."""

from typing import Annotated, Any, Literal, TypedDict, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from assistant.frames import ErrorFrame, error_frame
from assistant.turns import Question
from chatcore.validation import fault_of
from conversations.models import CLIENT_ID_PATTERN

# Well below the server's own limit of 1 MiB, past which it can only hang up.
MAX_FRAME_BYTES = 900_000
MAX_TEXT_CHARACTERS = 200_000

ClientId = Annotated[str, Meta(pattern=CLIENT_ID_PATTERN)]
ModelRef = Annotated[str, Meta(min_length=1, max_length=300)]
# The provider's own.
CallId = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARACTERS)]


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


class Decide(TypedDict):
    """Allow a tool call once, or in this chat from now on, or deny it."""

    type: Literal["decide"]
    generationId: UUID
    callId: CallId
    decision: Literal["once", "chat", "deny"]


class Sync(TypedDict):
    """Ask what is to be shown of a chat, if that does not end with this message any more."""

    type: Literal["sync"]
    conversationId: ClientId
    messageId: ClientId | None


class Show(TypedDict):
    """Ask for the branch of a chat that goes through this message."""

    type: Literal["show"]
    conversationId: ClientId
    messageId: ClientId


class Ping(TypedDict):
    """Ask whether the socket is alive."""

    type: Literal["ping"]


Asking = Send | Regenerate | Continue
ClientFrame = Asking | Attach | Stop | Decide | Sync | Show | Ping
_CLIENT_FRAMES: dict[str, Any] = {
    "send": Send,
    "regenerate": Regenerate,
    "continue": Continue,
    "attach": Attach,
    "stop": Stop,
    "decide": Decide,
    "sync": Sync,
    "show": Show,
    "ping": Ping,
}


class BadFrame(Exception):
    """A frame that cannot be taken. Its text says what is wrong with it."""

    def __init__(
        self, code: str, message: str, *, request_id: str | None = None, field: str | None = None
    ) -> None:
        self.code, self.request_id, self.field = code, request_id, field
        super().__init__(message)

    def frame(self) -> ErrorFrame:
        return error_frame(self.code, str(self), request_id=self.request_id, field=self.field)


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


def question_of(frame: Asking) -> Question:
    """What is asked."""
    return Question(
        request_id=frame["requestId"],
        conversation_id=frame["conversationId"],
        message_id=frame["messageId"],
        parent_id=frame["parentId"] if frame["type"] == "send" else None,
        text=frame["text"] if frame["type"] == "send" else None,
        continues=frame["type"] == "continue",
    )


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
