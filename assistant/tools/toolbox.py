"""The tools of one answer: checks what a model asks for, and does it, several calls at a time."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Any

import msgspec

from assistant.events import (
    ApprovalAsked,
    ApprovalGiven,
    Decision,
    Event,
    ToolCall,
    ToolResult,
)
from assistant.providers.base import ToolSpec
from assistant.tools.base import Tool, ToolFault

logger = logging.getLogger("chatcore.tools")

# So many calls of one round are carried out; what is more is told to the model.
MOST_CALLS = 16
# For so long a person is asked. The answer waits meanwhile, and its provider does not.
APPROVAL_SECONDS = 5 * 60.0
# What a model can take in of one result without losing sight of the question.
MAX_RESULT_CHARACTERS = 50_000

_DENIED = "The person did not allow this. Do not ask for it again; go on without it."
_NOT_ANSWERED = "The person did not say whether this is allowed. Go on without it."


class Toolbox:
    """What one answer may use. `allowed` are the tools that need no question to the person."""

    def __init__(self, tools: Iterable[Tool], *, allowed: Iterable[str] = ()) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._allowed = set(allowed)
        self._waiting: dict[str, tuple[str, asyncio.Future[Decision]]] = {}
        self.specs = tuple(_spec(tool) for tool in self._tools.values())

    @property
    def is_waiting(self) -> bool:
        """Whether a person is asked."""
        return bool(self._waiting)

    def decide(self, call_id: str, decision: Decision) -> str | None:
        """What the person says of a call. Returns the tool's name, None if it is not waited for.

        The first word counts. What is allowed for the chat is allowed for all that wait for it.
        """
        if call_id not in self._waiting:
            return None
        name = self._waiting[call_id][0]
        if decision == "chat":
            self._allowed.add(name)
        for key, (tool, answer) in self._waiting.items():
            is_meant = key == call_id or (decision == "chat" and tool == name)
            if is_meant and not answer.done():
                answer.set_result(decision)
        return name

    async def answer(self, calls: Sequence[ToolCall]) -> AsyncGenerator[Event, None]:
        """Exactly one result for each call, in the order in which they come, and what the person
        is asked on the way. Closing it ends what still runs."""
        news: asyncio.Queue[Event] = asyncio.Queue()
        tasks = [
            asyncio.create_task(self._carry_out(call, news.put_nowait, place))
            for place, call in enumerate(calls)
        ]
        left = len(tasks)
        try:
            while left:
                event = await news.get()
                left -= isinstance(event, ToolResult)
                yield event
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(self, call: ToolCall, tell: Callable[[Event], None], place: int) -> None:
        try:
            if place >= MOST_CALLS:
                raise ToolFault(f"At most {MOST_CALLS} calls are carried out at once.")
            content = await self._result(call, tell)
            tell(ToolResult(call.id, call.name, content))
        except ToolFault as fault:
            tell(ToolResult(call.id, call.name, str(fault), is_error=True))
        except Exception as error:
            # What it said may quote what it was given.
            logger.error("The tool %s failed: %s", call.name[:64], type(error).__name__)
            tell(ToolResult(call.id, call.name, "The tool failed.", is_error=True))

    async def _result(self, call: ToolCall, tell: Callable[[Event], None]) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolFault(f"There is no tool of this name. There are: {', '.join(self._tools)}.")
        arguments = _arguments(tool, call.arguments)
        if tool.name not in self._allowed and (question := await tool.asks(arguments)):
            await self._ask(call, question, tell)
        try:
            async with asyncio.timeout(tool.timeout):
                value = await tool.run(arguments)
        except TimeoutError:
            raise ToolFault(f"The tool was not done within {tool.timeout:g} seconds.") from None
        content = msgspec.json.encode(value).decode()
        if len(content) > MAX_RESULT_CHARACTERS:
            raise ToolFault("The result is too long. Ask for less.")
        return content

    async def _ask(self, call: ToolCall, question: str, tell: Callable[[Event], None]) -> None:
        """Return if the person allows it. Raises ToolFault."""
        answer: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = (call.name, answer)
        tell(ApprovalAsked(call.id, call.name, question))
        try:
            async with asyncio.timeout(APPROVAL_SECONDS):
                decision = await answer
        except TimeoutError:
            decision = "timeout"
        finally:
            del self._waiting[call.id]
        tell(ApprovalGiven(call.id, decision))
        if decision in ("deny", "timeout"):
            raise ToolFault(_DENIED if decision == "deny" else _NOT_ANSWERED)


def _arguments(tool: Tool, written: str) -> Any:
    """What the model wrote, as the tool takes it. Raises ToolFault, which says what is wrong."""
    try:
        return msgspec.json.decode(written or "{}", type=tool.arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        # The text of a ValidationError names the field and what was expected, not the value.
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "no valid JSON"
        raise ToolFault(f"The arguments cannot be taken: {reason}.") from error


def _spec(tool: Tool) -> ToolSpec:
    (schema,), definitions = msgspec.json.schema_components(
        [tool.arguments], ref_template="#/$defs/{name}"
    )
    # The object itself, as both providers want it, not a reference to it.
    parameters = definitions.pop(tool.arguments.__name__, schema)
    if definitions:
        parameters = {**parameters, "$defs": definitions}
    return ToolSpec(tool.name, tool.description, parameters)
