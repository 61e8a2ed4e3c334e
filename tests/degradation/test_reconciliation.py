"""The ledger against what was served: hundreds of answers that end in each way, at two processes.

What the loopback providers say they used has to be in the store, to the token and to the last
decimal, read from there without the product. Where they could not say it, because the call was cut,
stopped or killed, the row has to be the documented estimate of what was asked and is saved.
"""

import json
import math
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.degradation.ledger import as_json, read
from tests.degradation.steps import API, REAPED_SECONDS, Person, log_in, wait_until
from tests.degradation.tab import Tab
from tests.fakes.provider import FakeProvider, Reply, Request
from tests.fakes.rocketreach import JANE_FOUND, FakeRocketReach, found
from tests.server import ROOT, Server

# 500 together, half of them with either provider.
TURNS = {
    "done": 250,  # to the end
    "tools": 80,  # two calls, with a search between them
    "stopped": 50,  # by the person, after some words
    "cut": 50,  # the connection breaks after some words
    "left": 30,  # nobody reads on
    "again": 20,  # a fault before the first word, and a second try
    "killed": 20,  # with their process, after some words
}
AT_ONCE = 8
MODELS = {"openai": "gpt-test", "anthropic": "claude-test"}
TEXT = "The answer is what it has been all along: 42."
# USD for a million tokens.
PRICES = {
    "input_usd": "0.15",
    "output_usd": "0.6",
    "cache_read_usd": "0.075",
    "cache_write_usd": "0.1875",
    "cache_write_1h_usd": "0.3",
}


@dataclass(frozen=True)
class Turn:
    number: int
    kind: str
    provider: str

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def question(self) -> str:
        return f"Turn {self.number}: {self.kind}"

    @property
    def model(self) -> str:
        return f"{self.provider}:{MODELS[self.provider]}"

    @property
    def words(self) -> int:
        """How many it gets, if it is cut short."""
        return 2 + self.number % 7

    @property
    def beginning(self) -> str:
        return " ".join(TEXT.split(" ")[: self.words])


