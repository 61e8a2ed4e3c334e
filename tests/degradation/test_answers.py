"""Answers under fire: processes that are killed, several of them, and Redis that goes away."""

import json
import random
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.degradation.ledger import read, set_back
from tests.degradation.steps import API, REAPED_SECONDS, Person, log_in, wait_until
from tests.degradation.tab import PATIENCE, Tab
from tests.fakes.provider import FakeProvider, Reply

WORD_SECONDS = 0.02
TEXT = " ".join(f"word-{number}" for number in range(400))
# What a killed process may take with it: a second, and what a busy machine adds to it.
LOST_SECONDS, NOISE_SECONDS = 1.0, 0.5
KILLS, ANSWERS_EACH = 5, 10


@pytest.fixture
def paced(provider: FakeProvider) -> Iterator[FakeProvider]:
    """Answers 400 words in 8 seconds."""
    before, provider.default = provider.default, Reply(TEXT, delay=WORD_SECONDS)
    yield provider
    provider.default = before


@pytest.fixture
def environment(paced: FakeProvider) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": paced.openai_url,
        "OPENAI_MODELS": "gpt-test",
        "ASSISTANT_LIMIT": "off",
        "RUNNING_LIMIT": "off",
    }


def answer_in(person: Person, name: str) -> dict[str, Any] | None:
    """The stored answer of a chat, or None while there is none."""
    found = person.get(f"{API}?id=c-{name}")
    messages = json.loads(found.text)["messages"]
    answers = [each for each in messages if each["role"] == "assistant"]
    assert len(answers) <= 1
    return answers[0] if answers else None


def test_a_killed_process_loses_a_second_at_most_and_leaves_nothing_running(
    environment, store, start, open_tab, paced
):
    settings = {**environment, **store}
    server = start(**settings)
    alice = log_in(server)
    shown: dict[str, int] = {}
    for kill in range(KILLS):
        names = [f"{kill}-{number}" for number in range(ANSWERS_EACH)]
        tab = open_tab(alice)
        of = {tab.ask(name)["generationId"]: name for name in names}
        # Each of them has reached its provider, which takes a second in a process that is new.
        while len(tab.texts) < len(names):
            assert tab.read(PATIENCE) is not None
        killed_at = time.monotonic() + random.uniform(0.2, 3.0)
        while (left := killed_at - time.monotonic()) > 0:
            tab.read(left)
        server.stop(signal.SIGKILL)
        long_ago = time.monotonic() - LOST_SECONDS - NOISE_SECONDS
        for generation, moment, length in tab.history:
            if moment < long_ago:
                shown[of[generation]] = length
        server.start()

    names = [f"{kill}-{number}" for kill in range(KILLS) for number in range(ANSWERS_EACH)]
    wait_until(lambda: all(answer_in(alice, name) for name in names), REAPED_SECONDS)

    for name in names:
        answer = answer_in(alice, name)
        assert answer is not None
        # Nothing doubled, nothing out of order, and what was there a second before the end.
        assert TEXT.startswith(answer["content"])
        assert len(answer["content"]) >= shown.get(name, 0)
        assert answer["status"] == "interrupted"
    assert len(paced.requests) == KILLS * ANSWERS_EACH
    assert alice.get("/c/c-0-0").text.count('"running": null') == 1


def test_a_title_whose_process_is_killed_is_charged_once(
    environment, store, start, open_tab, paced
):
    server = start(**{**environment, **store, "TITLE_MODEL": "same"})
    tab = open_tab(log_in(server))
    paced.reply_with(Reply("42"), Reply("A title", silent_after=0))
    key = tab.ask("one")["generationId"]
    assert tab.until_ended(key) == "done"
    wait_until(lambda: len(paced.requests) == 2, PATIENCE)

    server.stop(signal.SIGKILL)
    noted = read(server, "title_calls")
    # Nobody wants to wait for the minute after which it is taken for dead.
    set_back(server, "title_calls", "dueAt", timedelta(minutes=2))
    server.start()
    wait_until(lambda: not read(server, "title_calls"), PATIENCE)

    assert len(noted) == 1
    charged = [row for row in read(server, "api_usage") if row["endpoint"] == "title"]
    assert [(row["_id"], row["status"], row["error"], row["usageSource"]) for row in charged] == [
        (noted[0]["_id"], "error", "interrupted", "estimated")
    ]


def two_processes(start, open_tab, settings) -> tuple[Person, Tab, Tab]:
    """Alice, a tab of hers at her server, and one at another process."""
    alice = log_in(start(**settings))
    other = start(**settings)
    return alice, open_tab(alice), open_tab(alice, other)


def with_redis(environment, valkey) -> dict[str, str]:
    return {**environment, "REDIS_URL": f"redis://127.0.0.1:{valkey.port}/0"}


