"""What providers have been seen to report of their tokens, and the ledger's rows it has to become.

Each case is what goes over the wire, through the real SDK, the engine and the store. Where a server
reports nothing, or breaks off, the row is an estimate of a token for 4 characters. The question has
14 of them.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_store

from analytics.models import UsageRecord
from assistant import catalog, engine, toolkit
from tests.assistant.test_tool_turns import begin, whole
from tests.assistant.test_toolbox import Adder
from tests.fakes.bodies import AnthropicBody, OpenAIBody, data
from tests.fakes.scripted import Script, cut, respond, scripted

pytestmark = pytest.mark.django_db(transaction=True)

OPENAI, ANTHROPIC = OpenAIBody(), AnthropicBody()
ARGUMENTS = '{"numbers":[1,2]}'


@dataclass(frozen=True)
class Row:
    """The counts of one row. `input` is without what a cache read or wrote."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    source: str = "provider"
    status: str = "success"
    error: str = ""


@dataclass(frozen=True)
class Case:
    name: str
    provider: str
    scripts: tuple[Script, ...]
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return f"{self.provider}: {self.name}"


# --- What goes over the wire ----------------------------------------------------------------------
def openai(
    usage: dict[str, Any] | None,
    *,
    text: str = "It is 3.",
    finish: str = "stop",
    middle: bytes = b"",
) -> Script:
    last = data({"choices": [], "usage": usage}) if usage is not None else b""
    body = OPENAI.begin() + middle + OPENAI.text(text) + OPENAI.end(finish) + last + OPENAI.last()
    return respond(body)


def openai_tool_call(usage: dict[str, Any]) -> Script:
    call = {"index": 0, "id": "call_1", "function": {"name": "add", "arguments": ARGUMENTS}}
    return openai(usage, text="", finish="tool_calls", middle=OPENAI.chunk({"tool_calls": [call]}))


def anthropic_start(usage: dict[str, Any]) -> bytes:
    return ANTHROPIC.event("message_start", message={"id": "msg_1", "usage": usage})


def anthropic(start: dict[str, Any], end: dict[str, Any], *, stop: str = "end_turn") -> Script:
    text = ANTHROPIC.block(0, "text", text="") + ANTHROPIC.text("It is 3.")
    return respond(
        anthropic_start(start) + text + ANTHROPIC.end(stop, usage=end) + ANTHROPIC.last()
    )


def anthropic_tool_call(start: dict[str, Any], end: dict[str, Any]) -> Script:
    call = ANTHROPIC.block(0, "tool_use", id="toolu_1", name="add", input={})
    call += ANTHROPIC.delta(0, "input_json_delta", partial_json=ARGUMENTS)
    return respond(
        anthropic_start(start) + call + ANTHROPIC.end("tool_use", usage=end) + ANTHROPIC.last()
    )


def of_lifetimes(five_minutes: int, one_hour: int) -> dict[str, Any]:
    return {
        "cache_creation_input_tokens": five_minutes + one_hour,
        "cache_creation": {
            "ephemeral_5m_input_tokens": five_minutes,
            "ephemeral_1h_input_tokens": one_hour,
        },
    }


