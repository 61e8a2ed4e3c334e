"""What the readers of both providers' streams make of tools, reasoning and token counts."""

import json

import pytest

from assistant.events import (
    Event,
    Finished,
    ReasoningDelta,
    ReasoningSignature,
    RedactedReasoning,
    TextDelta,
    ToolCall,
    Usage,
)
from assistant.providers.sse import EventData
from tests.assistant.asking import PROMPT, adapter
from tests.fakes.bodies import BODIES, AnthropicBody, OpenAIBody, data, whole
from tests.fakes.scripted import respond, scripted

OPENAI, ANTHROPIC = OpenAIBody(), AnthropicBody()


async def answered(name: str, *pieces: bytes) -> list[Event]:
    """The events of the adapter itself, each piece a chunk of the body."""
    async with scripted(respond(*pieces)) as server:
        one = adapter(name, server.url)
        events = [event async for event in one.answer(PROMPT)]
        await one.close()
    return events


def tool(index: int | None, key: str | None = None, name: str | None = None, arguments=None):
    """A piece of a call as OpenAI writes it. None leaves the field out."""
    function = {"name": name, "arguments": arguments}
    piece = {"index": index, "id": key, "function": {k: v for k, v in function.items() if v}}
    return {k: v for k, v in piece.items() if v is not None}


OSLO, BONN = '{"city": "Oslo"}', '{"city": "Bonn"}'

# What odd about it, the pieces of calls in each chunk, the calls that they make.
TOOLS = [
    (
        "two calls whose pieces take turns",
        [
            [tool(0, "a", "weather")],
            [tool(1, "b", "time")],
            [tool(0, arguments=OSLO[:5])],
            [tool(1, arguments=BONN[:7])],
            [tool(0, arguments=OSLO[5:]), tool(1, arguments=BONN[7:])],
        ],
        [ToolCall("a", "weather", OSLO), ToolCall("b", "time", BONN)],
    ),
    (
        "no index: an id begins a call",
        [
            [tool(None, "a", "weather"), tool(None, arguments=OSLO)],
            [tool(None, "b", "time", BONN)],
        ],
        [ToolCall("a", "weather", OSLO), ToolCall("b", "time", BONN)],
    ),
    (
        "neither index nor id: a name begins a call, and ids are made up",
        [[tool(None, None, "weather", OSLO), tool(None, None, "time", BONN)]],
        [ToolCall("call-1", "weather", OSLO), ToolCall("call-2", "time", BONN)],
    ),
    (
        "index 0 for every call",
        [[tool(0, "a", "weather", OSLO)], [tool(0, "b", "time", BONN)]],
        [ToolCall("a", "weather", OSLO), ToolCall("b", "time", BONN)],
    ),
    (
        "id and name in every piece",
        [[tool(0, "a", "weather", OSLO[:3])], [tool(0, "a", "weather", OSLO[3:])]],
        [ToolCall("a", "weather", OSLO)],
    ),
    ("no arguments at all", [[tool(0, "a", "time")]], [ToolCall("a", "time", "{}")]),
]


@pytest.mark.parametrize(("oddity", "chunks", "calls"), TOOLS, ids=[case[0] for case in TOOLS])
async def test_openai_tool_calls(oddity, chunks, calls):
    pieces = [OPENAI.chunk({"tool_calls": chunk}) for chunk in chunks]

    events = await answered("openai", *pieces, OPENAI.end("tool_calls"), OPENAI.last())

    assert events == [*calls, Finished("tool_calls")]


async def test_openai_calls_under_the_reason_stop_are_calls():
    piece = OPENAI.chunk({"tool_calls": [tool(0, "a", "time")]})

    events = await answered("openai", piece, OPENAI.end("stop"), OPENAI.last())

    assert events == [ToolCall("a", "time", "{}"), Finished("tool_calls")]


async def test_anthropic_tool_calls_whose_pieces_take_turns():
    body = ANTHROPIC

    events = await answered(
        "anthropic",
        body.block(1, "tool_use", id="a", name="weather", input={}),
        body.block(2, "tool_use", id="b", name="time", input={}),
        body.delta(1, "input_json_delta", partial_json=OSLO[:5]),
        body.delta(2, "input_json_delta", partial_json=BONN[:7]),
        body.delta(1, "input_json_delta", partial_json=OSLO[5:]),
        body.delta(2, "input_json_delta", partial_json=BONN[7:]),
        body.block_end(2),
        body.block_end(1),
        body.end(body.tools),
        body.last(),
    )

    assert events == [
        ToolCall("b", "time", BONN),
        ToolCall("a", "weather", OSLO),
        Finished("tool_calls"),
    ]


