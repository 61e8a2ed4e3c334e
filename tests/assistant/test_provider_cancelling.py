"""Whoever ends an answer ends it upstream as well, at once, wherever it stands."""

import asyncio
import sys

import psutil
import pytest

from assistant import engine
from assistant.events import Retrying, TextDelta
from tests.assistant.asking import ADAPTERS, PROMPT, adapter
from tests.fakes.bodies import BODIES
from tests.fakes.scripted import cut, nobody_accepts, respond, scripted, silence

pytestmark = pytest.mark.parametrize("name", ADAPTERS)
# Much longer than a test: what ends sooner was ended.
TIMEOUT = 60.0
# What a busy machine may take for what is done at once.
AT_ONCE = 10.0


async def reading(one, until: type | None = None):
    """A task that reads an answer. It returns to the caller at the first event of that type."""
    has_come = asyncio.Event()

    async def read() -> None:
        async for event in engine.run(one, PROMPT):
            if until is not None and isinstance(event, until):
                has_come.set()

    task = asyncio.create_task(read())
    if until is not None:
        await asyncio.wait_for(has_come.wait(), AT_ONCE)
    return task


async def cancel(task) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, AT_ONCE)


def sockets_to(port: int) -> list:
    return [each for each in psutil.Process().net_connections() if each.raddr[1:] == (port,)]


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue drops connections on Linux")
async def test_while_it_connects(name):
    with nobody_accepts() as port:
        one = adapter(name, f"http://127.0.0.1:{port}", timeout=TIMEOUT)
        before = len(sockets_to(port))
        task = await reading(one)
        async with asyncio.timeout(AT_ONCE):
            while len(sockets_to(port)) == before:
                # The client is being made in a thread; there is nothing to wait for but its socket.
                await asyncio.sleep(0.01)

        await cancel(task)

        assert len(sockets_to(port)) == before
        await one.close()


async def test_before_the_first_byte(name):
    async with scripted(silence()) as server:
        one = adapter(name, server.url, timeout=TIMEOUT)
        task = await reading(one)
        await asyncio.wait_for(server.was_asked.wait(), AT_ONCE)

        await cancel(task)

        await asyncio.wait_for(server.was_left.wait(), AT_ONCE)
        await one.close()


async def test_in_mid_answer(name):
    body = BODIES[name]
    script = respond(body.begin(), body.text("The answer"), silent=True)
    async with scripted(script) as server:
        one = adapter(name, server.url, timeout=TIMEOUT)
        task = await reading(one, until=TextDelta)

        await cancel(task)

        await asyncio.wait_for(server.was_left.wait(), AT_ONCE)
        await one.close()


async def test_while_it_waits_to_ask_again(name, monkeypatch):
    monkeypatch.setattr(engine, "SHORTEST_PAUSE_SECONDS", TIMEOUT)
    async with scripted(cut()) as server:
        one = adapter(name, server.url, timeout=TIMEOUT)
        task = await reading(one, until=Retrying)

        await cancel(task)

        assert server.asked == 1
        assert sockets_to(server.port) == []
        await one.close()


async def test_while_nothing_comes_but_comments(name):
    body = BODIES[name]
    alive = [step for _ in range(1000) for step in (b": alive\n\n", 0.02)]
    script = respond(body.begin(), body.text("The answer"), *alive)
    async with scripted(script) as server:
        # Comments keep the connection from being silent, for ever.
        one = adapter(name, server.url, timeout=0.2)
        task = await reading(one, until=TextDelta)
        _, still_reads = await asyncio.wait([task], timeout=0.5)

        await cancel(task)

        assert still_reads
        await asyncio.wait_for(server.was_left.wait(), AT_ONCE)
        await one.close()
