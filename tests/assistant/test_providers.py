"""The adapters, through the real SDKs, against a loopback server. No Django, no database."""

import asyncio
import json
from contextlib import aclosing

import pytest

from assistant.events import Finished, ReasoningDelta, TextDelta, ToolCall, Usage, tokens
from assistant.providers.anthropic import AnthropicProvider
from assistant.providers.base import Prompt, PromptMessage
from assistant.providers.demo import DemoProvider
from assistant.providers.errors import (
    BadRequest,
    ContextTooLong,
    NetworkError,
    NoCredit,
    Overloaded,
    ProviderError,
    ProviderFault,
    ProviderTimeout,
    RateLimited,
    Refused,
    UnknownModel,
    Unreadable,
    WrongAddress,
    WrongKey,
)
from assistant.providers.openai import OpenAIProvider, _StreamReader
from tests.fakes.provider import WORDS, FakeProvider, Reply

PROMPT = Prompt("model-1", (PromptMessage("user", "What is the answer?"),))
PROVIDERS = ["openai", "anthropic"]


def adapter(name: str, provider: FakeProvider, *, timeout: float = 5.0):
    if name == "openai":
        return OpenAIProvider(
            label="OpenAI", api_key="sk-test", base_url=provider.openai_url, timeout=timeout
        )
    return AnthropicProvider(
        label="Anthropic", api_key="sk-test", base_url=provider.anthropic_url, timeout=timeout
    )


async def answer(
    name: str, provider: FakeProvider, *, timeout: float = 5.0, prompt=PROMPT, seen=None
):
    """All events. `seen` keeps those before a failure."""
    one = adapter(name, provider, timeout=timeout)
    seen = [] if seen is None else seen
    try:
        async for event in one.answer(prompt):
            seen.append(event)
    finally:
        await one.close()
    return seen


def text_of(events) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("name", PROVIDERS)
async def test_an_answer_is_text_then_usage_then_the_end(name, provider):
    events = await answer(name, provider)

    assert text_of(events) == WORDS
    assert events[-1] == Finished("stop")
    assert [event for event in events if isinstance(event, Usage)][-1] == Usage(
        input_tokens=10, output_tokens=5
    )


