"""Who is told that a provider or Redis is away, and when it is over."""

from datetime import UTC, datetime, timedelta

import pytest

from assistant.providers.demo import DemoProvider
from assistant.services import REDIS_AWAY, REMEMBERED, Services
from chatcore import cache

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
URL = "redis://127.0.0.1:1/0"


class Provider(DemoProvider):
    def __init__(self, name: str, label: str) -> None:
        super().__init__()
        self.name, self.label = name, label


OPENAI, ANTHROPIC = Provider("openai", "OpenAI"), Provider("anthropic", "Anthropic")
OPENAI_AWAY = {
    "name": "openai",
    "label": "OpenAI",
    "state": "away",
    "since": "2026-11-28T09:00:00+00:00",
}


def after(**passed: float) -> datetime:
    return NOW + timedelta(**passed)


@pytest.fixture
def services() -> Services:
    return Services()


def fail(services: Services, *seconds: float, code: str = "network", provider=OPENAI) -> None:
    for each in seconds:
        services.failed(provider, code, after(seconds=each))


def test_a_provider_is_away_after_three_calls_that_brought_nothing(services):
    fail(services, 0, 20)
    assert services.troubles(after(seconds=20)) == []

    fail(services, 40)

    assert services.troubles(after(seconds=40)) == [OPENAI_AWAY]


@pytest.mark.parametrize("code", ["network", "timeout", "overloaded", "provider_fault"])
def test_each_failure_of_the_provider_itself_counts(services, code):
    fail(services, 0, 1, 2, code=code)

    assert services.troubles(after(seconds=2)) == [OPENAI_AWAY]


@pytest.mark.parametrize(
    "code",
    [
        *("rate_limited", "no_credit", "context_too_long", "refused", "unknown_model"),
        *("wrong_address", "bad_request", "unreadable", "too_long", "deadline"),
        *("budget_exceeded", "internal", ""),
    ],
)
def test_what_is_about_the_request_or_the_settings_does_not_count(services, code):
    fail(services, 0, 1, 2, 3, code=code)

    assert services.troubles(after(seconds=3)) == []


def test_a_first_piece_is_enough_to_be_back(services):
    fail(services, 0, 1, 2)

    services.answered(OPENAI)

    assert services.troubles(after(seconds=2)) == []
    fail(services, 3, 4)
    assert services.troubles(after(seconds=4)) == []


def test_failures_that_are_far_apart_are_not_one_outage(services):
    fail(services, 0, 200, 400)

    assert services.troubles(after(seconds=400)) == []


def test_an_outage_is_forgotten_when_nobody_has_asked_for_minutes(services):
    fail(services, 0, 1, 2)
    fail(services, 200)

    assert services.troubles(after(seconds=200) + REMEMBERED) == [OPENAI_AWAY]
    assert services.troubles(after(seconds=201) + REMEMBERED) == []
    # And begins anew, with a beginning of its own.
    fail(services, 600, 601)
    assert services.troubles(after(seconds=601)) == []
    fail(services, 602)
    (again,) = services.troubles(after(seconds=602))
    assert again["since"] == "2026-11-28T09:10:00+00:00"


def test_one_provider_says_nothing_of_another(services):
    fail(services, 0, 1)
    fail(services, 2, provider=ANTHROPIC)
    services.answered(ANTHROPIC)

    fail(services, 3)

    assert services.troubles(after(seconds=3)) == [OPENAI_AWAY]


def test_a_key_that_is_refused_is_told_at_once_and_is_not_an_outage(services):
    fail(services, 0, 1)
    fail(services, 2, code="wrong_key")
    fail(services, 3, code="wrong_key")

    (trouble,) = services.troubles(after(seconds=3))

    assert trouble == {
        **OPENAI_AWAY,
        "state": "key_refused",
        "since": "2026-11-28T09:00:02+00:00",
    }
    services.answered(OPENAI)
    assert services.troubles(after(seconds=3)) == []


def test_redis_is_away_when_a_second_try_has_failed_too(services, settings, monkeypatch):
    settings.REDIS_URL = URL
    breaker = cache.redis_breaker()
    monkeypatch.setattr(cache, "_breakers", {URL: breaker})
    assert services.troubles(NOW) == []

    breaker.failed(ConnectionError())

    since = breaker.away_since
    assert since is not None
    assert services.troubles(since + REDIS_AWAY - timedelta(milliseconds=1)) == []
    away = services.troubles(since + REDIS_AWAY)
    assert away == [
        {"name": "redis", "label": "Redis", "state": "away", "since": since.isoformat()}
    ]
    # It fails again, and is away since it first did.
    breaker.failed(ConnectionError())
    assert services.troubles(since + 2 * REDIS_AWAY) == away
    breaker.answered()
    assert services.troubles(since + 2 * REDIS_AWAY) == []


def test_providers_come_before_redis(services, settings, monkeypatch):
    settings.REDIS_URL = URL
    breaker = cache.redis_breaker()
    monkeypatch.setattr(cache, "_breakers", {URL: breaker})
    breaker.failed(ConnectionError())
    assert breaker.away_since is not None
    now = breaker.away_since + REDIS_AWAY

    for _ in range(3):
        services.failed(OPENAI, "timeout", now)

    assert [each["name"] for each in services.troubles(now)] == ["openai", "redis"]


def test_without_a_redis_url_nothing_is_said_of_it(services, settings):
    settings.REDIS_URL = ""

    assert services.troubles(NOW) == []
