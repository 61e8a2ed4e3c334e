"""Tools in the engine: checked, carried out side by side, allowed or not. No network, no Django."""

import asyncio
import json
from contextlib import aclosing
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from assistant import engine
from assistant.events import (
    ApprovalAsked,
    ApprovalGiven,
    CallBegan,
    CallEnded,
    Failed,
    Finished,
    ReasoningDelta,
    ReasoningSignature,
    TextDelta,
    ToolCall,
    ToolResult,
)
from assistant.providers.base import Prompt, PromptMessage, ToolRound
from assistant.providers.errors import Overloaded
from assistant.tools import toolbox
from assistant.tools.base import ToolFault
from assistant.tools.toolbox import Toolbox
from tests.assistant.asking import told
from tests.assistant.test_engine import Scripted

PROMPT = Prompt("model-1", (PromptMessage("user", "Hello"),))


class Sum(Struct, forbid_unknown_fields=True):
    numbers: Annotated[list[int], Meta(max_length=5)]
    unit: Literal["m", "km"] = "m"


class Adder:
    """Adds; waits, fails or asks where a test wants it to."""

    name = "add"
    description = "Adds numbers."
    arguments = Sum
    timeout = 5.0
    question: str | None = None
    outcome: Any = None

    def __init__(self) -> None:
        self.running = self.most = 0
        self.done: list[int] = []

    async def asks(self, _arguments: Sum) -> str | None:
        return self.question

    async def run(self, arguments: Sum) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0.01)
            if isinstance(self.outcome, Exception):
                raise self.outcome
            self.done.append(sum(arguments.numbers))
            return self.outcome or {"sum": sum(arguments.numbers)}
        finally:
            self.running -= 1


class Recording(Scripted):
    """Keeps the prompts that it was called with."""

    def __init__(self, *script) -> None:
        super().__init__(*script)
        self.prompts: list[Prompt] = []

    async def answer(self, prompt):
        self.prompts.append(prompt)
        async with aclosing(super().answer(prompt)) as events:
            async for event in events:
                yield event


def call(key: str, *numbers: int, name: str = "add") -> ToolCall:
    return ToolCall(key, name, json.dumps({"numbers": numbers}))


def results(events) -> list[tuple[str, str, bool]]:
    return [
        (each.id, each.content, each.is_error) for each in events if isinstance(each, ToolResult)
    ]


ASKED = [TextDelta("Let me see."), call("c1", 1, 2), Finished("tool_calls")]
ANSWER = [TextDelta("It is 3."), Finished("stop")]


async def test_the_model_is_called_again_with_what_came_of_its_calls():
    provider = Recording(ASKED, ANSWER)

    events = [each async for each in engine.run(provider, PROMPT, Toolbox([Adder()]))]

    result = ToolResult("c1", "add", '{"sum":3}')
    assert [type(each) for each in events] == [
        *(CallBegan, TextDelta, ToolCall, CallEnded, ToolResult),
        *(CallBegan, TextDelta, TextDelta, Finished),
    ]
    assert "".join(each.text for each in events if isinstance(each, TextDelta)) == (
        "Let me see.\n\nIt is 3."
    )
    first, second = provider.prompts
    assert first.messages == PROMPT.messages
    assert [spec.name for spec in first.tools] == ["add"]
    round_ = ToolRound((TextDelta("Let me see."), call("c1", 1, 2)), (result,))
    assert second.messages == (*PROMPT.messages, round_)
    assert second.may_call


async def test_the_schema_of_the_arguments_is_shown_to_the_model():
    (spec,) = Toolbox([Adder()]).specs

    assert spec.parameters["type"] == "object"
    assert spec.parameters["required"] == ["numbers"]
    assert spec.parameters["additionalProperties"] is False
    assert spec.parameters["properties"]["unit"]["enum"] == ["km", "m"]