@dataclass(frozen=True)
class Tokens:
    """Of one call, or of many: `+`. Each class is apart, but for `reasoning`, part of `output`."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def cost(self) -> Decimal:
        """USD by PRICES; Decimal has digits enough for it to be exact."""
        millionths = (
            self.input * Decimal(PRICES["input_usd"])
            + self.cache_read * Decimal(PRICES["cache_read_usd"])
            + (self.cache_write - self.cache_write_1h) * Decimal(PRICES["cache_write_usd"])
            + self.cache_write_1h * Decimal(PRICES["cache_write_1h_usd"])
            + self.output * Decimal(PRICES["output_usd"])
        )
        return millionths / 1_000_000


def turns() -> list[Turn]:
    """The same ones each time, mixed."""
    kinds = [kind for kind, times in TURNS.items() for _ in range(times)]
    made = [
        Turn(number, kind, ("openai", "anthropic")[number % 2]) for number, kind in enumerate(kinds)
    ]
    random.Random(5).shuffle(made)
    return made


# --- What is served -------------------------------------------------------------------------------
def reply_to(turn: Turn, body: dict[str, Any], *, is_second: bool) -> Reply:
    """What a provider answers. Each call has other numbers than all others."""
    call = 2 * turn.number + is_second
    usage = {
        "input": 1000 + call,
        "output": 20 + call % 13,
        "cached": call % 11,
        "reasoning": call % 7,
    }
    if turn.provider == "anthropic":
        usage |= {"cache_write": 5 * (call % 5), "hour": call % 5}
    match turn.kind:
        case "tools" if not is_second:
            search = json.dumps({"employer": [f"Acme {turn.number}"]})
            tools = ((f"call-{turn.number}", "rocketreach_person_search", search),)
            return Reply("Let me look.", tools=tools, usage=usage)
        case "stopped" | "killed":
            return Reply(TEXT, silent_after=turn.words, usage=usage)
        case "cut":
            return Reply(TEXT, cut_after=turn.words, usage=usage)
        case "left":
            return Reply(TEXT, delay=0.1, usage=usage)
        case "again" if not is_second:
            return Reply(status=503, error={"error": {"type": "api_error", "message": "No."}})
    return Reply(TEXT, usage=usage)


class Served:
    """Both providers, and all that they were asked, by turn."""

    def __init__(self, provider: FakeProvider, planned: list[Turn]) -> None:
        self._provider = provider
        self._by_question = {turn.question: turn for turn in planned}
        self._calls: Counter[Turn] = Counter()
        provider.choose = self._choose

    def _choose(self, body: dict[str, Any]) -> Reply:
        turn = self.turn_of(body)
        self._calls[turn] += 1
        return reply_to(turn, body, is_second=self._calls[turn] > 1)

    def turn_of(self, body: dict[str, Any]) -> Turn:
        return self._by_question[_question(body)]

    @property
    def requests(self) -> list[Request]:
        return self._provider.requests

    def counted(self) -> list[tuple[str, Tokens]]:
        """What the providers said of the answers that they could end."""
        return [
            (self.turn_of(each.body).provider, told(self.turn_of(each.body), each.reply))
            for each in self.requests
            if each.is_whole
        ]

    def estimated(self, texts: dict[str, str]) -> list[tuple[str, Tokens]]:
        """What the rule makes of the others, whose saved answers are `texts`."""
        return [
            (turn.provider, estimate(turn, each, texts.get(turn.name, "")))
            for each in self.requests
            if not each.is_whole
            for turn in [self.turn_of(each.body)]
        ]


def _question(body: dict[str, Any]) -> str:
    content = next(each for each in body["messages"] if each["role"] == "user")["content"]
    return content if isinstance(content, str) else content[0]["text"]


def told(turn: Turn, reply: Reply) -> Tokens:
    """Anthropic's input is without what the cache read and wrote, OpenAI's is with it."""
    usage = reply.usage
    assert usage is not None
    is_openai = turn.provider == "openai"
    return Tokens(
        input=usage["input"] - (usage["cached"] if is_openai else 0),
        cache_read=usage["cached"],
        cache_write=0 if is_openai else usage["cache_write"],
        cache_write_1h=0 if is_openai else usage["hour"],
        output=usage["output"],
        reasoning=usage["reasoning"],
    )


def estimate(turn: Turn, request: Request, text: str) -> Tokens:
    """A token for 4 characters; of Anthropic's calls the input was told when they began."""
    if request.reply.status != 200:
        return Tokens()
    output = math.ceil(len(text) / 4)
    if turn.provider == "anthropic":
        whole = told(turn, request.reply)
        return Tokens(
            whole.input, whole.cache_read, whole.cache_write, whole.cache_write_1h, output
        )
    tools = json.dumps(
        [each["function"] for each in request.body["tools"]],
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return Tokens(math.ceil((len(turn.question) + len(tools.encode())) / 4), output=output)


# --- Asking ---------------------------------------------------------------------------------------
def ask_all(person: Person, server: Server, asked: list[Turn]) -> None:
    """Several at once, each to its end."""
    for start in range(0, len(asked), AT_ONCE):
        _ask_together(person, server, asked[start : start + AT_ONCE])


def _ask_together(person: Person, server: Server, asked: list[Turn]) -> None:
    # One socket may say only so much in a minute.
    tab = Tab(person, server)
    running = {}
    for turn in asked:
        if turn.kind == "left":
            leaving = Tab(person, server)
            begin(leaving, turn)
            leaving.close()
        else:
            running[begin(tab, turn)] = turn
    for key, turn in running.items():
        if turn.kind == "stopped":
            tab.until_shown(key, turn.beginning)
            tab.send("stop", generationId=key)
    endings = {"stopped": "stopped", "cut": "failed"}
    for key, turn in running.items():
        assert tab.until_ended(key) == endings.get(turn.kind, "done"), turn
    tab.close()


def begin(tab: Tab, turn: Turn) -> str:
    started = tab.ask(turn.name, text=turn.question, model=turn.model)
    assert started["type"] == "started", started
    return str(started["generationId"])


def kill_with(person: Person, server: Server, asked: list[Turn]) -> None:
    """Begin these, and kill their process when what they have said is saved."""
    tab = Tab(person, server)
    for turn in asked:
        begin(tab, turn)

    def are_saved() -> bool:
        running = [each for each in read(server, "generations") if each["status"] == "running"]
        texts = sorted(each["text"] for each in running)
        return texts == sorted(turn.beginning for turn in asked)

    wait_until(are_saved, REAPED_SECONDS)
    server.stop(signal.SIGKILL)
    tab.close()


# --- The test -------------------------------------------------------------------------------------
@pytest.fixture
def rocketreach() -> Iterator[FakeRocketReach]:
    server = FakeRocketReach()
    server.default = found(JANE_FOUND)
    yield server.start()
    server.stop()


@pytest.fixture
def settings(provider, rocketreach, store) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.openai_url,
        "OPENAI_MODELS": MODELS["openai"],
        "ANTHROPIC_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": provider.anthropic_url,
        "ANTHROPIC_MODELS": MODELS["anthropic"],
        "ROCKETREACH_API_KEY": "rr-test",
        "ROCKETREACH_BASE_URL": rocketreach.url,
        "ROCKETREACH_LIMIT": "off",
        "ASSISTANT_LIMIT": "off",
        "RUNNING_LIMIT": "off",
        **store,
    }


