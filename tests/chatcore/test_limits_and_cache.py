"""The cache on a real Valkey: there, killed, hung and back; and the counting on top of it."""

import logging
import os
import signal
import time

import pytest
from django.core.cache import caches

from chatcore import cache as cache_module
from chatcore import limits
from chatcore.cache import ResilientRedisCache, redis_breaker
from tests.at_once import at_once

pytestmark = pytest.mark.valkey

PAUSE = 0.3
# Far above what a call may take and far below what the library's own timeouts would cost (5 s).
A_WAIT = 2.0


@pytest.fixture
def redis_cache(valkey, settings, monkeypatch):
    """The product's cache as `caches["default"]`, with a breaker that opens for PAUSE seconds."""
    url = f"redis://127.0.0.1:{valkey.port}/0"
    monkeypatch.setattr(cache_module, "_breakers", {url: redis_breaker(PAUSE)})
    settings.CACHES = {
        "default": {
            "BACKEND": "chatcore.cache.ResilientRedisCache",
            "LOCATION": url,
            "KEY_PREFIX": "chatcore",
        }
    }
    return caches["default"]


def pid_of(valkey) -> int:
    return valkey._process.pid


def longest(call, times=20) -> float:
    """The slowest of some calls, in seconds."""
    slowest = 0.0
    for _ in range(times):
        begun = time.perf_counter()
        call()
        slowest = max(slowest, time.perf_counter() - begun)
    return slowest


def test_every_operation_reaches_redis(redis_cache):
    redis_cache.set("a", {"text": "ü", "n": 1}, 60)
    redis_cache.set_many({"b": 2, "c": 3}, 60)

    assert redis_cache.get("a") == {"text": "ü", "n": 1}
    assert redis_cache.get_many(["b", "c", "d"]) == {"b": 2, "c": 3}
    assert redis_cache.get("d", "default") == "default"
    assert redis_cache.incr("b") == 3
    assert (redis_cache.add("b", 1), redis_cache.add("e", 1)) == (False, True)
    assert redis_cache.touch("a", 60)
    assert redis_cache.has_key("a")
    assert redis_cache.delete("a")
    assert redis_cache.get("a") is None
    with pytest.raises(ValueError, match="not found"):
        redis_cache.incr("nothing")


def test_without_redis_the_cache_of_the_process_takes_over(redis_cache, valkey, caplog):
    redis_cache.set("a", "in redis", 60)
    valkey.stop()

    with caplog.at_level(logging.WARNING, "chatcore.cache"):
        assert redis_cache.get("a") is None
        redis_cache.set("b", "here", 60)
        assert redis_cache.get("b") == "here"
        assert longest(lambda: redis_cache.get("b")) < A_WAIT

    assert len(caplog.records) == 1
    assert "Redis is away" in caplog.text


def test_a_redis_that_hangs_costs_one_call(redis_cache, valkey, caplog):
    redis_cache.set("a", 1, 60)
    os.kill(pid_of(valkey), signal.SIGSTOP)
    try:
        with caplog.at_level(logging.WARNING, "chatcore.cache"):
            first = longest(lambda: redis_cache.get("a"), times=1)
            later = longest(lambda: redis_cache.get("a"), times=20)
    finally:
        os.kill(pid_of(valkey), signal.SIGCONT)

    # Once the 0.3 seconds of one answer, then nothing; without the breaker 20 times as much.
    assert first < A_WAIT
    assert later < first
    assert len(caplog.records) == 1


def test_redis_is_used_again_when_it_is_back(redis_cache, valkey, caplog):
    redis_cache.set("a", "kept", 60)

    with caplog.at_level(logging.WARNING, "chatcore.cache"):
        os.kill(pid_of(valkey), signal.SIGSTOP)
        redis_cache.get("a")
        os.kill(pid_of(valkey), signal.SIGCONT)
        deadline = time.monotonic() + 5
        while redis_cache.get("a") != "kept" and time.monotonic() < deadline:
            time.sleep(0.05)

    assert redis_cache.get("a") == "kept"
    assert [record.message for record in caplog.records] == [
        "Redis is away (TimeoutError); using the cache of this process.",
        "Redis is back.",
    ]


def test_the_login_lock_counts_in_redis_and_goes_on_without_it(redis_cache, valkey):
    def attempt() -> bool:
        return limits.count_login_attempt("bob@acme.example", "203.0.113.9").exceeded

    assert [attempt() for _ in range(7)] == [False] * 5 + [True] * 2
    valkey.stop()
    assert [attempt() for _ in range(7)] == [False] * 5 + [True] * 2


