"""What does an answer cost on its way through the server, and how many does one core carry?

Serves the product (`manage.py start`) on one core: log-in, sockets, saving, the providers' SDK, on
SQLite and on MongoDB. The model is benchmarks/_upstream.py, on the other core with the client.
Beside the product in the same run stands a bare Channels consumer (benchmarks/_bare_stream.py) that
forwards the same upstream. Both take turns, so that noise hits them alike. Prints medians and
ratios; docs/performance.md says how to read them.
"""

import argparse
import asyncio
import gc
import resource
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks import _loads as loads
from benchmarks._common import (
    STORES,
    cores,
    introduce,
    on_core,
    show,
    started,
    tell,
    wait_for_answer,
)
from benchmarks._loads import Contestant, percentile
from benchmarks._site import Site, site
from benchmarks._socket import Chat, Socket
from tests.fakes.ports import free_port

PRODUCT, BARE = "Chatcore", "bare consumer"
PERSONS = 200
OPEN_FILES = 16_384
MILLISECONDS, KILOBYTES = 1e3, 1e-3
# A step of the search holds if the gaps do, and no text is left behind.
LONGEST_GAP_MS, LEAST_PART = 40.0, 0.98
# A step that fails is looked at again, and more often if this client itself was late.
LOOKS, MORE_LOOKS, LATE_MS = 2, 5, 8.0
BURST_SECONDS = 4.0


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    rounds: int
    # First tokens of each kind in a round, each of another person.
    asked: int
    streams: int
    chunks: int
    most: int
    step: int
    # How long gaps are looked at, and an idle server.
    seconds: float
    chats: int
    # Running streams whose memory is measured.
    remembered: int
    idle: int


FULL = Size(
    rounds=3,
    asked=40,
    streams=20,
    chunks=500,
    most=600,
    step=50,
    seconds=4,
    chats=200,
    remembered=200,
    idle=1_000,
)
QUICK = Size(
    rounds=1,
    asked=15,
    streams=20,
    chunks=75,
    most=300,
    step=100,
    seconds=1.5,
    chats=100,
    remembered=60,
    idle=200,
)


@dataclass(frozen=True)
class Row:
    name: str
    unit: str = "ms"
    # The product is held to at most this, or with `is_floor` to at least this.
    limit: float | None = None
    is_floor: bool = False

    def verdict(self, value: float) -> str:
        if self.limit is None:
            return ""
        is_held = value >= self.limit if self.is_floor else value <= self.limit
        sign = ">=" if self.is_floor else "<="
        return f"{sign} {self.limit:g} {self.unit}".strip() + f": {'held' if is_held else 'missed'}"


class Table:
    """Values by row and contestant; the median of each is what is shown."""

    def __init__(self) -> None:
        self._values: dict[tuple[Row, str], list[float]] = defaultdict(list)
        self._mongod: dict[Row, list[float]] = defaultdict(list)
        self._rows: dict[Row, None] = {}

    def add(self, row: Row, name: str, value: float) -> None:
        self._rows.setdefault(row)
        self._values[row, name].append(value)

    def add_mongod(self, row: Row, value: float) -> None:
        self._mongod[row].append(value)

    def rows(self) -> Iterator[list[str]]:
        has_mongod = bool(self._mongod)
        yield ["", PRODUCT, BARE, "to bare", *(["mongod"] if has_mongod else []), "held to"]
        for row in self._rows:
            product, bare = (statistics.median(self._values[row, each]) for each in (PRODUCT, BARE))
            mongod = self._mongod.get(row)
            yield [
                *(row.name, _cell(product, row.unit), _cell(bare, row.unit)),
                f"{product / bare:.2f} x" if bare else "",
                *([_cell(statistics.median(mongod), row.unit) if mongod else ""] * has_mongod),
                row.verdict(product),
            ]


def _cell(value: float, unit: str) -> str:
    digits = 0 if unit in {"", "kB"} else 2
    return f"{value:.{digits}f} {unit}".strip()


@dataclass
class Match:
    """The two servers in turn, and what is known of them."""

    servers: dict[str, Contestant]
    table: Table
    size: Size