def test_an_answer_is_followed_and_stopped_from_another_process(
    environment, start, open_tab, valkey, paced
):
    settings = with_redis(environment, valkey)
    alice, here, there = two_processes(start, open_tab, settings)

    made_here = here.ask("one")
    begun = there.until(lambda frame: frame["type"] == "begun")
    there.send("attach", generationId=begun["generationId"], after=0)
    made_there = there.ask("two")
    # A process that is new takes a while for its first answer.
    there.until(lambda _frame: made_there["generationId"] in there.texts)
    here.send("attach", generationId=made_there["generationId"], after=None)
    here.until(lambda frame: frame.get("generationId") == made_there["generationId"])
    here.send("stop", generationId=made_there["generationId"])

    one, two = made_here["generationId"], made_there["generationId"]
    assert [tab.until_ended(two) for tab in (here, there)] == ["stopped", "stopped"]
    assert [tab.until_ended(one) for tab in (here, there)] == ["done", "done"]
    assert here.texts[one] == there.texts[one] == TEXT
    assert here.texts[two] == there.texts[two] == answer_in(alice, "two")["content"]
    assert TEXT.startswith(here.texts[two])
    assert 0 < len(here.texts[two]) < len(TEXT)
    assert len(paced.requests) == 2


def test_redis_killed_in_the_middle_costs_no_answer_a_word(
    environment, start, open_tab, valkey, paced
):
    settings = with_redis(environment, valkey)
    alice, here, there = two_processes(start, open_tab, settings)
    names = [f"{number}" for number in range(5)]
    keys = [here.ask(name)["generationId"] for name in names]
    for key in keys:
        there.send("attach", generationId=key, after=0)
    there.until(lambda frame: frame["type"] == "delta" and len(there.texts) == len(keys))

    valkey._process.kill()
    valkey.stop()
    cut_off = there.until(lambda frame: frame["type"] == "snapshot")

    assert cut_off["status"] == "running"
    assert [here.until_ended(key) for key in keys] == ["done"] * len(keys)
    assert [here.texts[key] for key in keys] == [TEXT] * len(keys)
    for key in keys:
        there.send("attach", generationId=key, after=None)
        there.until(
            lambda frame, key=key: frame.get("generationId") == key and key in there.statuses
        )
    assert [there.texts[key] for key in keys] == [TEXT] * len(keys)
    assert [answer_in(alice, name)["content"] for name in names] == [TEXT] * len(names)
    assert len(paced.requests) == len(names)
    assert alice.server.said().count("Redis is away") == 1


def test_an_answer_begun_while_redis_is_away_is_followed_when_it_is_back(
    environment, start, open_tab, valkey, paced
):
    settings = with_redis(environment, valkey)
    paced.default = Reply(TEXT, delay=0.05)
    _, here, there = two_processes(start, open_tab, settings)
    valkey._process.kill()
    valkey.stop()
    key = here.ask("one")["generationId"]
    here.until(lambda frame: frame["type"] == "delta")

    valkey.start()
    # The breaker of each process tries again ten seconds after it opened.
    wait_until(lambda: _is_followed(there, key), 20)

    assert [tab.until_ended(key) for tab in (here, there)] == ["done", "done"]
    assert here.texts[key] == there.texts[key] == TEXT


def _is_followed(tab: Tab, key: str) -> bool:
    """Attach; whether anything comes behind the snapshot."""
    tab.send("attach", generationId=key, after=None)
    tab.until(lambda frame: frame["type"] == "snapshot")
    return tab.read(0.5) is not None


def test_without_redis_another_process_stops_an_answer_through_the_store(
    environment, start, open_tab, paced
):
    alice, here, there = two_processes(start, open_tab, environment)
    key = here.ask("one")["generationId"]
    here.until(lambda frame: frame["type"] == "delta")

    there.send("stop", generationId=key)

    assert here.until_ended(key) == "stopped"
    assert TEXT.startswith(here.texts[key])
    assert answer_in(alice, "one")["content"] == here.texts[key]


def test_what_redis_heard_of_a_killed_process_is_kept(environment, start, open_tab, valkey, paced):
    settings = with_redis(environment, valkey)
    alice, tab, there = two_processes(start, open_tab, settings)
    key = tab.ask("one")["generationId"]
    there.send("attach", generationId=key, after=0)
    there.until(lambda frame: frame["type"] == "delta" and len(there.texts[key]) > 500)

    alice.server.stop(signal.SIGKILL)
    # What was on its way when the process ended.
    while there.read(1) is not None:
        pass
    heard = there.texts[key]
    alice.server.start()

    assert there.until_ended(key) == "interrupted"
    assert answer_in(alice, "one")["content"] == heard
