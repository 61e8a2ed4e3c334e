"""What do the adapters cost beside a client written by hand, and beside the SDKs as documented?

Each contestant has a process of its own on one core, and they take turns; the provider, a loopback
server, has the other core. Prints medians: time to the first piece of text, and CPU time for
10,000 pieces, one every 20 ms in 20 answers at once, and with no delay.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack
from statistics import median

import msgspec

from benchmarks._common import ROOT, cores, introduce, on_core, show, tell
from benchmarks._providers_upstream import model
from tests.fakes.ports import free_port

ROUNDS = 5
STREAMS = 20
FIRST_TOKENS = 40
ORDER = ("by hand", "Chatcore", "the SDK as documented")
PROVIDERS = {"openai": "OpenAI", "anthropic": "Anthropic"}
QUESTION = "What is the answer?"

# An answer of a model: each piece of text as it comes.
Ask = Callable[[str], AsyncIterator[str]]


# --- The contestants ----------------------------------------------------------------------------
class _Delta(msgspec.Struct):
    content: str | None = None
    text: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None


class _Event(msgspec.Struct):
    """Both providers' events, as far as they carry text."""

    choices: list[_Choice] = []
    delta: _Delta | None = None


def by_hand(name: str, port: int) -> Ask:
    """The least: aiohttp and msgspec, no error handling."""
    import aiohttp

    decode = msgspec.json.Decoder(_Event).decode
    path = "/v1/chat/completions" if name == "openai" else "/v1/messages"
    session = aiohttp.ClientSession()

    async def ask(model_name: str) -> AsyncIterator[str]:
        body = {
            "model": model_name,
            "stream": True,
            "messages": [{"role": "user", "content": QUESTION}],
        }
        async with session.post(f"http://127.0.0.1:{port}{path}", json=body) as response:
            rest = b""
            async for piece in response.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if not line.startswith(b"data: {"):
                        continue
                    event = decode(line[6:])
                    for delta in (event.delta, *(choice.delta for choice in event.choices)):
                        if delta is not None and (text := delta.content or delta.text):
                            yield text

    return ask


def chatcore(name: str, port: int) -> Ask:
    """The product's adapter, under its engine."""
    from assistant import engine
    from assistant.events import Failed, TextDelta
    from assistant.providers.base import Prompt, PromptMessage
    from tests.assistant.asking import adapter

    provider = adapter(name, f"http://127.0.0.1:{port}", timeout=60)

    async def ask(model_name: str) -> AsyncIterator[str]:
        prompt = Prompt(model_name, (PromptMessage("user", QUESTION),))
        async for event in engine.run(provider, prompt):
            if isinstance(event, TextDelta):
                yield event.text
            elif isinstance(event, Failed):
                raise RuntimeError(event.message)

    return ask


def as_documented(name: str, port: int) -> Ask:
    """The first example of the SDK's own documentation, asynchronous."""
    if name == "openai":
        from openai import AsyncOpenAI

        openai = AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{port}/v1")

        async def ask(model_name: str) -> AsyncIterator[str]:
            stream = await openai.chat.completions.create(
                model=model_name,
                messages=[{"role": "user", "content": QUESTION}],
                stream=True,
            )
            async for chunk in stream:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    yield text

        return ask

    from anthropic import AsyncAnthropic

    anthropic = AsyncAnthropic(api_key="none", base_url=f"http://127.0.0.1:{port}")

    async def ask_anthropic(model_name: str) -> AsyncIterator[str]:
        async with anthropic.messages.stream(
            model=model_name,
            max_tokens=1024,
            messages=[{"role": "user", "content": QUESTION}],
        ) as stream:
            async for text in stream.text_stream:
                yield text

    return ask_anthropic


CONTESTANTS = {"by hand": by_hand, "Chatcore": chatcore, "the SDK as documented": as_documented}


# --- One contestant's process -------------------------------------------------------------------
async def count(ask: Ask, model_name: str) -> int:
    return len([text async for text in ask(model_name)])


async def first_token(ask: Ask) -> float:
    """Milliseconds from the question to its first piece, a median."""
    return median([await _first_token(ask) for _ in range(FIRST_TOKENS)]) * 1000


