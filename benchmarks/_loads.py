"""What streaming.py puts on a server, and what it sees of it. Each load leaves the server idle."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice, pairwise

import psutil

from benchmarks._common import cpu_seconds
from benchmarks._socket import Answer, Chat, Socket
from benchmarks._upstream import ENDLESS, PACE_SECONDS

CHARACTERS = 5
LATENESS_EVERY_SECONDS = 0.005
# Handshakes at once, and beginnings each second, where neither is what is measured.
HANDSHAKES, BEGINNINGS = 20, 100
# After the last beginning; what begins costs more than what goes on.
SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class Contestant:
    """A server to be measured."""

    port: int
    pid: int
    upstream_port: int
    # Headers that log in, one for each person.
    logins: Sequence[dict[str, str]]
    mongod_pid: int | None = None

    def cpu(self) -> tuple[float, float]:
        """Seconds of the server and of mongod."""
        return cpu_seconds(self.pid), cpu_seconds(self.mongod_pid) if self.mongod_pid else 0.0

    def memory(self) -> float:
        """Resident bytes."""
        return float(psutil.Process(self.pid).memory_info().rss)


@dataclass(frozen=True)
class Gaps:
    """Between two frames of one answer, over all answers, in milliseconds."""

    p99: float
    # The part of the characters that came, of those that should have.
    part: float
    # How late this very client was, p99: what is as late as this is not the server's doing.
    client_late: float


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


async def open_sockets(server: Contestant, number: int, *, first: int = 0) -> list[Socket]:
    """One person after the other, from the first one again if there are more sockets."""
    logins = islice(cycle(server.logins), first, first + number)
    gate = asyncio.Semaphore(HANDSHAKES)

    async def connect(login: dict[str, str]) -> Socket:
        async with gate:
            return await Socket.open(server.port, login)

    return await asyncio.gather(*map(connect, logins))


async def close_sockets(sockets: Sequence[Socket]) -> None:
    for each in sockets:
        each.close()
    # The server is to be through with them before the next load.
    await asyncio.sleep(0.3)


async def one_by_one(sockets: Sequence[Socket], chat: Chat | None) -> list[Answer]:
    """A short answer on each socket, the next one when the last one is saved.

    Each person asks in a new chat, or in their own one of that name.
    """
    return [await socket.ask(3, is_paced=False, chat=chat).whole() for socket in sockets]


async def at_once(sockets: Sequence[Socket], chunks: int, *, is_paced: bool) -> None:
    answers = [socket.ask(chunks, is_paced=is_paced) for socket in sockets]
    for each in answers:
        if (await each.whole()).chunks != chunks:
            raise RuntimeError("an answer is shorter than it should be")


async def begin(sockets: Sequence[Socket], chunks: int, each_second: float) -> list[Answer]:
    """Paced answers, begun one after the other at moments that do not wait for the server."""
    answers, begun = [], time.monotonic()
    for index, socket in enumerate(sockets):
        await asyncio.sleep(begun + index / each_second - time.monotonic())
        answers.append(socket.ask(chunks, is_paced=True))
    return answers


async def begin_endless(sockets: Sequence[Socket]) -> list[Answer]:
    """Answers in mid-stream, until `end_all`."""
    answers = await begin(sockets, ENDLESS, BEGINNINGS)
    # An answer that the upstream has not begun by `end_all` would never end.
    for each in answers:
        await each.reach(each.begun)
    await asyncio.sleep(SETTLE_SECONDS)
    return answers


async def end_all(server: Contestant, answers: Sequence[Answer]) -> float:
    """Let the upstream end its answers, and check them. How late it was, p99 in milliseconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.upstream_port)
    writer.write(b"GET /end HTTP/1.1\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    late = float(await reader.read(100))
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    await asyncio.gather(*(each.whole() for each in answers))
    return late


async def gaps(answers: Sequence[Answer], seconds: float) -> Gaps:
    """What running answers do for so long."""
    begun = [(len(each.arrivals), len(each.pieces)) for each in answers]
    late = await _lateness(seconds)
    between, characters = [], 0
    for (frames, pieces), each in zip(begun, answers, strict=True):
        arrivals = each.arrivals[max(frames - 1, 0) :]
        between += [later - earlier for earlier, later in pairwise(arrivals)]
        # An answer that came to a halt has its gap as well.
        between.append(time.monotonic() - arrivals[-1] if arrivals else seconds)
        characters += sum(map(len, each.pieces[pieces:]))
    expected = len(answers) * seconds / PACE_SECONDS * CHARACTERS
    return Gaps(percentile(between, 99) * 1000, characters / expected, percentile(late, 99) * 1000)


async def _lateness(seconds: float) -> list[float]:
    """By how much this process was late, again and again for so long."""
    late, end = [], time.monotonic() + seconds
    while (due := time.monotonic() + LATENESS_EVERY_SECONDS) < end:
        await asyncio.sleep(LATENESS_EVERY_SECONDS)
        late.append(time.monotonic() - due)
    return late
