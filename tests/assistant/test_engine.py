"""The engine with providers made of plain generators: milliseconds, no network, no Django."""

import asyncio

import pytest

from assistant import engine
from assistant.events import Failed, Finished, TextDelta
from assistant.providers.base import Prompt, PromptMessage
from assistant.providers.errors import RateLimited

PROMPT = Prompt("model-1", (PromptMessage("user", "Hello"),))


class Scripted:
    """Yields what it is given; raises it where it is an exception."""

    name = label = "Scripted"

    def __init__(self, *script) -> None:
        self.script = script
        self.is_closed = False

    async def answer(self, prompt):
        try:
            for step in self.script:
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
    return [event async for event in engine.run(Scripted(*script), PROMPT)]


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
