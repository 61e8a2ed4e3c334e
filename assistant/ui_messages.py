"""An answer as the AI SDK's UI message stream: events in, chunks out. docs/stream-protocol.md has
the chunks.

The same log always makes the same chunks, each with a position of its own, so that a client that
says how far it got is sent exactly what it misses. Only deltas are joined, as they happen to come.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from assistant.events import (
    ApprovalAsked,
    Event,
    Finished,
    ReasoningDelta,
    Retrying,
    TextDelta,
    ToolCall,
    ToolResult,
    Usage,
)
from assistant.tool_uses import as_value

Chunk = dict[str, Any]
Kind = Literal["text", "reasoning"]

_FINISH_REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool-calls"}
_INTERRUPTED = "The server was restarted before the answer was complete. What was written is kept."
_NO_JSON = "The model wrote arguments that are no JSON."


@dataclass(frozen=True, order=True)
class Position:
    """All chunks of the first `seq` events, and `part` of those that follow them."""

    seq: int = 0
    part: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.part}" if self.part else str(self.seq)


START = Position()
Placed = tuple[Position, Chunk]


@dataclass(frozen=True)
class Answer:
    """What the first chunk says of an answer."""

    id: str
    generation_id: str
    conversation_id: str
    question_id: str
    model: str


class Translation:
    """Makes the chunks of one answer from its log, those behind the position `after`.

    Call `begin` once, `add` with all events in order, in batches of any size, and `end` once.
    """

    def __init__(self, answer: Answer, after: Position = START) -> None:
        self._answer = answer
        self._after = after
        self._at = START
        self._open: Kind | None = None
        self._blocks = 0
        self._reason: str | None = None

    def begin(self) -> list[Placed]:
        answer = self._answer
        metadata = {
            "conversationId": answer.conversation_id,
            "generationId": answer.generation_id,
            "questionId": answer.question_id,
            "model": answer.model,
        }
        start = {"type": "start", "messageId": answer.id, "messageMetadata": metadata}
        return self._behind(self._parts([start, {"type": "start-step"}]))

    def add(self, events: Sequence[Event]) -> list[Placed]:
        """The chunks of the next events; neighbouring deltas of one kind are one chunk."""
        # A delta must not reach from before what the client has to behind it.
        known = max(0, self._after.seq - self._at.seq)
        chunks = self._joined(events[:known]) + self._joined(events[known:])
        return self._behind(chunks)

    def end(self, status: str, error: dict[str, Any] | None) -> list[Placed]:
        """The last chunks of an answer that ended with this status, and this error if it failed."""
        metadata = {"status": status, "error": error}
        return self._behind(
            self._parts(
                [
                    *self._close(),
                    {"type": "finish-step"},
                    {"type": "message-metadata", "messageMetadata": metadata},
                    *self._ending(status, error),
                ]
            )
        )

    def _ending(self, status: str, error: dict[str, Any] | None) -> list[Chunk]:
        if status == "done":
            reason = {"finishReason": self._reason} if self._reason else {}
            return [{"type": "finish", **reason}]
        if status == "stopped":
            return [{"type": "abort", "reason": "stopped"}]
        text = error["message"] if error else _INTERRUPTED
        return [{"type": "error", "errorText": text}, {"type": "finish", "finishReason": "error"}]

    def _joined(self, events: Iterable[Event]) -> list[Placed]:
        chunks: list[Placed] = []
        pending: list[str] = []

        def flush() -> None:
            if pending:
                chunks.append((self._at, self._delta("".join(pending))))
                pending.clear()

        for event in events:
            if isinstance(event, TextDelta | ReasoningDelta):
                kind: Kind = "text" if isinstance(event, TextDelta) else "reasoning"
                if kind != self._open:
                    flush()
                    chunks += self._parts([*self._close(), self._opened(kind)])
                pending.append(event.text)
            else:
                flush()
                if made := self._chunks(event):
                    chunks += self._parts(made[:-1])
                    chunks.append((Position(self._at.seq + 1), made[-1]))
            self._at = Position(self._at.seq + 1)
        flush()
        return chunks

    def _chunks(self, event: Event) -> list[Chunk]:
        """Those of an event that is no delta; none of one that the client need not know."""
        match event:
            case ToolCall():
                return [*self._close(), *self._tool_call(event)]
            case Usage():
                return [{"type": "message-metadata", "messageMetadata": {"usage": _usage(event)}}]
            case ToolResult():
                return [_tool_result(event)]
            case ApprovalAsked():
                return _approval(event)
            case Retrying(message=message, seconds=seconds):
                retry: Chunk = {"message": message, "seconds": seconds}
                return [{"type": "data-retrying", "data": retry, "transient": True}]
            case Finished():
                self._reason = _FINISH_REASONS[event.reason]
        return []

    def _tool_call(self, event: ToolCall) -> list[Chunk]:
        call = {
            "toolCallId": event.id or f"call-{self._at.seq + 1}",
            "toolName": event.name,
            # No client knows of these tools by their types.
            "dynamic": True,
        }
        start = {"type": "tool-input-start", **call}
        try:
            given = msgspec.json.decode(event.arguments or "{}")
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            fault = {"input": event.arguments, "errorText": _NO_JSON}
            return [start, {"type": "tool-input-error", **call, **fault}]
        return [start, {"type": "tool-input-available", **call, "input": given}]

    def _opened(self, kind: Kind) -> Chunk:
        self._open = kind
        self._blocks += 1
        return {"type": f"{kind}-start", "id": self._block()}

    def _delta(self, text: str) -> Chunk:
        return {"type": f"{self._open}-delta", "id": self._block(), "delta": text}

    def _close(self) -> list[Chunk]:
        kind, self._open = self._open, None
        return [{"type": f"{kind}-end", "id": self._block()}] if kind else []

    def _block(self) -> str:
        return str(self._blocks)

    def _parts(self, chunks: Iterable[Chunk]) -> list[Placed]:
        """Each with the next place behind the events so far."""
        placed: list[Placed] = []
        for chunk in chunks:
            self._at = Position(self._at.seq, self._at.part + 1)
            placed.append((self._at, chunk))
        return placed

    def _behind(self, chunks: list[Placed]) -> list[Placed]:
        return [each for each in chunks if each[0] > self._after]


def _tool_result(event: ToolResult) -> Chunk:
    call = {"toolCallId": event.id, "dynamic": True}
    if event.is_error:
        return {"type": "tool-output-error", **call, "errorText": event.content}
    return {"type": "tool-output-available", **call, "output": as_value(event.content)}


def _approval(event: ApprovalAsked) -> list[Chunk]:
    """The SDK's own chunk has no place for the question."""
    data = {"toolCallId": event.id, "question": event.question}
    return [
        {"type": "data-approval", "data": data, "transient": True},
        {"type": "tool-approval-request", "approvalId": event.id, "toolCallId": event.id},
    ]


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "inputTokens": usage.input_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheWriteTokens": usage.cache_write_tokens,
        "outputTokens": usage.output_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "totalTokens": usage.total_tokens,
    }
