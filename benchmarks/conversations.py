"""How long do the list of conversations and one conversation take, and do they grow with the data?

Serves the product (`manage.py start`) on one core, with users of 10 to 100,000 chats, on SQLite and
on MongoDB. Beside it in the same run stands the least that Django can answer by the same server.
All take turns, so that noise hits them alike. Prints medians and ratios; docs/performance.md says
how to read them.
"""

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks._common import STORES, cpu_seconds, introduce, show, tell
from benchmarks._site import Client, Site, site

API = "/api/assistant/conversations"
SIZES = (10, 1_000, 10_000, 100_000)
# Of the API: by default, and at most.
PAGE, LONGEST_PAGE, MESSAGES_PAGE = 50, 100, 200
PAGES_BEFORE_A_LATER_ONE = 50
# Cold reads need more changes than a person is allowed in a minute.
LIMITS = {"API_WRITE_LIMIT": "off"}
ROUNDS, REQUESTS_EACH_ROUND = 10, 20
QUICK_ROUNDS, QUICK_REQUESTS = 3, 8
# What is slow gets fewer requests, so that the whole takes minutes.
SECONDS_EACH_TURN = 0.3
BARE = "bare JsonResponse"
NEXT_CURSOR = re.compile(rb'"nextCursor": ?"([^"]+)"')

# What the product is held to: medians in milliseconds, and growth from the first row of a group.
LIST_MS, CHAT_MS, GROWTH = 3.0, 6.0, 1.3


@dataclass(frozen=True)
class Read:
    """A request to measure, as one user."""

    name: str
    user: str
    query: str
    # How many conversations or messages it has to return.
    items: int
    # This chat is changed before each cold read, and not before a warm one.
    chat: str = "chat-0"
    # Reads of one group differ in the number of chats alone.
    group: str = ""
    # Read on to the last page. A search looks through so many chats for each request, not all.
    is_whole: bool = False
    limit_ms: float | None = None
    limit_growth: float | None = None


@dataclass
class Figures:
    """Of one row: milliseconds that the client waited, and of CPU in the server and in mongod."""

    pid: int
    mongod_pid: int | None = None
    waited: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    mongod: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return statistics.median(self.waited)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.waited, n=20)[-1]


# Figures by the name of the read and its state: "cold", "warm", or "" for the bare answer.
Table = dict[tuple[str, str], Figures]


def main() -> None:
    options = _options()
    sizes = SIZES[:-1] if options.quick else SIZES
    introduce("Reading conversations over HTTP", markdown=options.markdown)
    for store in options.store or STORES:
        tell(f"{STORES[store]} ...")
        with site(store, ["readers", *map(str, sizes)], LIMITS) as running:
            if running is None:
                print(f"{STORES[store]}: skipped, there is no mongod; set MONGOD_BIN\n")
                continue
            contestants = reads(running, sizes)
            for read in contestants:
                check(running, read)
            table = measure(running, contestants, quick=options.quick)
        print(f"{'### ' if options.markdown else ''}{STORES[store]}\n")
        show(list(rows(table, contestants)), markdown=options.markdown)
        print()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests, no 100,000 chats")
    parser.add_argument("--store", action="append", choices=STORES, help="only this one")
    parser.add_argument("--markdown", action="store_true", help="tables for docs/performance.md")
    return parser.parse_args()


def reads(running: Site, sizes: Sequence[int]) -> list[Read]:
    return [*_lists(sizes), *_pages(running, sizes[-1]), *_searches(), *_long_chats()]


def _lists(sizes: Sequence[int]) -> Iterator[Read]:
    # From the second one as many come of each: there only the number of chats makes a difference.
    for group, query, most in (("list of", "", PAGE), ("first 10 of", "?limit=10", 10)):
        for size in sizes:
            yield Read(
                f"{group} {size:,}",
                str(size),
                query,
                min(size, most),
                group=group,
                limit_ms=LIST_MS if not query and size == 10_000 else None,
                limit_growth=GROWTH if size == 100_000 else None,
            )


def _pages(running: Site, most: int) -> Iterator[Read]:
    yield Read("10,000 by API token", "10000 by token", "", PAGE)
    cursor = _later_cursor(running, most)
    yield Read(f"later page of {most:,}", str(most), f"?cursor={cursor}", PAGE)
    yield Read("trash of 10,000", "10000", "?deleted=true", PAGE)


def _later_cursor(running: Site, size: int) -> str:
    cursor = ""
    with running.client(str(size)) as client:
        for _ in range(PAGES_BEFORE_A_LATER_ONE):
            after = f"&cursor={cursor}" if cursor else ""
            page = json.loads(client.get(f"{API}?limit={LONGEST_PAGE}{after}"))
            cursor = page["nextCursor"]
    return cursor


def _searches() -> Iterator[Read]:
    for size in (1_000, 10_000):
        yield Read(f"rare word in {size:,}", str(size), "?q=quokka", 3, is_whole=True)
        yield Read(f"frequent word in {size:,}", str(size), "?q=invoice", PAGE)


