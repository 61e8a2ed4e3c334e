"""Redis never there, killed, hung, back and empty: everything goes on, and nobody waits."""

import json
import signal
from itertools import count

import pytest

from tests.degradation.steps import PATHS, Answer, Person, wait_until
from tests.fakes.ports import free_port

# No request may take longer than this, in seconds, because of Redis.
LONGER = 0.5
# A busy machine's own.
NOISE = 0.5
# Longer than the breaker leaves Redis alone.
BACK = 20.0
# No two writes are the same.
_titles = count()


@pytest.fixture
def alice(serve, valkey) -> Person:
    return serve(REDIS_URL=f"redis://127.0.0.1:{valkey.port}/0")


def go_round(person: Person) -> list[Answer]:
    """What a person does that uses the cache, and what does not."""
    return [
        *(person.get(path) for path in PATHS),
        Person(person.server).log_in(),
        person.get("/readyz"),
        *person.write_and_read(str(next(_titles))),
        *(person.get(path) for path in PATHS),
    ]


def assert_nothing_is_missed(before: list[Answer], answers: list[Answer]) -> None:
    assert [each.status for each in answers] == [each.status for each in before]
    for usual, answer in zip(before, answers, strict=True):
        assert answer.seconds < usual.seconds + LONGER + NOISE


def cache_of(person: Person) -> str:
    return str(json.loads(person.get("/readyz").text)["cache"])


def warnings(person: Person) -> list[str]:
    return [line.split(": ", 1)[1] for line in person.server.said().splitlines() if "Redis" in line]


def test_a_redis_that_was_never_there_is_told_once(serve):
    alice = serve(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

    answers = go_round(alice) + go_round(alice)

    assert {answer.status for answer in answers} == {200, 201, 302}
    assert cache_of(alice) == "away"
    assert warnings(alice) == ["Redis is away (ConnectionError); using the cache of this process."]


def test_without_a_redis_url_there_is_one_warning_at_the_start(serve):
    alice = serve()

    go_round(alice)

    assert cache_of(alice) == "in-process"
    assert len(warnings(alice)) == 1
    assert warnings(alice)[0].startswith("Redis URL not configured")
    assert "WARNING chatcore.cache: Redis URL not configured" in alice.server.said()


@pytest.mark.parametrize(
    ("kind", "error"), [(signal.SIGKILL, "ConnectionError"), (signal.SIGSTOP, "TimeoutError")]
)
def test_a_redis_that_goes_away_is_not_missed(kind, error, alice, valkey):
    before = go_round(alice)
    assert cache_of(alice) == "ok"

    valkey._process.send_signal(kind)
    answers = [go_round(alice) for _ in range(2)]

    for each in answers:
        assert_nothing_is_missed(before, each)
    assert cache_of(alice) == "away"
    assert warnings(alice) == [f"Redis is away ({error}); using the cache of this process."]


def test_a_redis_that_hung_is_used_again(alice, valkey):
    before = go_round(alice)
    valkey._process.send_signal(signal.SIGSTOP)
    go_round(alice)

    valkey._process.send_signal(signal.SIGCONT)
    wait_until(lambda: cache_of(alice) == "ok", BACK)

    assert_nothing_is_missed(before, go_round(alice))
    assert [each.split(" (")[0] for each in warnings(alice)] == ["Redis is away", "Redis is back."]


def test_a_redis_that_comes_back_empty_is_used_again_and_open_pages_are_told(
    alice, valkey, open_tab
):
    tab = open_tab(alice)
    assert tab.until_services() == []
    before = go_round(alice)
    valkey._process.kill()
    valkey.stop()
    go_round(alice)
    (trouble,) = tab.until_services()
    assert (trouble["name"], trouble["state"]) == ("redis", "away")

    valkey.start()
    wait_until(lambda: cache_of(alice) == "ok", BACK)

    assert tab.until_services() == []
    assert_nothing_is_missed(before, go_round(alice))
    assert [each.split(" (")[0] for each in warnings(alice)] == ["Redis is away", "Redis is back."]
    assert "Traceback" not in alice.server.said()