async def test_openai_is_sent_the_key_the_model_and_the_whole_conversation(provider):
    prompt = Prompt(
        "gpt-x",
        (
            PromptMessage("user", "One?"),
            PromptMessage("assistant", "One."),
            PromptMessage("user", "Two?"),
        ),
    )

    await answer("openai", provider, prompt=prompt)

    (request,) = provider.requests
    assert request.headers["Authorization"] == "Bearer sk-test"
    assert request.body == {
        "model": "gpt-x",
        "messages": [
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": "Two?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_anthropic_is_sent_the_key_the_model_and_a_limit(provider):
    await answer("anthropic", provider)

    (request,) = provider.requests
    assert "sk-test" in (request.headers.get("X-Api-Key") or request.headers["Authorization"])
    assert request.body == {
        "model": "model-1",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": "What is the answer?"}],
        "stream": True,
    }


@pytest.mark.parametrize("name", PROVIDERS)
async def test_reasoning_comes_apart_from_the_answer(name, provider):
    provider.reply_with(Reply(reasoning="Let me think."))

    events = await answer(name, provider)

    assert [event for event in events if isinstance(event, ReasoningDelta)] == [
        ReasoningDelta("Let me think.")
    ]
    assert text_of(events) == WORDS


@pytest.mark.parametrize("name", PROVIDERS)
async def test_parallel_tool_calls_are_put_together_from_their_pieces(name, provider):
    arguments = json.dumps({"city": "Oslo"})
    provider.reply_with(Reply(tools=(("call-1", "weather", arguments), ("call-2", "time", "{}"))))

    events = await answer(name, provider)

    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("call-1", "weather", arguments),
        ToolCall("call-2", "time", "{}"),
    ]
    assert events[-1] == Finished("tool_calls")


async def test_openai_cached_tokens_are_taken_out_of_the_input(provider):
    provider.reply_with(Reply(usage={"input": 100, "output": 20, "cached": 60, "reasoning": 8}))

    events = await answer("openai", provider)

    assert Usage(40, 60, 0, 20, 8) in events


async def test_anthropic_cache_tokens_are_beside_the_input(provider):
    usage = {"input": 40, "output": 20, "cached": 60, "cache_write": 7, "reasoning": 8}
    provider.reply_with(Reply(usage=usage))

    events = await answer("anthropic", provider)

    assert [event for event in events if isinstance(event, Usage)][-1] == Usage(40, 60, 7, 20, 8)


async def test_a_compatible_server_that_sends_no_usage_is_no_failure(provider):
    provider.reply_with(Reply(usage=None))

    events = await answer("openai", provider)

    assert not any(isinstance(event, Usage) for event in events)
    assert events[-1] == Finished("stop")


@pytest.mark.parametrize(("name", "reason"), [("openai", "length"), ("anthropic", "max_tokens")])
async def test_the_length_limit_is_told(name, reason, provider):
    provider.reply_with(Reply(finish_reason=reason))

    assert (await answer(name, provider))[-1] == Finished("length")


@pytest.mark.parametrize(
    ("name", "reason"), [("openai", "content_filter"), ("anthropic", "refusal")]
)
async def test_a_refusal_is_a_failure_with_its_own_sentence(name, reason, provider):
    provider.reply_with(Reply(finish_reason=reason))

    with pytest.raises(Refused):
        await answer(name, provider)


async def test_anthropic_a_full_context_window_is_told(provider):
    provider.reply_with(Reply(finish_reason="model_context_window_exceeded"))

    with pytest.raises(ContextTooLong):
        await answer("anthropic", provider)


def openai_error(code: str, message: str = "No.") -> dict:
    return {"error": {"message": message, "type": code, "code": code}}


def anthropic_error(kind: str, message: str = "No.") -> dict:
    return {"type": "error", "error": {"type": kind, "message": message}}


# Each of these was seen on the wire or stands in the provider's documentation.
FAILURES = [
    ("openai", 401, openai_error("invalid_api_key"), WrongKey),
    ("openai", 403, openai_error("permission_denied"), WrongKey),
    ("openai", 404, openai_error("model_not_found"), UnknownModel),
    # A base URL without its /v1
    ("openai", 404, {}, WrongAddress),
    ("openai", 405, {}, WrongAddress),
    ("openai", 429, openai_error("rate_limit_exceeded"), RateLimited),
    # No money is a 429 as well, and waiting does not help.
    ("openai", 429, openai_error("insufficient_quota"), NoCredit),
    ("openai", 400, openai_error("context_length_exceeded"), ContextTooLong),
    # vLLM names no code, only the sentence.
    (
        "openai",
        400,
        {"object": "error", "message": "This model's maximum context length is 4096 tokens."},
        ContextTooLong,
    ),
    # llama.cpp
    ("openai", 400, {"error": {"code": 400, "type": "exceed_context_size_error"}}, ContextTooLong),
    ("openai", 400, openai_error("content_policy_violation"), Refused),
    ("openai", 400, openai_error("invalid_value"), BadRequest),
    ("openai", 500, openai_error("server_error"), ProviderFault),
    ("openai", 503, openai_error("overloaded"), Overloaded),
    # A proxy in between answers for itself, in HTML or with nothing.
    ("openai", 502, {}, ProviderFault),
    ("anthropic", 401, anthropic_error("authentication_error"), WrongKey),
    ("anthropic", 404, anthropic_error("not_found_error"), UnknownModel),
    ("anthropic", 429, anthropic_error("rate_limit_error"), RateLimited),
    ("anthropic", 529, anthropic_error("overloaded_error"), Overloaded),
    ("anthropic", 402, anthropic_error("billing_error"), NoCredit),
    # No money is an invalid request here.
    (
        "anthropic",
        400,
        anthropic_error("invalid_request_error", "Your credit balance is too low to access"),
        NoCredit,
    ),
    (
        "anthropic",
        400,
        anthropic_error("invalid_request_error", "prompt is too long: 210000 tokens"),
        ContextTooLong,
    ),
    ("anthropic", 400, anthropic_error("invalid_request_error"), BadRequest),
    ("anthropic", 500, anthropic_error("api_error"), ProviderFault),
]


@pytest.mark.parametrize(("name", "status", "body", "expected"), FAILURES)
async def test_a_refused_request_becomes_the_error_it_means(name, status, body, expected, provider):
    provider.reply_with(Reply(status=status, error=body))

    with pytest.raises(ProviderError) as caught:
        await answer(name, provider)

    assert type(caught.value) is expected
    assert len(provider.requests) == 1


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("header", "value", "seconds"),
    [
        ("retry-after", "7", 7.0),
        ("retry-after-ms", "1500", 1.5),
        ("retry-after", "soon", None),
        ("retry-after", "inf", None),
        ("retry-after", "nan", None),
        # Longer than a day is a day.
        ("retry-after", "1e300", 86400.0),
        ("retry-after", "-5", 0.0),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait(name, header, value, seconds, provider):
    provider.reply_with(Reply(status=429, headers={header: value}))

    with pytest.raises(RateLimited) as caught:
        await answer(name, provider)

    assert caught.value.retry_after == seconds


def test_the_time_to_wait_stands_in_the_sentence():
    assert str(RateLimited("OpenAI", retry_after=7.2)) == (
        "OpenAI is receiving too many requests from us. Try again in 7 seconds."
    )


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("openai", openai_error("server_error"), ProviderFault),
        ("openai", openai_error("rate_limit_exceeded"), RateLimited),
        ("openai", {"error": "out of memory"}, ProviderFault),
        # OpenRouter gives the HTTP status as the code.
        ("openai", {"error": {"code": 429, "message": "slow down"}}, RateLimited),
        ("anthropic", anthropic_error("overloaded_error"), Overloaded),
        ("anthropic", anthropic_error("api_error"), ProviderFault),
    ],
)
async def test_an_error_in_mid_stream_keeps_what_came_before(name, error, expected, provider):
    provider.reply_with(Reply(error=error, error_after=3))
    seen = []

    with pytest.raises(expected):
        await answer(name, provider, seen=seen)

    assert text_of(seen) == "The answer is"


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_cut_connection_is_a_network_error(name, provider):
    provider.reply_with(Reply(cut_after=3))
    seen = []

    with pytest.raises(NetworkError):
        await answer(name, provider, seen=seen)

    assert text_of(seen) == "The answer is"


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_connection_that_breaks_behind_the_end_breaks_nothing(name, provider):
    provider.reply_with(Reply(broken_end=True))

    events = await answer(name, provider)

    assert text_of(events) == WORDS
    assert events[-1] == Finished("stop")


