"""A person's own usage: exact sums, exact windows, and nothing of anybody else."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client

from accounts.models import User
from analytics import personal, prices, recording
from analytics.cache import USAGE_SECONDS, usage_key, usage_version
from analytics.entries import NO_TOKENS, TokenCounts
from analytics.models import UsageRecord
from chatcore import cache, clock
from chatcore.ids import new_id
from tests.analytics.test_recording import an_entry
from tests.conversations.test_plans import plans_on_sqlite

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/usage"
NOW = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)
UTC_ZONE, KOLKATA = ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")
NOTHING = {"calls": 0, "totalTokens": 0, "costUsd": 0, "unpricedCalls": 0}


def use(user: User, **fields) -> None:
    assert recording.record_usage(an_entry(user, **{"created_at": NOW, **fields}))


def look_up(user: User, endpoint: str, **fields) -> None:
    tool = {"provider": "rocketreach", "model": "", "tokens": NO_TOKENS, "cost_usd": None}
    use(user, **{**tool, "is_paid_in_credits": True, "endpoint": endpoint, **fields})


def get(user: User | None, **query: Any) -> tuple[int, Any]:
    """Status and JSON, its numbers exact."""
    client = Client()
    if user is not None:
        client.force_login(user)
    response = client.get(PATH, query)
    return response.status_code, json.loads(response.content, parse_float=Decimal)


@pytest.fixture
def at_noon(monkeypatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def spend_in(body: dict[str, Any], *names: str) -> list[Any]:
    """The fields that are not nothing of each day."""
    return [(day["day"], *(day[name] for name in names)) for day in body["byDay"] if day["calls"]]


def test_whoever_has_used_nothing_sees_nothing_of_each_day(bob, at_noon):
    status, body = get(bob)

    assert status == 200
    assert (body["period"], body["from"], body["to"]) == (
        "30d",
        "2026-10-29T12:00:30Z",
        "2026-11-28T12:00:30Z",
    )
    assert body["timeZone"] == "UTC"
    assert body["totals"] == NOTHING | {
        "errors": 0,
        "inputTokens": 0,
        "cacheReadTokens": 0,
        "cacheWriteTokens": 0,
        "outputTokens": 0,
        "reasoningTokens": 0,
        "estimatedCalls": 0,
    }
    assert body["byModel"] == []
    assert [day["day"] for day in body["byDay"]] == [
        str(date(2026, 10, 29) + timedelta(days=n)) for n in range(31)
    ]
    assert body["today"] == NOTHING | {"day": "2026-11-28"}
    assert body["tools"] == {
        "rocketReach": {"searches": 0, "lookups": 0, "credits": 0, "creditsSaved": 0}
    }
    assert body["budget"] is None


def test_calls_are_added_up_to_the_last_digit(bob, at_noon):
    tokens = TokenCounts(
        input=10, cache_read=100, cache_write=1_000, cache_write_1h=500, output=7, reasoning=3
    )
    use(bob, tokens=tokens, cost_usd=Decimal("0.0000000001"))
    use(bob, tokens=tokens, cost_usd=Decimal("12.3"))
    use(bob, model="gpt-large", tokens=TokenCounts(input=1), cost_usd=Decimal(20))
    use(bob, tokens=NO_TOKENS, cost_usd=Decimal(0), status="error")

    _, body = get(bob)

    assert body["totals"] == {
        "calls": 4,
        "totalTokens": 2_235,
        "costUsd": Decimal("32.3000000001"),
        "unpricedCalls": 0,
        "errors": 1,
        "inputTokens": 21,
        "cacheReadTokens": 200,
        "cacheWriteTokens": 2_000,
        "outputTokens": 14,
        "reasoningTokens": 6,
        "estimatedCalls": 0,
    }
    assert body["byModel"] == [
        {
            "calls": 1,
            "totalTokens": 1,
            "costUsd": 20,
            "unpricedCalls": 0,
            "provider": "openai",
            "model": "gpt-large",
        },
        {
            "calls": 3,
            "totalTokens": 2_234,
            "costUsd": Decimal("12.3000000001"),
            "unpricedCalls": 0,
            "provider": "openai",
            "model": "gpt-test",
        },
    ]
    assert body["today"]["costUsd"] == Decimal("32.3000000001")


def test_days_are_days_in_utc(bob, at_noon):
    midnight = datetime(2026, 11, 27, tzinfo=UTC)
    use(bob, created_at=midnight - timedelta(milliseconds=1), cost_usd=Decimal(1))
    use(bob, created_at=midnight, cost_usd=Decimal(2))
    use(bob, created_at=midnight + timedelta(hours=23.9), cost_usd=Decimal(3))
    use(bob, cost_usd=Decimal(4))

    _, body = get(bob, period="7d")

    assert len(body["byDay"]) == 8
    assert spend_in(body, "calls", "costUsd") == [
        ("2026-11-26", 1, 1),
        ("2026-11-27", 2, 5),
        ("2026-11-28", 1, 4),
    ]


@pytest.mark.parametrize(
    ("period", "hours", "days"), [("24h", 24, 2), ("7d", 7 * 24, 8), ("30d", 30 * 24, 31)]
)
def test_a_window_is_exact_to_the_millisecond(bob, at_noon, period, hours, days):
    start = NOW - timedelta(hours=hours)
    use(bob, created_at=start - timedelta(milliseconds=1), cost_usd=Decimal(100))
    use(bob, created_at=start, cost_usd=Decimal(1))
    use(bob, created_at=NOW, cost_usd=Decimal(2))

    _, body = get(bob, period=period)

    assert body["from"] == f"{start:%Y-%m-%dT%H:%M:%S}Z"
    assert (body["totals"]["calls"], body["totals"]["costUsd"]) == (2, 3)
    assert len(body["byDay"]) == days
    assert spend_in(body, "calls") == [(f"{start:%Y-%m-%d}", 1), ("2026-11-28", 1)]


# Where November begins there. In St John's clocks change on its first day.
@pytest.mark.parametrize(
    ("zone", "month"),
    [
        ("UTC", "2026-11-01T00:00:00Z"),
        ("Asia/Kolkata", "2026-10-31T18:30:00Z"),
        ("Asia/Kathmandu", "2026-10-31T18:15:00Z"),
        ("America/St_Johns", "2026-11-01T02:30:00Z"),
        ("Europe/Berlin", "2026-10-31T23:00:00Z"),
    ],
)
def test_a_month_is_that_of_the_time_zone_to_the_millisecond(bob, at_noon, zone, month):
    start = datetime.fromisoformat(month)
    use(bob, created_at=start - timedelta(milliseconds=1), cost_usd=Decimal(100))
    use(bob, created_at=start, cost_usd=Decimal(1))
    use(bob, created_at=start + timedelta(hours=26), cost_usd=Decimal(2))

    _, body = get(bob, period="month", tz=zone)

    assert (body["period"], body["timeZone"], body["from"]) == ("month", zone, month)
    assert (body["totals"]["calls"], body["totals"]["costUsd"]) == (2, 3)
    assert [body["byDay"][n]["day"] for n in (0, -1)] == ["2026-11-01", "2026-11-28"]
    assert spend_in(body, "costUsd") == [("2026-11-01", 1), ("2026-11-02", 2)]


def test_a_day_of_25_hours_is_a_day(bob, monkeypatch):
    """Berlin, 25 October 2026: from 22:00 in UTC to 23:00 on the next day."""
    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: begin + timedelta(hours=26))
    for hours in (0, 24.9, 25):
        use(bob, created_at=begin + timedelta(hours=hours))

    _, body = get(bob, period="month", tz="Europe/Berlin")

    assert spend_in(body, "calls") == [("2026-10-25", 2), ("2026-10-26", 1)]


def test_at_the_edge_of_the_month_today_is_all_of_it(bob, monkeypatch):
    """In Kolkata December begins at half past six of 30 November."""
    edge = datetime(2026, 11, 30, 18, 30, tzinfo=UTC)
    use(bob, created_at=edge - timedelta(minutes=1))
    shown = []
    for now in (edge - timedelta(milliseconds=1), edge):
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        body = get(bob, period="month", tz="Asia/Kolkata")[1]
        shown.append((body["today"]["day"], body["totals"]["calls"], len(body["byDay"])))

    assert shown == [("2026-11-30", 1, 30), ("2026-12-01", 0, 1)]


def test_two_time_zones_are_not_mixed_up(bob, at_noon):
    use(bob, created_at=datetime(2026, 10, 31, 20, tzinfo=UTC))

    calls = [
        get(bob, period="month", tz=zone)[1]["totals"]["calls"] for zone in ("UTC", "Asia/Kolkata")
    ]

    assert calls == [0, 1]


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Europe"])
def test_a_wrong_time_zone_is_told(bob, zone):
    status, body = get(bob, tz=zone)

    assert (status, body["error"]["fields"]) == (
        400,
        {"tz": "is the name of a time zone, such as Europe/Berlin."},
    )


def test_a_row_of_a_host_whose_clock_is_ahead_is_of_today(bob):
    use(bob, created_at=NOW.replace(hour=23, minute=59) + timedelta(minutes=2))

    found = personal.statistics(bob.pk, "24h", NOW.replace(hour=23, minute=59), UTC_ZONE)

    assert (found.totals.calls, found.today.calls, len(found.by_day)) == (1, 1, 2)


def test_an_adjustment_counts_with_its_row(bob, at_noon):
    call = new_id()
    yesterday = NOW - timedelta(days=1)
    estimated = TokenCounts(input=8, output=2)
    use(bob, id=call, created_at=yesterday, tokens=estimated, usage_source="estimated")
    assert get(bob)[1]["totals"]["estimatedCalls"] == 1

    use(bob, id=call, created_at=yesterday, cost_usd=Decimal("0.005"))

    _, body = get(bob)
    assert UsageRecord.objects.count() == 2
    totals = body["totals"]
    assert (totals["calls"], totals["estimatedCalls"], totals["totalTokens"]) == (1, 0, 15)
    assert spend_in(body, "calls", "costUsd") == [("2026-11-27", 1, Decimal("0.005"))]


@pytest.fixture
def unpriced(monkeypatch) -> None:
    """Nobody knows a price."""
    monkeypatch.setattr(prices, "price_of", lambda *_args, **_named: prices.UNPRICED)


def test_what_nobody_knows_the_price_of_is_not_free(bob, at_noon, unpriced):
    use(bob, model="local", cost_usd=None)
    unknown = get(bob)[1]
    use(bob, cost_usd=Decimal("0.5"))
    partly = get(bob)[1]

    assert (unknown["totals"]["costUsd"], unknown["totals"]["unpricedCalls"]) == (None, 1)
    assert unknown["byModel"][0]["costUsd"] is None
    assert unknown["today"]["costUsd"] is None
    assert (partly["totals"]["costUsd"], partly["totals"]["unpricedCalls"]) == (Decimal("0.5"), 1)
    assert [(each["model"], each["costUsd"]) for each in partly["byModel"]] == [
        ("gpt-test", Decimal("0.5")),
        ("local", None),
    ]


def test_a_price_that_is_set_later_makes_it_known(bob, at_noon, unpriced):
    use(bob, cost_usd=None)
    row = UsageRecord.objects.get()
    priced = UsageRecord(cost_usd=Decimal("0.25"), price_source="override", unpriced_calls=0)
    assert get(bob)[1]["totals"]["costUsd"] is None

    recording.append([recording.adjustment(row, priced, new_id())])

    totals = get(bob)[1]["totals"]
    assert (totals["calls"], totals["costUsd"], totals["unpricedCalls"]) == (1, Decimal("0.25"), 0)


def test_look_ups_of_contacts_stand_apart(bob, at_noon):
    look_up(bob, "person_search")
    look_up(bob, "person_lookup", credits=2)
    look_up(bob, "person_lookup", credits_saved=3)

    _, body = get(bob)

    assert body["tools"] == {
        "rocketReach": {"searches": 1, "lookups": 2, "credits": 2, "creditsSaved": 3}
    }
    assert body["totals"]["calls"] == 0
    assert body["byModel"] == []


def test_nobody_elses_usage_is_counted(alice, bob, dave, carol, at_noon):
    for user in (bob, dave, carol):
        use(user, cost_usd=Decimal(7))

    _, body = get(alice)

    assert body["totals"]["calls"] == 0


def test_key_and_lifetime_are_those_of_the_documentation(bob):
    assert usage_key(bob.pk, "7d", KOLKATA) == f"usage-stats:{bob.pk}:7d:Asia/Kolkata"
    assert USAGE_SECONDS == 300


def test_a_second_read_is_a_hit_and_asks_nothing_of_the_ledger(bob, at_noon, monkeypatch):
    use(bob)
    first = get(bob)
    before = cache.use()["usage"]
    monkeypatch.setattr(personal, "statistics", None)

    second = get(bob)

    after = cache.use()["usage"]
    assert second == first
    assert (after["hits"] - before["hits"], after["misses"]) == (1, before["misses"])


def test_what_is_recorded_is_seen_by_the_next_read(bob, at_noon):
    calls = []
    for _ in range(3):
        calls.append(get(bob)[1]["totals"]["calls"])
        use(bob)

    assert calls == [0, 1, 2]


def test_an_adjustment_of_an_earlier_month_is_seen_as_well(bob):
    """On the first of March the window begins in January."""
    now = datetime(2027, 3, 1, 12, tzinfo=UTC)
    start = now - timedelta(days=30)
    versions = {usage_version(bob.pk, start, now, UTC_ZONE)}

    for moment in (start, start + timedelta(days=10), now):
        use(bob, created_at=moment)
        versions.add(usage_version(bob.pk, start, now, UTC_ZONE))

    assert len(versions) == 4


def test_at_midnight_another_day_is_today(bob, monkeypatch):
    midnight = datetime(2026, 11, 28, tzinfo=UTC)
    use(bob, created_at=midnight - timedelta(minutes=1))
    days = []
    for now in (midnight - timedelta(milliseconds=1), midnight):
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        days.append(get(bob)[1]["today"])

    assert [(day["day"], day["calls"]) for day in days] == [("2026-11-27", 1), ("2026-11-28", 0)]


def test_a_value_of_the_cache_that_is_of_another_version_is_not_believed(bob, at_noon):
    use(bob)
    caches["documents"].set(usage_key(bob.pk, "30d", UTC_ZONE), ("1", b"{}"), 60)

    assert get(bob)[1]["totals"]["calls"] == 1


def test_a_person_sees_the_amounts_of_their_own_budget(bob, at_noon):
    bob.monthly_budget_usd = Decimal("10")
    bob.save()
    use(bob, cost_usd=Decimal("8.3999"))

    _, body = get(bob)

    assert body["budget"] == {
        "of": "you",
        "limitUsd": 10,
        "spentUsd": Decimal("8.3999"),
        "share": Decimal("0.83"),
        "isWarned": True,
        "isExhausted": False,
        "resetsAt": "2026-12-01T00:00:00Z",
    }


def test_of_the_organisations_budget_only_the_share_is_told_and_it_is_never_old(
    alice, bob, at_noon
):
    bob.organization.monthly_budget_usd = Decimal("30")
    bob.organization.save()
    get(bob)

    use(alice, cost_usd=Decimal("29.99"))
    _, body = get(bob)

    assert body["budget"] == {
        "of": "organisation",
        "limitUsd": None,
        "spentUsd": None,
        "share": Decimal("0.99"),
        "isWarned": True,
        "isExhausted": False,
        "resetsAt": "2026-12-01T00:00:00Z",
    }


@pytest.mark.parametrize("period", ["1y", "", "30D", "24h ", "365"])
def test_a_wrong_period_is_told_which_there_are(bob, period):
    status, body = get(bob, period=period)

    assert status == 400
    assert body["error"] == {
        "code": "invalid",
        "message": "period: is one of 24h, 7d, 30d, month.",
        "fields": {"period": "is one of 24h, 7d, 30d, month."},
    }


def test_an_unknown_parameter_is_refused(bob):
    status, body = get(bob, days="7")

    assert (status, body["error"]["fields"]) == (400, {"days": "is not a known field."})


def test_a_stranger_is_told_to_log_in(db):
    status, body = get(None)

    assert (status, body["error"]["code"]) == (401, "not_authenticated")


def test_nobody_on_the_way_may_keep_it(bob):
    client = Client()
    client.force_login(bob)

    response = client.get(PATH)

    assert response.headers["Cache-Control"] == "private, no-cache"


@pytest.fixture
def many(alice, bob) -> None:
    UsageRecord.objects.bulk_create(
        UsageRecord(
            organization_id=user.organization_id,
            user_id=user.pk,
            provider="openai",
            endpoint="assistant_stream",
            model=f"gpt-{n % 3}",
            status="success",
            input_tokens=n,
            cost_usd=Decimal(n),
            created_at=clock.now() - timedelta(hours=n),
        )
        for user in (alice, bob)
        for n in range(300)
    )


def plans(work: Callable[[], object]) -> list[str]:
    """How the store came by the rows of each read."""
    return plans_on_mongodb(work) if connection.vendor == "mongodb" else plans_on_sqlite(work)


def plans_on_mongodb(work: Callable[[], object]) -> list[str]:
    database: Any = connection.database  # type: ignore[attr-defined]
    database.command("profile", 2)
    try:
        work()
    finally:
        database.command("profile", 0)
    noted = list(database["system.profile"].find({"planSummary": {"$exists": True}}))
    database["system.profile"].drop()
    return [
        each["planSummary"].replace("userId: 1, createdAt: -1", "api_usage_user_created")
        + f" {each['docsExamined']} rows"
        for each in noted
    ]


def test_a_read_is_three_queries_behind_the_log_in_and_two_when_it_is_cached(bob, many):
    client = Client()
    client.force_login(bob)

    counts = [len(plans(lambda: client.get(PATH))) for _ in range(2)]

    # The session and its person are two of them.
    assert counts == [5, 4]


def test_the_ledger_is_read_by_the_index_of_the_person(bob, many):
    def work() -> None:
        assert personal.statistics(bob.pk, "7d", clock.now(), UTC_ZONE).totals.calls == 168

    (plan,) = plans(work)

    assert "api_usage_user_created" in plan
    if connection.vendor == "mongodb":
        assert plan.endswith(" 168 rows")
    else:
        assert plan.startswith("SEARCH api_usage USING INDEX")
        assert "userId=? AND createdAt>?" in plan