async def test_calls_of_one_round_are_carried_out_at_the_same_time_and_told_in_their_order():
    tool = Adder()
    provider = Recording([call("a", 1), call("b", 2), call("c", 3), Finished("tool_calls")], ANSWER)

    events = await told(provider, PROMPT, Toolbox([tool]))

    assert tool.most == 3
    assert len(results(events)) == 3
    tools = provider.prompts[1].messages[-1]
    assert [(each.id, each.content) for each in tools.results] == [
        ("a", '{"sum":1}'),
        ("b", '{"sum":2}'),
        ("c", '{"sum":3}'),
    ]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ('{"numbers": [1', "no valid JSON"),
        ('{"numbers": ["1"]}', "Expected `int`, got `str` - at `$.numbers[0]`"),
        ("{}", "Object missing required field `numbers`"),
        ('{"numbers": [], "secret": 1}', "Object contains unknown field `secret`"),
        ("[]", "Expected `object`, got `array`"),
        ('{"numbers": [1,2,3,4,5,6]}', "Expected `array` of length <= 5 - at `$.numbers`"),
    ],
)
async def test_arguments_that_cannot_be_taken_are_told_to_the_model_and_nothing_runs(
    arguments, fault
):
    tool = Adder()
    provider = Scripted([ToolCall("c1", "add", arguments), Finished("tool_calls")], ANSWER)

    events = await told(provider, PROMPT, Toolbox([tool]))

    assert results(events) == [("c1", f"The arguments cannot be taken: {fault}.", True)]
    assert tool.done == []
    assert events[-1] == Finished("stop")


async def test_a_tool_that_is_not_there_is_told_with_those_that_are():
    provider = Scripted([call("c1", 1, name="rm"), Finished("tool_calls")], ANSWER)

    events = await told(provider, PROMPT, Toolbox([Adder()]))

    assert results(events) == [("c1", "There is no tool of this name. There are: add.", True)]


@pytest.mark.parametrize(
    ("outcome", "content"),
    [
        (ToolFault("The key is wrong."), "The key is wrong."),
        (ZeroDivisionError("sk-secret"), "The tool failed."),
        ("x" * 50_001, "The result is too long. Ask for less."),
    ],
)
async def test_a_tool_that_fails_is_told_and_the_answer_goes_on(outcome, content, caplog):
    tool = Adder()
    tool.outcome = outcome
    provider = Scripted(ASKED, ANSWER)

    events = await told(provider, PROMPT, Toolbox([tool]))

    assert results(events) == [("c1", content, True)]
    assert events[-1] == Finished("stop")
    assert "sk-secret" not in caplog.text


async def test_a_tool_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(Adder, "timeout", 0.001)
    tool = Adder()

    events = await told(Scripted(ASKED, ANSWER), PROMPT, Toolbox([tool]))

    assert results(events) == [("c1", "The tool was not done within 0.001 seconds.", True)]
    assert tool.running == 0


async def test_after_so_many_rounds_the_model_has_to_answer(monkeypatch):
    monkeypatch.setattr(engine, "MOST_ROUNDS", 2)
    rounds = [[call(f"c{n}", n), Finished("tool_calls")] for n in range(2)]
    provider = Recording(*rounds, ANSWER)

    events = await told(provider, PROMPT, Toolbox([Adder()]))

    assert [prompt.may_call for prompt in provider.prompts] == [True, True, False]
    assert events[-1] == Finished("stop")


async def test_more_calls_than_are_carried_out_at_once_are_told_so(monkeypatch):
    monkeypatch.setattr(toolbox, "MOST_CALLS", 1)
    provider = Scripted([call("a", 1), call("b", 2), Finished("tool_calls")], ANSWER)

    events = await told(provider, PROMPT, Toolbox([Adder()]))

    assert sorted(results(events)) == [
        ("a", '{"sum":1}', False),
        ("b", "At most 1 calls are carried out at once.", True),
    ]


async def test_calls_of_one_id_are_told_apart():
    provider = Recording(
        [call("call-1", 1), call("call-1", 2), Finished("tool_calls")],
        [call("call-1", 3), Finished("tool_calls")],
        ANSWER,
    )

    events = await told(provider, PROMPT, Toolbox([Adder()]))

    assert sorted(results(events)) == [
        ("call-1", '{"sum":1}', False),
        ("call-1-2", '{"sum":2}', False),
        ("call-1-3", '{"sum":3}', False),
    ]