# --- The table ------------------------------------------------------------------------------------
CASES = [
    Case(
        "a chat",
        "openai",
        (openai({"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}),),
        (Row(19, 10),),
    ),
    Case(
        "cached tokens are part of the prompt",
        "openai",
        (
            openai(
                {
                    "prompt_tokens": 2006,
                    "completion_tokens": 300,
                    "total_tokens": 2306,
                    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
                }
            ),
        ),
        (Row(86, 300, cache_read=1920),),
    ),
    Case(
        "reasoning is part of the completion",
        "openai",
        (
            openai(
                {
                    "prompt_tokens": 75,
                    "completion_tokens": 1186,
                    "total_tokens": 1261,
                    "prompt_tokens_details": {"cached_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 1024},
                }
            ),
        ),
        (Row(75, 1186, reasoning=1024),),
    ),
    Case(
        "xAI counts reasoning beside the completion",
        "openai",
        (
            openai(
                {
                    "prompt_tokens": 10120,
                    "completion_tokens": 1499,
                    "total_tokens": 14428,
                    "prompt_tokens_details": {"cached_tokens": 128},
                    "completion_tokens_details": {"reasoning_tokens": 2809},
                }
            ),
        ),
        (Row(9992, 4308, cache_read=128, reasoning=2809),),
    ),
    Case(
        "Gemini tells of its thoughts by the total alone",
        "openai",
        (openai({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}),),
        (Row(20, 603, reasoning=405),),
    ),
    Case(
        "OpenRouter tells what a cache wrote",
        "openai",
        (
            openai(
                {
                    "prompt_tokens": 1000,
                    "completion_tokens": 50,
                    "total_tokens": 1050,
                    "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300},
                }
            ),
        ),
        (Row(100, 50, cache_read=600, cache_write=300),),
    ),
    Case(
        "vLLM reports with each piece, and leaves details out",
        "openai",
        (
            openai(
                {
                    "prompt_tokens": 30,
                    "completion_tokens": 4,
                    "total_tokens": 34,
                    "prompt_tokens_details": None,
                },
                middle=data(
                    {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 1}}
                ),
            ),
        ),
        (Row(30, 4),),
    ),
    Case(
        "a compatible server that reports nothing",
        "openai",
        (openai(None),),
        (Row(4, 2, source="estimated"),),
    ),
    Case(
        "a refusal is charged as it was counted",
        "openai",
        (openai({"prompt_tokens": 40, "completion_tokens": 6}, finish="content_filter"),),
        (Row(40, 6, status="error", error="refused"),),
    ),
    Case(
        "an answer that was cut short is estimated",
        "openai",
        (respond(OPENAI.begin() + OPENAI.text("It is three,"), cut=True),),
        (Row(4, 3, source="estimated", status="error", error="network"),),
    ),
    Case(
        "what fails before it begins costs nothing, the second try what it used",
        "openai",
        (cut(), openai({"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29})),
        (Row(0, 0, source="estimated", status="error", error="network"), Row(19, 10)),
    ),
    Case(
        "each call of a tool loop",
        "openai",
        (
            openai_tool_call({"prompt_tokens": 82, "completion_tokens": 17, "total_tokens": 99}),
            openai(
                {
                    "prompt_tokens": 110,
                    "completion_tokens": 9,
                    "total_tokens": 119,
                    "prompt_tokens_details": {"cached_tokens": 64},
                }
            ),
        ),
        (Row(82, 17), Row(46, 9, cache_read=64)),
    ),
    Case(
        "a chat",
        "anthropic",
        (anthropic({"input_tokens": 25, "output_tokens": 1}, {"output_tokens": 15}),),
        (Row(25, 15),),
    ),
    Case(
        "cache reads and writes of both lifetimes are beside the input",
        "anthropic",
        (
            anthropic(
                {
                    "input_tokens": 2048,
                    "cache_read_input_tokens": 1800,
                    **of_lifetimes(five_minutes=148, one_hour=100),
                    "output_tokens": 1,
                },
                {"output_tokens": 503},
            ),
        ),
        (Row(2048, 503, cache_read=1800, cache_write=248, cache_write_1h=100),),
    ),
    Case(
        "the last event says all of it once more",
        "anthropic",
        (
            anthropic(
                {
                    "input_tokens": 50,
                    "cache_read_input_tokens": 100,
                    "cache_creation_input_tokens": 0,
                    "output_tokens": 2,
                },
                {
                    "input_tokens": 50,
                    "cache_read_input_tokens": 100,
                    "cache_creation_input_tokens": 0,
                    "output_tokens": 44,
                    "output_tokens_details": {"thinking_tokens": 31},
                },
            ),
        ),
        (Row(50, 44, cache_read=100, reasoning=31),),
    ),
    Case(
        "a compatible server that reports at the end alone",
        "anthropic",
        (anthropic({}, {"input_tokens": 12, "output_tokens": 5}),),
        (Row(12, 5),),
    ),
    Case(
        "a compatible server that reports nothing",
        "anthropic",
        (
            respond(
                ANTHROPIC.begin() + ANTHROPIC.text("It is 3.") + ANTHROPIC.end() + ANTHROPIC.last()
            ),
        ),
        (Row(4, 2, source="estimated"),),
    ),
    Case(
        "a refusal is charged as it was counted",
        "anthropic",
        (
            anthropic(
                {"input_tokens": 30, "output_tokens": 1}, {"output_tokens": 7}, stop="refusal"
            ),
        ),
        (Row(30, 7, status="error", error="refused"),),
    ),
    Case(
        "of an answer that was cut short the input is known, and the output estimated",
        "anthropic",
        (
            respond(
                anthropic_start(
                    {"input_tokens": 90, "cache_read_input_tokens": 10, "output_tokens": 1}
                )
                + ANTHROPIC.block(0, "text", text="")
                + ANTHROPIC.text("It is three, as everybody knows."),
                cut=True,
            ),
        ),
        (Row(90, 8, cache_read=10, source="estimated", status="error", error="network"),),
    ),
    Case(
        "each call of a tool loop",
        "anthropic",
        (
            anthropic_tool_call(
                {"input_tokens": 400, "output_tokens": 1, **of_lifetimes(300, 0)},
                {"output_tokens": 60},
            ),
            anthropic(
                {"input_tokens": 80, "cache_read_input_tokens": 300, "output_tokens": 1},
                {"output_tokens": 12},
            ),
        ),
        (Row(400, 60, cache_write=300), Row(80, 12, cache_read=300)),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_a_provider_reports_becomes_these_rows(
    case, bob, registry, settings, monkeypatch
):
    monkeypatch.setattr(engine, "SHORTEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(engine, "JITTER_SECONDS", 0.0)
    monkeypatch.setattr(toolkit, "_configured", lambda _turn: tools)
    tools = [Adder()] if "tool loop" in case.name else []
    async with scripted(*case.scripts) as server:
        settings.OPENAI_API_KEY = settings.ANTHROPIC_API_KEY = "sk-test"
        settings.OPENAI_BASE_URL = server.url + OPENAI.path
        settings.ANTHROPIC_BASE_URL = server.url + ANTHROPIC.path
        settings.OPENAI_MODELS = settings.ANTHROPIC_MODELS = ["model-1"]
        catalog.providers.cache_clear()

        await whole(await begin(registry, bob, f"{case.provider}:model-1"))

    found = await in_store(lambda: list(UsageRecord.objects.order_by("step", "recorded_at")))()
    assert tuple(map(_row, found)) == case.rows
    assert server.asked == len(case.rows)
    assert {each.calls for each in found} == {1}


def _row(record: UsageRecord) -> Row:
    return Row(
        input=record.input_tokens,
        output=record.output_tokens,
        cache_read=record.cache_read_tokens,
        cache_write=record.cache_write_tokens,
        cache_write_1h=record.cache_write_1h_tokens,
        reasoning=record.reasoning_tokens,
        source=record.usage_source,
        status=record.status,
        error=record.error,
    )
