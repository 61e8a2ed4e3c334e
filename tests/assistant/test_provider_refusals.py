"""What a provider's status and headers mean: what is told, and whether it is asked again."""

import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from assistant import engine
from assistant.events import Failed, Finished, Retrying
from assistant.providers.errors import ProviderFault, RateLimited, in_words, retry_after_seconds
from tests.assistant.asking import (
    ADAPTERS,
    ADDRESS,
    FAULT,
    NETWORK,
    OVERLOADED,
    TIMEOUT,
    adapter,
    events_of,
    text_of,
)
from tests.fakes.bodies import BODIES, whole
from tests.fakes.ports import free_port
from tests.fakes.scripted import nobody_accepts, respond, scripted

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def _no_pause(monkeypatch):
    monkeypatch.setattr(engine, "SHORTEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(engine, "JITTER_SECONDS", 0.0)


def refusal(status: str, headers: str = ""):
    return respond(b"{}", status=status, headers=headers, content_type="application/json")


def limited(advice: str, retry_after: float | None) -> Failed:
    message = f"Acme AI is receiving too many requests from us. {advice}"
    return Failed("rate_limited", message, retryable=True, retry_after=retry_after)


def overloaded(advice: str, retry_after: float) -> Failed:
    message = f"Acme AI is overloaded at the moment. {advice}"
    return Failed("overloaded", message, retryable=True, retry_after=retry_after)


STATUSES = [
    # Nobody knows how long it lasts, and each request may make it longer.
    ("429 Too Many", "", limited("Try again in a moment.", None), 1),
    ("429 Too Many", "Retry-After: 0\r\n", limited("Try again in 1 second.", 0.0), 2),
    ("429 Too Many", "Retry-After: -5\r\n", limited("Try again in 1 second.", 0.0), 2),
    ("429 Too Many", "Retry-After: 11\r\n", limited("Try again in 11 seconds.", 11.0), 1),
    ("429 Too Many", "Retry-After: 600\r\n", limited("Try again in 10 minutes.", 600.0), 1),
    ("429 Too Many", "Retry-After: 9999999\r\n", limited("Try again in 24 hours.", 86400.0), 1),
    ("429 Too Many", "Retry-After: soon\r\n", limited("Try again in a moment.", None), 1),
    ("429 Too Many", "Retry-After: inf\r\n", limited("Try again in a moment.", None), 1),
    # A date that has passed
    (
        "429 Too Many",
        "Retry-After: Tue, 03 Nov 2026 12:00:00 GMT\r\n",
        limited("Try again in 1 second.", 0.0),
        2,
    ),
    ("503 Away", "", OVERLOADED, 2),
    ("503 Away", "Retry-After: 120\r\n", overloaded("Try again in 2 minutes.", 120.0), 1),
    ("529 Overloaded", "", OVERLOADED, 2),
    ("500 Fault", "", FAULT, 2),
    ("502 Bad Gateway", "", FAULT, 2),
    # Cloudflare's, when the server behind it is away
    ("521 Down", "", FAULT, 2),
    ("504 Gateway Timeout", "", TIMEOUT, 1),
    ("301 Moved", "Location: http://127.0.0.1:9/\r\n", ADDRESS, 1),
    ("307 Elsewhere", "Location: http://127.0.0.1:9/\r\n", ADDRESS, 1),
    ("404 Not Found", "", ADDRESS, 1),
]


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize(("status", "headers", "ending", "asked"), STATUSES)
async def test_a_status_is_told_and_what_passes_is_asked_again_once(
    name, status, headers, ending, asked
):
    async with scripted(refusal(status, headers)) as server:
        one = adapter(name, server.url)

        events = await events_of(one)

        assert events[-1] == ending
        assert len(events) == asked
        assert server.asked == asked
        # A refusal is read whole, so its connection is kept.
        assert server.connections == 1
        await one.close()


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("status", ["401 No", "403 No"])
async def test_a_wrong_key_is_not_tried_twice(name, status):
    async with scripted(refusal(status)) as server:
        one = adapter(name, server.url)

        (ending,) = await events_of(one)

        assert ending == Failed(
            "wrong_key",
            "Acme AI did not accept the API key. An administrator has to check the key.",
            retryable=False,
        )
        assert server.asked == 1
        await one.close()


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("name", ADAPTERS)
async def test_a_second_try_that_succeeds_is_an_answer_like_any_other(name):
    body = BODIES[name]
    async with scripted(refusal("503 Away"), respond(whole(body, "Yes."))) as server:
        one = adapter(name, server.url)

        first, *rest = await events_of(one)

        # The rounded-up least is a second; no pause is the test's.
        assert first == Retrying(
            "Acme AI is overloaded at the moment. Asking again in 1 second.", 0.0
        )
        assert text_of(rest) == "Yes."
        assert rest[-1] == Finished("stop")
        await one.close()


@pytest.mark.parametrize("name", ADAPTERS)
async def test_no_key_and_no_question_go_where_a_redirect_points(name):
    async with (
        scripted(respond(b"")) as elsewhere,
        scripted(refusal("307 Elsewhere", f"Location: {elsewhere.url}/\r\n")) as server,
    ):
        one = adapter(name, server.url)

        await events_of(one)

        assert b"sk-test" in server.heads[0]
        assert elsewhere.asked == 0
        await one.close()


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("name", ADAPTERS)
async def test_a_refused_connection_is_tried_twice(name):
    one = adapter(name, f"http://127.0.0.1:{free_port()}")

    events = await events_of(one)

    assert events == [
        Retrying("The connection to Acme AI failed. Asking again in 1 second.", 0.0),
        NETWORK,
    ]
    await one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue drops connections on Linux")
@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("name", ADAPTERS)
async def test_a_connection_that_is_never_made_is_a_broken_network_and_no_silence(
    name, monkeypatch
):
    monkeypatch.setattr("assistant.providers.wire.CONNECT_SECONDS", 0.1)
    with nobody_accepts() as port:
        one = adapter(name, f"http://127.0.0.1:{port}")

        events = await events_of(one)

        assert [type(event) for event in events] == [Retrying, Failed]
        assert events[-1] == NETWORK
        await one.close()


def test_a_date_is_seconds_from_now():
    at = format_datetime(NOW + timedelta(seconds=90), usegmt=True)

    assert retry_after_seconds({"retry-after": at}, NOW) == 90.0


@pytest.mark.parametrize(
    ("error", "shortest", "longest"),
    [
        (ProviderFault("Acme AI"), 0.5, 1.5),
        (ProviderFault("Acme AI", retry_after=0.0), 0.5, 1.5),
        # Never before the time that was said
        (RateLimited("Acme AI", retry_after=10.0), 10.0, 11.0),
    ],
)
def test_the_pause_before_the_second_try_differs_from_answer_to_answer(error, shortest, longest):
    pauses = {engine.pause_before_retry(error) for _ in range(100)}

    assert len(pauses) > 1
    assert shortest <= min(pauses)
    assert max(pauses) <= longest


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 second"),
        (1.4, "1 second"),
        (20.0, "20 seconds"),
        (90.0, "90 seconds"),
        (91.0, "2 minutes"),
        (5400.0, "90 minutes"),
        (5401.0, "2 hours"),
    ],
)
def test_a_time_to_wait_in_words(seconds, words):
    assert in_words(seconds) == words
