"""A tool call and what came of it, as it is shown, saved, and told to the model again."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from assistant.events import ApprovalAsked, ApprovalGiven, Event, TextDelta, ToolCall, ToolResult
from chatcore import validation
from chatcore.errors import Invalid

# What `note` has something to say of.
EVENTS = (ToolCall, ToolResult, ApprovalAsked, ApprovalGiven)


class ToolUse(Struct, frozen=True, rename="camel"):
    """`at` is how many characters of the answer stand before it. Without a `result` it runs, or
    was cut short. `question` is what the person was asked, `decision` what they said."""

    id: str
    name: str
    arguments: str
    at: int = 0
    question: str | None = None
    decision: str | None = None
    result: str | None = None
    is_error: bool = False

    @property
    def is_asked(self) -> bool:
        return self.question is not None and self.decision is None and self.result is None

    def part(self) -> dict[str, Any]:
        """As a part of a message, in the shape of the AI SDK."""
        part = {
            "type": "dynamic-tool",
            "toolName": self.name,
            "toolCallId": self.id,
            "state": self._state(),
            "input": as_value(self.arguments),
        }
        if self.is_asked:
            return {**part, "approval": {"id": self.id}, "question": self.question}
        if self.result is None:
            return part
        outcome = {"errorText": self.result} if self.is_error else {"output": as_value(self.result)}
        return {**part, **outcome}

    def _state(self) -> str:
        if self.is_asked:
            return "approval-requested"
        if self.result is None:
            return "input-available"
        return "output-error" if self.is_error else "output-available"

    def events(self) -> list[Event]:
        """What happened, in order."""
        events: list[Event] = [ToolCall(self.id, self.name, self.arguments)]
        if self.result is not None:
            events.append(ToolResult(self.id, self.name, self.result, self.is_error))
        return events


def note(uses: dict[str, ToolUse], event: Event, at: int) -> None:
    """Add what an event says to the uses by id, in the order in which they were asked for."""
    match event:
        case ToolCall():
            uses[event.id] = ToolUse(event.id, event.name, event.arguments, at)
        case ToolResult() if event.id in uses:
            found = uses[event.id]
            uses[event.id] = replace(found, result=event.content, is_error=event.is_error)
        case ApprovalAsked() if event.id in uses:
            uses[event.id] = replace(uses[event.id], question=event.question)
        case ApprovalGiven() if event.id in uses:
            uses[event.id] = replace(uses[event.id], decision=event.decision)


def as_json(uses: Iterable[ToolUse]) -> list[dict[str, Any]]:
    """For the store."""
    found: list[dict[str, Any]] = msgspec.to_builtins(list(uses))
    return found


def from_json(stored: Sequence[Any] | None) -> tuple[ToolUse, ...]:
    return msgspec.convert(stored or (), tuple[ToolUse, ...])


def parts_of(text: str, uses: Sequence[ToolUse]) -> list[dict[str, Any]]:
    """The text of an answer and its tools as parts of a message, each where it stood."""
    return [
        {"type": "text", "text": each} if isinstance(each, str) else each.part()
        for each in _in_order(text, uses)
    ]


def events_of(text: str, uses: Sequence[ToolUse]) -> list[Event]:
    """As they happened, but for how the text came in pieces."""
    events: list[Event] = []
    for each in _in_order(text, uses):
        events += [TextDelta(each)] if isinstance(each, str) else each.events()
    return events


def _in_order(text: str, uses: Sequence[ToolUse]) -> Iterator[str | ToolUse]:
    begin = 0
    for use in uses:
        if said := text[begin : use.at]:
            yield said
        begin = max(begin, use.at)
        yield use
    if rest := text[begin:]:
        yield rest


def as_value(text: str) -> Any:
    """What a JSON text says; the text itself of what is none, or of what no store would take."""
    try:
        return validation.decode(text.encode() or b"{}")
    except (Invalid, UnicodeError):
        return text