async def test_anthropic_a_call_that_comes_whole_without_id_and_end():
    """As compatible servers write it, whose models do not stream arguments."""
    body = ANTHROPIC

    events = await answered(
        "anthropic",
        body.block(1, "tool_use", name="weather", input={"city": "Oslo"}),
        body.end(body.tools),
        body.last(),
    )

    assert [(event.id, event.name, json.loads(event.arguments)) for event in events[:-1]] == [
        ("call-1", "weather", {"city": "Oslo"})
    ]


async def test_anthropic_reasoning_is_followed_by_its_signature():
    body = ANTHROPIC

    events = await answered(
        "anthropic",
        body.block(0, "thinking", thinking="", signature=""),
        body.delta(0, "thinking_delta", thinking="Let me "),
        body.delta(0, "thinking_delta", thinking="think."),
        body.delta(0, "signature_delta", signature="c2ln"),
        body.delta(0, "signature_delta", signature="bmVk"),
        body.block_end(0),
        body.block(1, "redacted_thinking", data="ZW5j"),
        body.block_end(1),
        body.block(2, "text", text="The "),
        body.delta(2, "text_delta", text="answer"),
        body.block_end(2),
        body.end(),
        body.last(),
    )

    assert events == [
        ReasoningDelta("Let me "),
        ReasoningDelta("think."),
        ReasoningSignature("c2lnbmVk"),
        RedactedReasoning("ZW5j"),
        TextDelta("The "),
        TextDelta("answer"),
        Finished("stop"),
    ]


async def test_anthropic_reasoning_that_is_not_shown_is_a_signature_alone():
    body = ANTHROPIC

    events = await answered(
        "anthropic",
        body.block(0, "thinking", thinking="", signature=""),
        body.delta(0, "signature_delta", signature="c2ln"),
        body.block_end(0),
        body.end(),
        body.last(),
    )

    assert events == [ReasoningSignature("c2ln"), Finished("stop")]


async def test_anthropic_a_paused_turn_is_an_end():
    """It pauses for tools that run at Anthropic; none are asked for."""
    events = await answered("anthropic", ANTHROPIC.end("pause_turn"), ANTHROPIC.last())

    assert events == [Finished("stop")]


@pytest.mark.parametrize("usage", [None, "many", []])
async def test_a_token_count_that_is_none_is_left_out(usage):
    openai = await answered("openai", data({"choices": [], "usage": usage}), OPENAI.end())
    anthropic = await answered("anthropic", ANTHROPIC.end(usage=usage), ANTHROPIC.last())

    assert openai == anthropic == [Finished("stop")]


async def test_negative_tokens_count_as_none():
    chunk = data({"choices": [], "usage": {"prompt_tokens": -7, "completion_tokens": 3}})
    end = ANTHROPIC.end(usage={"input_tokens": -7, "output_tokens": 3})

    assert Usage(output_tokens=3) in await answered("openai", OPENAI.end(), chunk)
    assert Usage(output_tokens=3) in await answered("anthropic", end, ANTHROPIC.last())


async def test_anthropic_usage_in_the_last_event_alone():
    """As compatible servers write it, who count at the end."""
    usage = {"input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 20}

    events = await answered("anthropic", ANTHROPIC.begin(), ANTHROPIC.end(usage=usage))

    assert events == [Usage(40, 60, 0, 20), Finished("stop")]


@pytest.mark.parametrize("name", BODIES)
def test_wherever_the_bytes_are_cut_the_events_are_the_same(name):
    body = b"\xef\xbb\xbf: hello\r\n\r\n" + whole(BODIES[name], "Grüße", "世界 🌍")
    expected = EventData().feed(body)

    for cut in range(len(body) + 1):
        incoming = EventData()
        assert incoming.feed(body[:cut]) + incoming.feed(body[cut:]) == expected

    incoming = EventData()
    single = [incoming.feed(body[at : at + 1]) for at in range(len(body))]
    assert [each for found in single for each in found] == expected
