"""The frames that the server sends over /ws/assistant, as docs/stream-protocol.md explains them.

Those of a client are in assistant/client_frames.py.
"""

from typing import Any, Literal, TypedDict, cast
from uuid import UUID

from assistant import tool_uses
from assistant.answer_log import AnswerLog
from assistant.events import (
    ApprovalAsked,
    ApprovalGiven,
    Event,
    ReasoningDelta,
    Retrying,
    TextDelta,
    ToolCall,
    ToolResult,
)
from assistant.saving import Found
from assistant.services import ServiceState
from assistant.shown import RunningAnswer, Shown, ShownMessage
from assistant.turns import Turn
from conversations.models import Conversation

PROTOCOL_VERSION = 1


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


class Ended(TypedDict):
    """An answer of this person's is not being made any more, however it ended."""

    type: Literal["ended"]
    generationId: str


class Changed(TypedDict):
    """A chat of this person's got another title, or went into the trash or out of it."""

    type: Literal["changed"]
    conversationId: str
    title: str
    updatedAt: str
    isDeleted: bool


class Services(TypedDict):
    """Which of the servers behind this one are not as they should be; mostly none.

    Behind `ready`, and again when it changes.
    """

    type: Literal["services"]
    troubles: list[ServiceState]


class ConversationFrame(TypedDict):
    """What is to be shown of a chat: it takes the place of what the client had from there on."""

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
    """All there is of an answer at position `seq`; it takes the place of what the client had.

    `tools` are parts of a message, in the shape of the AI SDK; `parts` are text and tools in order.
    """

    type: Literal["snapshot"]
    generationId: str
    conversationId: str
    parentId: str
    answerId: str
    model: str
    seq: int
    text: str
    reasoning: str
    tools: list[dict[str, Any]]
    parts: list[dict[str, Any]]
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


class ToolResultFrame(TypedDict):
    """What came of a tool call: JSON text, or for an error a sentence."""

    type: Literal["toolResult"]
    generationId: str
    seq: int
    id: str
    name: str
    content: str
    isError: bool


class ApprovalAskedFrame(TypedDict):
    """The tool call of this id spends something; the client is to answer with `decide`."""

    type: Literal["approvalAsked"]
    generationId: str
    seq: int
    id: str
    name: str
    question: str


class ApprovalGivenFrame(TypedDict):
    """The question is answered: `once`, `chat`, `deny`, or `timeout` if nobody did in time."""

    type: Literal["approvalGiven"]
    generationId: str
    seq: int
    id: str
    decision: str


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
    | Ended
    | Changed
    | Services
    | ConversationFrame
    | Unchanged
    | Snapshot
    | Delta
    | ToolCallFrame
    | ToolResultFrame
    | ApprovalAskedFrame
    | ApprovalGivenFrame
    | RetryingFrame
    | Finished
    | ErrorFrame
)


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


def ended(generation_id: UUID) -> Ended:
    return {"type": "ended", "generationId": str(generation_id)}


def changed(conversation: Conversation) -> Changed:
    return {
        "type": "changed",
        "conversationId": conversation.client_id,
        "title": conversation.title,
        "updatedAt": conversation.updated_at.isoformat(),
        "isDeleted": conversation.deleted_at is not None,
    }


def services(troubles: list[ServiceState]) -> Services:
    return {"type": "services", "troubles": troubles}


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
        "tools": [use.part() for use in progress.tools],
        "parts": tool_uses.parts_of(progress.text, progress.tools),
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
            case _ if (frame := _frame_of(event)) is not None:
                flush(seq - 1)
                frames.append(
                    cast(ServerFrame, {**frame, "generationId": generation_id, "seq": seq})
                )
    flush(after + len(events))
    return frames


def _frame_of(event: Event) -> dict[str, Any] | None:
    """What a client is told of an event that is no delta; None for what it need not know."""
    match event:
        case ToolCall(id=key, name=name, arguments=arguments):
            return {"type": "toolCall", "id": key, "name": name, "arguments": arguments}
        case ToolResult(id=key, name=name, content=content, is_error=is_error):
            result = {"content": content, "isError": is_error}
            return {"type": "toolResult", "id": key, "name": name, **result}
        case ApprovalAsked(id=key, name=name, question=question):
            return {"type": "approvalAsked", "id": key, "name": name, "question": question}
        case ApprovalGiven(id=key, decision=decision):
            return {"type": "approvalGiven", "id": key, "decision": decision}
        case Retrying(message=message, seconds=seconds):
            return {"type": "retrying", "message": message, "seconds": seconds}
    return None