async def _first_token(ask: Ask) -> float:
    begun, taken = time.perf_counter(), 0.0
    # Read to its end, so that the connection is kept.
    async for _text in ask(model(1, 0)):
        taken = time.perf_counter() - begun
    return taken


async def cpu_of(answers: Awaitable[Iterable[int]], chunks: int) -> float:
    """CPU seconds of this process for 10,000 chunks. Raises RuntimeError if some are missing."""
    begun = time.process_time()
    came = sum(await answers)
    spent = time.process_time() - begun
    if came != chunks:
        raise RuntimeError(f"{came} of {chunks} chunks came")
    return spent * 10_000 / chunks


async def one_round(ask: Ask, each: int) -> list[float]:
    paced = asyncio.gather(*(count(ask, model(each, 20)) for _ in range(STREAMS)))
    figures = [await first_token(ask), await cpu_of(paced, each * STREAMS)]
    burst = asyncio.gather(count(ask, model(10_000, 0)))
    return [*figures, await cpu_of(burst, 10_000)]


async def work(contestant: str, name: str, port: int, each: int) -> None:
    """A round for each line on standard input; the first one is to warm up."""
    ask = CONTESTANTS[contestant](name, port)
    await count(ask, model(100, 0))
    for _line in sys.stdin:
        print(json.dumps(await one_round(ask, each)), flush=True)


# --- All of them --------------------------------------------------------------------------------
class Contestant:
    def __init__(self, contestant: str, name: str, port: int, each: int) -> None:
        command = [sys.executable, "-m", "benchmarks.providers", "--work", contestant, name]
        self._process = subprocess.Popen(
            [*command, str(port), str(each)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self) -> list[float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def wait_for_listener(port: int, limit: float = 30) -> None:
    """Return when somebody listens there. Raises ConnectionRefusedError."""
    deadline = time.perf_counter() + limit
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.perf_counter() > deadline:
                raise
            # A hundredth of the second that a start takes.
            time.sleep(0.01)


Figures = dict[tuple[str, str], list[list[float]]]


def measure(rounds: int, each: int) -> Figures:
    client_core, other_core = cores() or (None, None)
    port, figures = free_port(), Figures()
    with ExitStack() as stack:
        with on_core(other_core):
            upstream = subprocess.Popen(
                [sys.executable, "-m", "benchmarks._providers_upstream", str(port)], cwd=ROOT
            )
        stack.callback(upstream.wait)
        stack.callback(upstream.kill)
        wait_for_listener(port)
        contestants = {}
        with on_core(client_core):
            for name in PROVIDERS:
                for contestant in ORDER:
                    one = Contestant(contestant, name, port, each)
                    stack.callback(one.stop)
                    contestants[name, contestant] = one
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}")
            for key, one in contestants.items():
                figures.setdefault(key, []).append(one.run())
    return figures


def table(figures: Figures) -> list[list[str]]:
    rows = [["", "", "first text ms", "CPU s paced", "ratio", "CPU s no delay", "ratio "]]
    for (name, contestant), runs in figures.items():
        base = [median(column) for column in zip(*figures[name, ORDER[0]], strict=True)]
        first, paced, burst = (median(column) for column in zip(*runs, strict=True))
        rows.append(
            [
                *(PROVIDERS[name], contestant, f"{first:.2f}", f"{paced:.2f}"),
                *(f"{paced / base[1]:.2f} x", f"{burst:.3f}", f"{burst / base[2]:.2f} x"),
            ]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter answers")
    parser.add_argument("--markdown", action="store_true", help="for docs/performance.md")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        contestant, name, port, each = given.work
        asyncio.run(work(contestant, name, int(port), int(each)))
        return
    rounds, each = (3, 100) if given.quick else (ROUNDS, 500)
    figures = measure(rounds, each)
    introduce("Providers", markdown=given.markdown)
    print(f"Medians of {rounds} rounds.", end="\n\n")
    show(table(figures), markdown=given.markdown)


if __name__ == "__main__":
    main()