def _long_chats() -> Iterator[Read]:
    reader, page = "reader", MESSAGES_PAGE
    yield Read("chat of 200 messages", reader, "?id=long-200", page, "long-200", limit_ms=CHAT_MS)
    yield Read("newest 200 of 5,000", reader, "?id=long-5000", page, "long-5000")
    middle = f"?id=long-5000&before=message-2501&limit={page}"
    yield Read("200 from the middle", reader, middle, page, "long-5000")


def ask(client: Client, read: Read) -> list[bytes]:
    """The page that is asked for, or all from there on."""
    pages = [client.get(API + read.query)]
    while read.is_whole and (cursor := NEXT_CURSOR.search(pages[-1])):
        pages.append(client.get(f"{API}{read.query}&cursor={cursor[1].decode()}"))
    return pages


def check(running: Site, read: Read) -> None:
    """Raises RuntimeError if the answer is not what the row is named for."""
    key = "messages" if read.user == "reader" else "conversations"
    with running.client(read.user) as client:
        count = sum(len(json.loads(page)[key]) for page in ask(client, read))
    if count != read.items:
        raise RuntimeError(f"{read.name}: {count} items came, not {read.items}")


def measure(running: Site, contestants: Sequence[Read], *, quick: bool) -> Table:
    """In each round each contestant has its turn."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    requests = QUICK_REQUESTS if quick else REQUESTS_EACH_ROUND
    bare = Figures(running.bare.pid)
    table = {(BARE, ""): bare}
    for read in contestants:
        for state in ("cold", "warm"):
            table[read.name, state] = Figures(running.server.pid, running.mongod_pid)
    for number in range(1, rounds + 1):
        with Client(running.bare.port) as client:
            repeat(partial(client.get, "/"), bare, requests)
        for read in contestants:
            with running.client(read.user) as client:
                cold, warm = (table[read.name, state] for state in ("cold", "warm"))
                repeat(partial(ask, client, read), cold, requests, partial(change, client, read))
                repeat(partial(ask, client, read), warm, requests)
        tell(f"round {number} of {rounds}")
    return table


def change(client: Client, read: Read) -> None:
    """After it nothing in the cache is true any more of this person's list and of that chat."""
    client.patch(API, {"id": read.chat, "title": f"Renamed at {time.time_ns()}"})


def repeat(
    request: Callable[[], object],
    figures: Figures,
    times: int,
    prepare: Callable[[], None] | None = None,
) -> None:
    """Add that many requests to the figures, or as many as there is time for."""
    # The first one is not measured: it leaves the cache and the connection warm.
    request()
    deadline = time.perf_counter() + SECONDS_EACH_TURN
    for _ in range(times):
        if prepare:
            prepare()
        server = _cpu_when_idle(figures.pid)
        mongod = _cpu(figures.mongod_pid)
        begun = time.perf_counter()
        request()
        ended = time.perf_counter()
        figures.waited.append((ended - begun) * 1000)
        figures.server.append((_cpu_when_idle(figures.pid) - server) * 1000)
        figures.mongod.append((_cpu(figures.mongod_pid) - mongod) * 1000)
        if ended > deadline:
            break


def _cpu(pid: int | None) -> float:
    return cpu_seconds(pid) if pid else 0.0


def _cpu_when_idle(pid: int) -> float:
    """CPU seconds, once what goes on after an answer is done as well."""
    used = cpu_seconds(pid)
    while True:
        # Short beside the milliseconds that are measured, long enough for a busy server to be seen.
        time.sleep(0.0001)
        before, used = used, cpu_seconds(pid)
        if used == before:
            return used


def rows(table: Table, contestants: Sequence[Read]) -> Iterator[list[str]]:
    """The heading, the bare answer, and two rows for each read."""
    bare = table[BARE, ""]
    has_mongod = any(figures.mongod_pid for figures in table.values())
    yield [
        *("", "", "n", "p50 ms", "p95 ms", "to bare", "growth", "server CPU ms"),
        *(["mongod CPU ms"] if has_mongod else []),
        "held to",
    ]
    first_of_group: dict[str, str] = {}
    for name, state in table:
        figures = table[name, state]
        read = next((each for each in contestants if each.name == name), None)
        growth = None
        if read and read.group:
            first = first_of_group.setdefault(read.group, name)
            growth = figures.p50 / table[first, state].p50
        yield [
            *(name, state, str(len(figures.waited)), f"{figures.p50:.2f}", f"{figures.p95:.2f}"),
            f"{figures.p50 / bare.p50:.1f} x",
            f"{growth:.2f} x" if growth else "",
            f"{statistics.mean(figures.server):.2f}",
            *([f"{statistics.mean(figures.mongod):.2f}"] if has_mongod else []),
            ", ".join(verdicts(read, figures.p50, growth)) if read else "",
        ]


def verdicts(read: Read, p50: float, growth: float | None) -> Iterator[str]:
    if read.limit_ms is not None:
        yield f"{read.limit_ms:.0f} ms: {'held' if p50 <= read.limit_ms else 'over'}"
    if read.limit_growth is not None and growth is not None:
        yield f"{read.limit_growth} x: {'held' if growth <= read.limit_growth else 'over'}"


if __name__ == "__main__":
    main()