def set_prices(server: Server) -> None:
    """The provider is on this machine, and what is on one's own machine has no price by itself."""
    code = f"""
from analytics.models import ModelPrice
from chatcore import clock
for pattern in {list(MODELS.values())}:
    ModelPrice.objects.create(
        pattern=pattern, starts_at=clock.now().replace(year=2000), **{PRICES}
    )
"""
    command = [sys.executable, "manage.py", "shell", "-c", code]
    subprocess.run(command, cwd=ROOT, env=server.environment, check=True, capture_output=True)


def test_the_ledger_says_what_the_providers_served(provider, rocketreach, settings, start):
    planned = turns()
    served = Served(provider, planned)
    first = start(**settings)
    set_prices(first)
    alice = log_in(first)
    second = start(**settings)
    killed = [turn for turn in planned if turn.kind == "killed"]
    others = [turn for turn in planned if turn.kind != "killed"]

    at_both(alice, first, second, others[: len(others) // 2])
    kill_with(alice, second, killed[: len(killed) // 2])
    second.start()
    at_both(alice, first, second, others[len(others) // 2 :])
    kill_with(alice, second, killed[len(killed) // 2 :])
    wait_until(lambda: nothing_runs(first) and nothing_waits(first), REAPED_SECONDS)

    assert len(planned) == 500
    rows = read(first, "api_usage")
    of_models = [row for row in rows if row["provider"] in MODELS]
    cut_short = [turn for turn in planned if turn.kind in ("stopped", "cut", "killed")]
    texts = {turn.name: text_in(alice, turn) for turn in cut_short}
    # A row for each request, and in each the very numbers of one.
    assert tokens_in(of_models, "provider") == Counter(served.counted())
    assert tokens_in(of_models, "estimated") == Counter(served.estimated(texts))
    assert sum(row["calls"] for row in of_models) == len(served.requests)
    assert texts == {turn.name: turn.beginning for turn in cut_short}
    searches = [row for row in rows if row["provider"] == "rocketreach"]
    assert len(searches) == len(rocketreach.requests) == TURNS["tools"]
    # In dollars, in each place where they are added up.
    cost = sum(tokens.cost for _, tokens in [*served.counted(), *served.estimated(texts)])
    assert dollars(row["costUsdE10"] for row in of_models) == cost
    months = read(first, "spending_months")
    assert dollars(month["spentUsdE10"] for month in months) == 2 * cost
    assert totals_noted(read(first, "conversations")) == totals_of(of_models)


def at_both(person: Person, first: Server, second: Server, asked: list[Turn]) -> None:
    faults: list[BaseException] = []

    def work(server: Server, part: list[Turn]) -> None:
        try:
            ask_all(person, server, part)
        except BaseException as fault:
            faults.append(fault)

    threads = [
        threading.Thread(target=work, args=(server, asked[number::2]))
        for number, server in enumerate((first, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def nothing_runs(server: Server) -> bool:
    return all(each["status"] != "running" for each in read(server, "generations"))


def nothing_waits(server: Server) -> bool:
    """Of the calls that the ledger has not taken at once."""
    return not list(Path(server.environment["DATA_DIR"], "usage-spool").glob("*.json"))


def text_in(person: Person, turn: Turn) -> str:
    messages = json.loads(person.get(f"{API}?id=c-{turn.name}").text)["messages"]
    return str(messages[-1]["content"])


def tokens_in(rows: list[dict[str, Any]], source: str) -> Counter[tuple[str, Tokens]]:
    names = ("input", "cacheRead", "cacheWrite", "cacheWrite1h", "output", "reasoning")
    return Counter(
        (row["provider"], Tokens(*(row[f"{name}Tokens"] for name in names)))
        for row in rows
        if row["usageSource"] == source
    )


def totals_noted(chats: list[dict[str, Any]]) -> dict[Any, tuple[int, Decimal]]:
    """Tokens and dollars, by chat, as each of them says."""
    noted = {chat["_id"]: as_json(chat["metadata"]) for chat in chats}
    return {key: (each["totalTokens"], Decimal(each["totalCost"])) for key, each in noted.items()}


def totals_of(rows: list[dict[str, Any]]) -> dict[Any, tuple[int, Decimal]]:
    """The same by the ledger."""
    by_chat: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        by_chat.setdefault(row["conversationId"], []).append(row)
    return {
        key: (sum(row["units"] for row in each), dollars(row["costUsdE10"] for row in each))
        for key, each in by_chat.items()
    }


def dollars(stored: Iterable[int]) -> Decimal:
    """The store has whole numbers of 10^-10 USD; none of these is without a price."""
    return sum((Decimal(each).scaleb(-10) for each in stored), Decimal(0))