def test_nulls_where_openai_has_numbers_are_taken_as_nothing():
    reader = _StreamReader("vLLM")

    events = reader.read(
        b'{"choices": [{"delta": {"content": "Hi", "tool_calls": [{"index": null, "id": "t1",'
        b' "function": {"name": "f", "arguments": null}}]}, "finish_reason": "stop"}],'
        b' "usage": {"prompt_tokens": null, "completion_tokens": 3, "prompt_tokens_details": null}}'
    )

    assert events == [TextDelta("Hi"), Usage(output_tokens=3)]
    assert reader.end() == [ToolCall("t1", "f", "{}"), Finished("tool_calls")]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (7, 7),
        (5.0, 5),
        (0, 0),
        (-1, 0),
        (None, 0),
        ("7", 0),
        (True, 0),
        (float("nan"), 0),
        (float("inf"), 2**31 - 1),
        (10**30, 2**31 - 1),
        ({"a": 1}, 0),
    ],
)
def test_a_count_fits_into_the_store_whatever_a_server_writes(count, expected):
    assert tokens(count) == expected


def test_the_total_counts_each_token_once():
    assert Usage(40, 60, 7, 20, 8).total_tokens == 127


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_provider_that_is_not_there_is_a_network_error(name, provider):
    nowhere = FakeProvider()
    nowhere.port = 9  # nobody listens on "discard" here
    try:
        with pytest.raises(NetworkError):
            await answer(name, nowhere)
    finally:
        nowhere._loop.close()


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("after", [0, 2])
async def test_silence_is_a_timeout(name, after, provider):
    provider.reply_with(Reply(silent_after=after))

    with pytest.raises(ProviderTimeout):
        await answer(name, provider, timeout=0.3)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_malformed_event_is_told_as_unreadable(name, provider):
    provider.reply_with(Reply(malformed_after=2))

    with pytest.raises(Unreadable):
        await answer(name, provider)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_closing_the_answer_closes_the_connection_upstream(name, provider):
    provider.reply_with(Reply(delay=0.02, text="word " * 500))

    one = adapter(name, provider)

    async with aclosing(one.answer(PROMPT)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break

    assert await asyncio.to_thread(provider.requests[0].closed.wait, 2)
    await one.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_the_connection_is_kept_for_the_next_answer(name, provider):
    one = adapter(name, provider)
    ports = set()

    for _ in range(3):
        async for _event in one.answer(PROMPT):
            pass
        ports.add(provider.requests[-1].client_port)

    assert len(ports) == 1
    await one.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_key_and_no_question_reach_the_log(name, provider, caplog):
    provider.reply_with(
        Reply(status=401, error=openai_error("x", "Incorrect API key: sk-test. You said hello."))
    )

    with pytest.raises(WrongKey):
        await answer(name, provider)

    assert "sk-test" not in caplog.text
    assert "hello" not in caplog.text
    assert "401" in caplog.text


async def test_the_demo_says_that_it_is_one_and_quotes_the_question():
    events = [event async for event in DemoProvider(words_per_second=1e6).answer(PROMPT)]

    assert "built-in demo" in text_of(events)
    assert "> What is the answer?" in text_of(events)
    assert len([event for event in events if isinstance(event, TextDelta)]) > 50
    assert events[-1] == Finished("stop")