async def first_token(match: Match) -> None:
    """One question at a time: in a new chat, and in one of 20 messages that is asked once only."""
    for number in range(match.size.rounds + 1):
        for name, server in match.servers.items():
            sockets = await loads.open_sockets(server, match.size.asked)
            old = Chat(f"chat-{number}", parent="message-20")
            for kind, chat in (("a new chat", None), ("a chat of 20 messages", old)):
                answers = await loads.one_by_one(sockets, chat)
                # The first round is not measured: it makes connections and fills caches.
                if number == 0:
                    continue
                added = [each.added * MILLISECONDS for each in answers]
                row = f"first token added in {kind}"
                match.table.add(Row(f"{row}, p50", limit=8), name, percentile(added, 50))
                match.table.add(Row(f"{row}, p95"), name, percentile(added, 95))
                asked = [each.until_asked * MILLISECONDS for each in answers]
                row = "of that until the provider is asked, p50"
                match.table.add(Row(f"{row}, {kind}"), name, percentile(asked, 50))
            await loads.close_sockets(sockets)


async def cpu(match: Match) -> None:
    """Beginnings and ends included: whole answers, as many as make the chunks."""
    streams, chunks = match.size.streams, match.size.chunks
    for _ in range(match.size.rounds):
        for is_paced in (True, False):
            row = Row(f"CPU for 10,000 chunks, {'20 ms each' if is_paced else 'no delay'}", "s", 2)
            for name, server in match.servers.items():
                sockets = await loads.open_sockets(server, streams)
                before = server.cpu()
                await loads.at_once(sockets, chunks, is_paced=is_paced)
                used, used_by_mongod = (
                    (late - early) * 10_000 / (streams * chunks)
                    for early, late in zip(before, server.cpu(), strict=True)
                )
                match.table.add(row, name, used)
                if server.mongod_pid:
                    match.table.add_mongod(row, used_by_mongod)
                await loads.close_sockets(sockets)


async def most_streams(match: Match) -> None:
    """More and more answers, 50 chunks a second each, until the frames come too late."""
    for name, server in match.servers.items():
        held = await _most(name, server, match.size)
        row = "streams at 50 chunks/s with gaps of at most 40 ms, p99"
        match.table.add(Row(row, "", 250, is_floor=True), name, held)


async def _most(name: str, server: Contestant, size: Size) -> int:
    sockets: list[Socket] = []
    answers = []
    held = 0
    while held == len(sockets) < size.most:
        more = await loads.open_sockets(server, size.step, first=len(sockets))
        sockets += more
        answers += await loads.begin_endless(more)
        for look in range(1, MORE_LOOKS + 1):
            seen = await loads.gaps(answers, size.seconds)
            tell(
                f"{name}: {len(sockets)} streams, p99 gap {seen.p99:.1f} ms, {seen.part:.1%} came,"
                f" client late by {seen.client_late:.1f} ms"
            )
            if seen.p99 <= LONGEST_GAP_MS and seen.part >= LEAST_PART:
                held = len(sockets)
                break
            if look >= LOOKS and seen.client_late < LATE_MS:
                break
    late = await loads.end_all(server, answers)
    tell(f"{name}: upstream late by {late:.1f} ms, p99")
    await loads.close_sockets(sockets)
    return held


async def burst(match: Match) -> None:
    """New chats at moments that do not wait for the server, each on a socket that is open."""
    chats = match.size.chats
    for name, server in match.servers.items():
        sockets = await loads.open_sockets(server, chats)
        answers = await loads.begin(sockets, 100, chats / BURST_SECONDS)
        ended = await asyncio.gather(*(each.whole() for each in answers), return_exceptions=True)
        failures = [each for each in ended if isinstance(each, BaseException)]
        for each in failures[:3]:
            tell(f"{name}: {each}")
        added = [each.added * MILLISECONDS for each in ended if not isinstance(each, BaseException)]
        what, add = f"{chats} new chats within {BURST_SECONDS:.0f} s", match.table.add
        add(Row(f"{what}: failures", "", 0), name, len(failures))
        what = f"{what}: first token added"
        add(Row(f"{what}, p50"), name, percentile(added, 50))
        add(Row(f"{what}, p99", limit=1_000), name, percentile(added, 99))
        await loads.close_sockets(sockets)