def test_a_success_forgets_the_attempts_in_redis(redis_cache):
    for _ in range(6):
        limits.count_login_attempt("bob@acme.example", "203.0.113.9")

    limits.forget_login_attempts("bob@acme.example", "203.0.113.9")

    assert not limits.count_login_attempt("bob@acme.example", "203.0.113.9").exceeded


@pytest.fixture
def patient(monkeypatch):
    """Fifty threads on a busy machine may wait longer for Redis than the product does."""
    for name in ("SOCKET_CONNECT_TIMEOUT", "SOCKET_TIMEOUT"):
        monkeypatch.setitem(cache_module.CLIENT_OPTIONS, name, 20)


@pytest.mark.usefixtures("patient", "redis_cache")
def test_exactly_the_limit_passes_when_fifty_come_at_once(time_machine):
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)
    exceeded: list[bool] = []

    at_once(50, lambda _number: exceeded.append(limits.assistant("bob").exceeded))

    assert not caches["default"].is_away
    assert (exceeded.count(False), exceeded.count(True)) == (20, 30)


@pytest.mark.parametrize(("fallback", "passes"), [("local", 20), ("open", 25)])
def test_while_redis_is_away_the_process_counts_or_all_but_log_ins_pass(
    fallback, passes, redis_cache, valkey, settings, time_machine
):
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)
    settings.RATELIMIT_FALLBACK = fallback
    assert [limits.assistant("bob").exceeded for _ in range(25)].count(False) == 20
    valkey.stop()

    usages = [limits.assistant("bob") for _ in range(25)]

    assert redis_cache.is_away
    assert [usage.exceeded for usage in usages].count(False) == passes
    assert usages[-1].remaining == 0
    attempts = [limits.count_login_attempt("bob@acme.example", "203.0.113.9") for _ in range(7)]
    assert [attempt.exceeded for attempt in attempts] == [False] * 5 + [True] * 2


def test_the_count_in_redis_goes_on_when_it_is_back(redis_cache, valkey, settings, time_machine):
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)
    settings.RATELIMIT_FALLBACK = "open"
    for _ in range(21):
        limits.assistant("bob")
    os.kill(pid_of(valkey), signal.SIGSTOP)
    assert not limits.assistant("bob").exceeded
    os.kill(pid_of(valkey), signal.SIGCONT)

    deadline = time.monotonic() + 5
    while not limits.assistant("bob").exceeded and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not redis_cache.is_away
    assert limits.assistant("bob").exceeded


@pytest.fixture
def between_the_steps(monkeypatch):
    """Lets something happen once between `add` and `incr`, the two steps of a count."""

    def arrange(event) -> None:
        original = ResilientRedisCache.add

        def add(self, *args, **kwargs):
            added = original(self, *args, **kwargs)
            monkeypatch.setattr(ResilientRedisCache, "add", original)
            event()
            return added

        monkeypatch.setattr(ResilientRedisCache, "add", add)

    return arrange


@pytest.mark.parametrize(
    "count", [limits.assistant, lambda key: limits.count_login_attempt(key, "203.0.113.9")]
)
def test_nobody_is_refused_because_redis_went_in_the_middle_of_a_count(
    count, redis_cache, valkey, between_the_steps, time_machine
):
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)
    first = count("bob")
    between_the_steps(valkey.stop)

    usage = count("bob")

    assert redis_cache.is_away
    assert usage == first


def test_nobody_is_refused_because_redis_was_emptied_in_the_middle_of_a_count(
    redis_cache, between_the_steps, time_machine
):
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)
    first = limits.assistant("bob")
    between_the_steps(redis_cache.clear)

    assert limits.assistant("bob") == first
    assert limits.assistant("bob").remaining == first.remaining - 1


def test_the_password_of_redis_does_not_reach_the_log(settings, monkeypatch, caplog):
    url = "redis://:hunter2@127.0.0.1:9/0"
    monkeypatch.setattr(cache_module, "_breakers", {})

    with caplog.at_level(logging.DEBUG):
        cache = cache_module.ResilientRedisCache(url, {})
        assert cache.get("a") is None

    assert "hunter2" not in caplog.text
    assert "Redis is away" in caplog.text
