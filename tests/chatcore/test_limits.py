"""The limits: what counts, what is told, and for whom. On the cache of one process."""

from dataclasses import replace

import pytest
from django.http import HttpResponse
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from chatcore import limits
from chatcore.env import Rate
from chatcore.errors import TooManyRequests
from chatcore.limits import Usage
from tests.at_once import at_once


@pytest.fixture(autouse=True)
def _held_clock(time_machine):
    """No window ends in the middle of a test."""
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)


@pytest.fixture
def three_a_minute(settings):
    settings.ASSISTANT_LIMIT = settings.API_WRITE_LIMIT = Rate(3, 60)


def test_exactly_the_limit_passes():
    usages = [limits.assistant("bob") for _ in range(22)]

    assert [usage.exceeded for usage in usages] == [False] * 20 + [True] * 2
    assert [usage.remaining for usage in usages] == [*range(19, -1, -1), 0, 0]
    assert {usage.limit for usage in usages} == {20}


def test_exactly_the_limit_passes_when_fifty_come_at_once():
    exceeded: list[bool] = []

    at_once(50, lambda _number: exceeded.append(limits.assistant("bob").exceeded))

    assert (exceeded.count(False), exceeded.count(True)) == (20, 30)


@pytest.mark.parametrize("key", [f"user-{n}" for n in range(10)])
def test_whoever_waits_as_long_as_told_passes_and_a_second_less_is_too_early(
    key, three_a_minute, time_machine
):
    refused = [limits.assistant(key) for _ in range(4)][-1]

    assert refused.exceeded
    assert 1 <= refused.retry_after <= 60
    time_machine.shift(refused.retry_after - 1)
    assert limits.assistant(key).retry_after == 1
    assert limits.assistant(key).exceeded
    time_machine.shift(1)
    assert limits.assistant(key) == Usage(limit=3, remaining=2, reset=60, exceeded=False)


def test_a_window_of_one_second(settings, time_machine):
    settings.ASSISTANT_LIMIT = Rate(1, 1)

    assert limits.assistant("bob") == Usage(limit=1, remaining=0, reset=1, exceeded=False)
    assert limits.assistant("bob") == Usage(limit=1, remaining=0, reset=1, exceeded=True)
    time_machine.shift(1)
    assert not limits.assistant("bob").exceeded


def test_each_limit_counts_for_itself_and_for_each_key(three_a_minute):
    used_up = [limits.assistant("bob") for _ in range(4)]

    assert used_up[-1].exceeded
    assert limits.assistant("dave").remaining == 2
    assert limits.api_writes("bob").remaining == 2
    assert limits.rocketreach("bob") == replace(
        limits.rocketreach("acme"), reset=limits.rocketreach("bob").reset
    )


def test_a_limit_that_is_off_counts_nothing(settings):
    settings.ASSISTANT_LIMIT = None

    usage = limits.assistant("bob")

    assert usage == limits.UNLIMITED
    assert usage.headers() == {}


def test_the_headers_say_where_a_caller_stands():
    good = Usage(limit=20, remaining=3, reset=42, exceeded=False)

    assert good.headers() == {
        "RateLimit-Limit": "20",
        "RateLimit-Remaining": "3",
        "RateLimit-Reset": "42",
    }
    assert replace(good, remaining=0, exceeded=True).headers() == {
        "RateLimit-Limit": "20",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "42",
        "Retry-After": "42",
    }


def test_a_count_that_outlived_its_window_tells_no_negative_wait(monkeypatch):
    found = {"count": 21, "limit": 20, "should_limit": True, "time_left": -3}
    monkeypatch.setattr(limits, "get_usage", lambda *_args, **_kwargs: found)

    assert limits.assistant("bob") == Usage(limit=20, remaining=0, reset=1, exceeded=True)


def test_a_cache_that_never_counts_refuses_nobody_but_log_ins(monkeypatch):
    found = {"count": 0, "limit": 0, "should_limit": True, "time_left": -1}
    monkeypatch.setattr(limits, "get_usage", lambda *_args, **_kwargs: found)

    assert not limits.assistant("bob").exceeded
    assert limits.count_login_attempt("bob@acme.example", "203.0.113.9").exceeded


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (60, "60 seconds"),
        (61, "2 minutes"),
        (3600, "60 minutes"),
        (3601, "2 hours"),
    ],
)
def test_a_wait_in_words(seconds, words):
    assert limits.in_words(seconds) == words


@limits.per_user(limits.api_writes)
def view(_request, text="done"):
    return HttpResponse(text)


class View(APIView):
    @limits.per_user(limits.api_writes)
    def post(self, _request, text="done"):
        return Response({"text": text})


def test_a_view_tells_where_its_caller_stands_until_it_refuses(rf, bob, three_a_minute):
    request = rf.post("/")
    request.user = bob

    answers = [view(request, text="as asked") for _ in range(3)]
    with pytest.raises(TooManyRequests) as refused:
        view(request)

    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0"]
    assert answers[0].content == b"as asked"
    assert "Retry-After" not in answers[-1]
    wait = refused.value.headers["Retry-After"]
    assert refused.value.headers == {
        "RateLimit-Limit": "3",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": wait,
        "Retry-After": wait,
    }
    assert str(refused.value) == f"Too many requests. Try again in {limits.in_words(int(wait))}."


def test_a_method_of_rest_frameworks_views_is_limited_as_well(bob, dave, three_a_minute):
    def call(user):
        request = APIRequestFactory().post("/")
        force_authenticate(request, user)
        return View.as_view(authentication_classes=[])(request, text="as asked")

    answers = [call(bob) for _ in range(3)]

    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0"]
    assert answers[0].data == {"text": "as asked"}
    refused = call(bob)
    wait = refused["Retry-After"]
    assert refused.status_code == 429
    assert refused.data == {
        "error": {
            "code": "rate_limited",
            "message": f"Too many requests. Try again in {limits.in_words(int(wait))}.",
        }
    }
    assert (refused["RateLimit-Remaining"], refused["RateLimit-Reset"]) == ("0", wait)
    assert call(dave)["RateLimit-Remaining"] == "2"


def test_a_view_whose_limit_is_off_has_no_headers(rf, bob, settings):
    settings.API_WRITE_LIMIT = None
    request = rf.post("/")
    request.user = bob

    assert "RateLimit-Limit" not in view(request)