async def memory(match: Match) -> None:
    """Resident memory while so many answers run, a few kB of text each, their sockets apart."""
    number = match.size.remembered
    for name, server in match.servers.items():
        sockets = await loads.open_sockets(server, number)
        before, answers = server.memory(), []
        for part in (sockets[: number // 2], sockets[number // 2 :]):
            answers += await loads.begin_endless(part)
            await asyncio.sleep(match.size.seconds)
            row = Row(f"memory for each of {len(answers)} running streams", "kB")
            each = (server.memory() - before) / len(answers)
            match.table.add(row, name, each * KILOBYTES)
        await loads.end_all(server, answers)
        await loads.close_sockets(sockets)


async def idle_sockets(match: Match) -> None:
    """What open pages cost, and what they do to those who ask meanwhile."""
    number, table = match.size.idle, match.table
    for name, server in match.servers.items():
        await _beside(match, name, "without idle sockets")
        before = server.memory()
        sockets = await loads.open_sockets(server, number)
        await asyncio.sleep(1)
        what = f"{number:,} idle sockets"
        each = (server.memory() - before) / number
        table.add(Row(f"{what}: memory for each", "kB"), name, each * KILOBYTES)
        used, _ = server.cpu()
        await asyncio.sleep(match.size.seconds)
        each_second = (server.cpu()[0] - used) / match.size.seconds
        table.add(Row(f"{what}: CPU in a second"), name, each_second * MILLISECONDS)
        await _beside(match, name, f"beside {what}")
        await loads.close_sockets(sockets)


async def _beside(match: Match, name: str, what: str) -> None:
    """First tokens one by one, then gaps of 50 streams."""
    server = match.servers[name]
    sockets = await loads.open_sockets(server, 50)
    answers = await loads.one_by_one(sockets[: match.size.asked], None)
    added = percentile([each.added * MILLISECONDS for each in answers], 50)
    match.table.add(Row(f"first token added {what}, p50"), name, added)
    running = await loads.begin_endless(sockets)
    seen = await loads.gaps(running, match.size.seconds)
    match.table.add(Row(f"gap of 50 streams {what}, p99"), name, seen.p99)
    await loads.end_all(server, running)
    await loads.close_sockets(sockets)


MEASUREMENTS: dict[str, Callable[[Match], Coroutine[Any, Any, None]]] = {
    "memory": memory,
    "idle": idle_sockets,
    "first-token": first_token,
    "cpu": cpu,
    "burst": burst,
    "streams": most_streams,
}
# Behind these both servers are started anew: what they used and freed would be used again, and the
# memory of the next load would look small.
LEAVE_MEMORY = {"memory", "idle"}


def main() -> None:
    options = _options()
    _allow_open_files()
    # A collection in the client would be a gap in every answer.
    gc.disable()
    introduce("Streaming answers", markdown=options.markdown)
    for store in options.store or STORES:
        tell(f"{STORES[store]} ...")
        table = measure(store, options.only or list(MEASUREMENTS), QUICK if options.quick else FULL)
        if table is None:
            print(f"{STORES[store]}: skipped, there is no mongod; set MONGOD_BIN\n")
            continue
        print(f"{'### ' if options.markdown else ''}{STORES[store]}\n")
        show(list(table.rows()), markdown=options.markdown)
        print()
        gc.collect()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--store", action="append", choices=STORES, help="only this one")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="only this one")
    parser.add_argument("--markdown", action="store_true", help="tables for docs/performance.md")
    return parser.parse_args()


def _allow_open_files() -> None:
    """For this process and those that it starts: a socket is an open file on both sides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def measure(store: str, names: list[str], size: Size) -> Table | None:
    """What was found out; None without a mongod to run."""
    with upstream() as port:
        settings = {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "OPENAI_MODELS": "bench",
            "ASSISTANT_LIMIT": "off",
            "RUNNING_LIMIT": "off",
        }
        seed = ["askers", str(PERSONS), str(size.rounds + 1)]
        with site(store, seed, settings, "benchmarks._bare_stream:application") as running:
            if running is None:
                return None
            table = Table()
            for name in names:
                tell(f"{name} ...")
                match = Match(_contestants(running, port), table, size)
                asyncio.run(_warm_up(match))
                asyncio.run(MEASUREMENTS[name](match))
                if name in LEAVE_MEMORY:
                    running.restart()
            return table


async def _warm_up(match: Match) -> None:
    """Libraries are loaded, clients and connections made: what happens once is not measured."""
    for server in match.servers.values():
        sockets = await loads.open_sockets(server, 10)
        await loads.one_by_one(sockets, None)
        await loads.close_sockets(sockets)


@contextmanager
def upstream() -> Iterator[int]:
    """Port of the model, which has the core that the servers have not."""
    port = free_port()
    _, other_core = cores() or (None, None)
    with ExitStack() as stack:
        with on_core(other_core):
            command = [sys.executable, "-m", "benchmarks._upstream", str(port)]
            stack.enter_context(started(command))
        wait_for_answer(port, "/end")
        yield port


def _contestants(running: Site, upstream_port: int) -> dict[str, Contestant]:
    logins = list(running.logins.values())
    product, bare = running.server, (running.bare.port, running.bare.pid)
    return {
        PRODUCT: Contestant(product.port, product.pid, upstream_port, logins, running.mongod_pid),
        BARE: Contestant(*bare, upstream_port, logins),
    }


if __name__ == "__main__":
    main()
