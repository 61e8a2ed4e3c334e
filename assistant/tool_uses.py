"""A tool call and what came of it, as it is shown, saved, and told to the model again."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from assistant.events import ApprovalAsked, ApprovalGiven, Event, TextDelta, ToolCall, ToolResult
from assistant.providers.base import ToolRound
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
        if self.decision is not None:
            part["decision"] = self.decision
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


def rounds_of(parts: Sequence[dict[str, Any]], content: str) -> tuple[list[ToolRound], str]:
    """What the model is told again of an answer: its rounds of tools, and the text behind them.

    A tool that was cut short has no result, and is not told: every provider wants one for each
    call. Parts may be a client's, of any shape.
    """
    rounds: list[ToolRound] = []
    text: list[str] = []
    for part in parts:
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            text.append(part["text"])
        elif (told := _told(part)) is not None:
            call, result = told
            if rounds and not "".join(text).strip():
                # Asked for side by side, or at least with nothing said between.
                last = rounds[-1]
                rounds[-1] = ToolRound((*last.said, call), (*last.results, result))
            else:
                rounds.append(ToolRound((TextDelta("".join(text)), call), (result,)))
            text.clear()
    return (rounds, "".join(text)) if rounds else ([], content)


def _told(part: dict[str, Any]) -> tuple[ToolCall, ToolResult] | None:
    """A call and its result, of a part that has both."""
    key, name, state = part.get("toolCallId"), part.get("toolName"), part.get("state")
    if part.get("type") != "dynamic-tool" or not isinstance(key, str) or not isinstance(name, str):
        return None
    call = ToolCall(key, name, msgspec.json.encode(part.get("input"), enc_hook=int).decode())
    if state == "output-error" and isinstance(part.get("errorText"), str):
        return call, ToolResult(key, name, part["errorText"], is_error=True)
    if state == "output-available":
        content = msgspec.json.encode(part.get("output"), enc_hook=int).decode()
        return call, ToolResult(key, name, content)
    return None


def as_value(text: str) -> Any:
    """What a JSON text says; the text itself of what is none, or of what no store would take."""
    try:
        return validation.decode(text.encode() or b"{}")
    except (Invalid, UnicodeError):
        return text