async def test_a_call_that_failed_in_a_later_round_is_made_once_more(monkeypatch):
    monkeypatch.setattr(engine, "SHORTEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(engine, "JITTER_SECONDS", 0.0)
    provider = Recording(ASKED, [Overloaded("Acme")], ANSWER)

    events = await told(provider, PROMPT, Toolbox([Adder()]))

    assert events[-1] == Finished("stop")
    assert provider.prompts[1] == provider.prompts[2]


async def test_without_tools_a_call_for_one_ends_the_answer():
    events = await told(Scripted(ASKED), PROMPT)

    assert events == ASKED


async def test_reasoning_goes_back_with_its_seal():
    thought = (ReasoningDelta("Hm."), ReasoningSignature("c2ln"))
    provider = Recording([*thought, call("c1", 1), Finished("tool_calls")], ANSWER)

    await told(provider, PROMPT, Toolbox([Adder()]))

    assert provider.prompts[1].messages[-1].said == (*thought, call("c1", 1))


async def test_closing_the_reader_ends_the_tools():
    tool = Adder()
    monkey = asyncio.Event()

    async def wait(_arguments) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            monkey.set()

    tool.run = wait
    events = engine.run(Scripted(ASKED, ANSWER), PROMPT, Toolbox([tool]))

    async def read() -> None:
        async for _ in events:
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.02)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert monkey.is_set()


# --- What the person has to allow -----------------------------------------------------------------
async def asked(tool, tools, *decisions, script=(ASKED, ANSWER)):
    """The events of an answer in which each question is answered with the next decision."""
    tool.question = "Spend one credit?"
    left = list(decisions)
    events = []
    async for event in engine.run(Scripted(*script), PROMPT, tools):
        events.append(event)
        if isinstance(event, ApprovalAsked) and left:
            tools.decide(event.id, left.pop(0))
    return events


@pytest.mark.parametrize("decision", ["once", "chat"])
async def test_what_spends_something_runs_when_it_is_allowed(decision):
    tool = Adder()

    events = await asked(tool, Toolbox([tool]), decision)

    talk = [each for each in events if isinstance(each, ApprovalAsked | ApprovalGiven | ToolResult)]
    assert talk == [
        ApprovalAsked("c1", "add", "Spend one credit?"),
        ApprovalGiven("c1", decision),
        ToolResult("c1", "add", '{"sum":3}'),
    ]


async def test_what_is_denied_does_not_run_and_the_model_is_told():
    tool = Adder()

    events = await asked(tool, Toolbox([tool]), "deny")

    assert tool.done == []
    (result,) = [each for each in events if isinstance(each, ToolResult)]
    assert result.is_error
    assert result.content.startswith("The person did not allow this.")
    assert events[-1] == Finished("stop")


async def test_a_question_that_nobody_answers_is_a_no(monkeypatch):
    monkeypatch.setattr(toolbox, "APPROVAL_SECONDS", 0.01)
    tool = Adder()

    events = await asked(tool, Toolbox([tool]))

    assert ApprovalGiven("c1", "timeout") in events
    assert tool.done == []
    assert events[-1] == Finished("stop")


async def test_what_is_allowed_for_the_chat_is_not_asked_again():
    tool = Adder()
    rounds = [[call(f"c{n}", n), Finished("tool_calls")] for n in range(3)]

    events = await asked(tool, Toolbox([tool]), "chat", script=(*rounds, ANSWER))

    assert sum(isinstance(each, ApprovalAsked) for each in events) == 1
    assert tool.done == [0, 1, 2]


async def test_what_the_organisation_allows_is_not_asked():
    tool = Adder()

    events = await asked(tool, Toolbox([tool], allowed=["add"]))

    assert not any(isinstance(each, ApprovalAsked) for each in events)
    assert tool.done == [3]


async def test_the_first_word_on_a_question_counts():
    tool = Adder()
    tools = Toolbox([tool])
    tool.question = "Spend one credit?"
    async for event in engine.run(Scripted(ASKED, ANSWER), PROMPT, tools):
        if isinstance(event, ApprovalAsked):
            assert tools.decide("c1", "deny") == "add"
            tools.decide("c1", "once")

    assert tool.done == []
    assert tools.decide("c1", "once") is None
    assert not tools.is_waiting


async def test_a_failure_behind_a_tool_ends_the_answer():
    events = await told(
        Scripted(ASKED, [TextDelta("It"), Overloaded("Acme")]), PROMPT, Toolbox([Adder()])
    )

    assert isinstance(events[-1], Failed)
    assert events[-1].code == "overloaded"
