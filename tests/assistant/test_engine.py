"""The engine with providers made of plain generators: milliseconds, no network, no Django."""

import asyncio

import pytest

from assistant import engine
from assistant.events import (
    CallBegan,
    Failed,
    Finished,
    ReasoningSignature,
    Retrying,
    TextDelta,
    Usage,
)
from assistant.providers.base import Prompt, PromptMessage
from assistant.providers.errors import (
    NetworkError,
    Overloaded,
    ProviderFault,
    ProviderTimeout,
    RateLimited,
    Unreadable,
    WrongKey,
)
from tests.assistant.asking import told

PROMPT = Prompt("model-1", (PromptMessage("user", "Hello"),))


class Scripted:
    """Yields what it is given; raises it where it is an exception. A list is a call of its own."""

    name = label = "Scripted"

    def __init__(self, *script) -> None:
        self.calls = list(script) if script and isinstance(script[0], list) else [script]
        self.asked = 0
        self.is_closed = False

    async def answer(self, prompt):
        script = self.calls[min(self.asked, len(self.calls) - 1)]
        self.asked += 1
        try:
            for step in script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.is_closed = True

    async def close(self) -> None:
        pass


async def run(*script):
    return await told(Scripted(*script), PROMPT)


@pytest.fixture
def _no_pause(monkeypatch):
    monkeypatch.setattr(engine, "SHORTEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(engine, "JITTER_SECONDS", 0.0)


async def test_events_pass_through_to_the_end():
    script = (TextDelta("a"), TextDelta("b"), Finished("stop"))

    assert await run(*script) == list(script)


async def test_a_providers_failure_becomes_the_last_event():
    events = await run(TextDelta("a"), RateLimited("OpenAI", retry_after=3))

    assert events == [
        TextDelta("a"),
        Failed(
            code="rate_limited",
            message="OpenAI is receiving too many requests from us. Try again in 3 seconds.",
            retryable=True,
            retry_after=3,
        ),
    ]


async def test_an_answer_without_an_end_is_a_broken_connection():
    events = await run(TextDelta("a"))

    assert events[-1] == Failed(
        code="network",
        message="The connection to Scripted failed. Try again.",
        retryable=True,
    )


async def test_a_fault_of_ours_ends_the_answer_too(caplog):
    events = await run(TextDelta("a"), ZeroDivisionError())

    assert isinstance(events[-1], Failed)
    assert events[-1].code == "provider_fault"
    assert "An adapter failed" in caplog.text


async def test_a_fault_of_ours_does_not_quote_anybody_in_the_log(caplog):
    fault = ZeroDivisionError("while handling sk-secret")
    fault.__cause__ = ValueError("the key is sk-secret")

    await run(fault)

    assert "sk-secret" not in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_an_answer_without_bound_is_ended(monkeypatch):
    monkeypatch.setattr(engine, "MAX_ANSWER_CHARACTERS", 10)

    events = await run(*[TextDelta("four")] * 100)

    assert events[:-1] == [TextDelta("four")] * 3
    assert isinstance(events[-1], Failed)
    assert events[-1].code == "too_long"


async def test_nothing_follows_the_end():
    events = await run(Finished("stop"), TextDelta("late"))

    assert events == [Finished("stop")]


async def test_cancelling_the_reader_closes_the_provider():
    provider = Scripted(TextDelta("a"), 60.0)

    async def read() -> None:
        async for _ in engine.run(provider, PROMPT):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert provider.is_closed


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize(
    "error",
    [
        NetworkError("Acme"),
        Overloaded("Acme"),
        ProviderFault("Acme"),
        RateLimited("Acme", retry_after=0),
    ],
)
async def test_what_passes_within_seconds_is_asked_again_once(error):
    provider = Scripted([error], [TextDelta("a"), Finished("stop")])

    first, *rest = await told(provider, PROMPT)

    assert first == Retrying(f"{error.what} Asking again in 1 second.", 0.0)
    assert rest == [TextDelta("a"), Finished("stop")]
    assert provider.asked == 2


@pytest.mark.usefixtures("_no_pause")
async def test_a_second_failure_is_the_end():
    provider = Scripted([NetworkError("Acme")], [Overloaded("Acme")], [Finished("stop")])

    events = await told(provider, PROMPT)

    assert [getattr(event, "code", None) for event in events] == [None, "overloaded"]
    assert provider.asked == 2


@pytest.mark.parametrize(
    "error",
    [
        ProviderTimeout("Acme"),
        WrongKey("Acme"),
        Unreadable("Acme"),
        RateLimited("Acme"),
        Overloaded("Acme", retry_after=10.5),
        ZeroDivisionError(),
    ],
)
async def test_what_does_not_pass_by_itself_is_asked_once(error):
    provider = Scripted(error)

    (ending,) = await told(provider, PROMPT)

    assert isinstance(ending, Failed)
    assert provider.asked == 1


@pytest.mark.parametrize("event", [TextDelta("a"), ReasoningSignature("s")])
async def test_nothing_is_asked_again_behind_what_has_come(event):
    provider = Scripted(event, NetworkError("Acme"))

    events = await told(provider, PROMPT)

    assert events[0] == event
    assert events[1].code == "network"
    assert provider.asked == 1


@pytest.mark.usefixtures("_no_pause")
async def test_each_call_reports_its_own_tokens():
    events = await run(
        [Usage(input_tokens=10), Usage(10, 0, 0, 1), Overloaded("Acme")],
        [Usage(input_tokens=12), Usage(12, 1, 2, 7, 3), Finished("stop")],
    )

    assert [event for event in events if isinstance(event, Usage)] == [
        Usage(input_tokens=10),
        Usage(10, 0, 0, 1),
        Usage(12),
        Usage(12, 1, 2, 7, 3),
    ]


def test_a_sum_of_tokens_fits_into_the_store():
    most = Usage(output_tokens=2**31 - 1)

    assert most + Usage(output_tokens=1) == most


async def test_closing_the_reader_closes_the_provider():
    provider = Scripted(TextDelta("a"), 60.0)
    events = engine.run(provider, PROMPT)
    assert await anext(events) == CallBegan(1, len("Hello"))
    await anext(events)

    await events.aclose()

    assert provider.is_closed
