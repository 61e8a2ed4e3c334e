"""Reports against the ledger: whatever is in it, and whatever is asked, they say the same."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Organization, User
from analytics import activity, recording, reports, rollups
from analytics.entries import TokenCounts
from analytics.models import PersonBucket, UsageBucket, UsageRecord
from analytics.spans import DAY, WEEK, Window, floor
from chatcore import clock
from chatcore.db import in_transaction
from chatcore.ids import new_id
from tests.analytics.test_recording import an_entry

pytestmark = pytest.mark.django_db(transaction=True)

# Clocks change in New York on the first; in Kathmandu days begin at a quarter past in UTC.
BEGIN = datetime(2026, 10, 31, tzinfo=UTC)
ZONES = [
    *("UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("Pacific/Apia", "Europe/Berlin"),
]
NOW = BEGIN + timedelta(days=5)
SERVICES = [
    ("openai", "assistant_stream", "gpt-test"),
    ("openai", "assistant_stream", "gpt-other"),
    ("anthropic", "assistant_stream", "claude-test"),
    ("rocketreach", "person_search", ""),
    ("rocketreach", "person_lookup", ""),
    ("email", "send", ""),
]

# On the edges of quarters, hours and days, just beside them, and anywhere.
moments = st.one_of(
    st.builds(
        lambda quarters, more: BEGIN + timedelta(minutes=15 * quarters, milliseconds=more),
        st.integers(0, 4 * 96),
        st.sampled_from([-1, 0, 1]),
    ),
    st.integers(0, 4 * 86_400_000).map(lambda ms: BEGIN + timedelta(milliseconds=ms)),
)
tokens = st.integers(0, 100_000)
calls = st.fixed_dictionaries(
    {
        "person": st.integers(0, 2),
        "service": st.sampled_from(SERVICES),
        "created_at": moments,
        "status": st.sampled_from(["success", "success", "error"]),
        "cost": st.one_of(st.none(), st.decimals(0, 100, places=10)),
        "tokens": st.builds(
            TokenCounts, input=tokens, cache_read=tokens, cache_write=tokens, output=tokens
        ),
        "usage_source": st.sampled_from(["provider", "estimated"]),
        "duration_ms": st.integers(0, 600_000),
        "ttft_ms": st.one_of(st.none(), st.integers(0, 60_000)),
        "credits": st.integers(0, 3),
        # What it costs when it is repriced.
        "repriced": st.one_of(st.none(), st.decimals(0, 100, places=10)),
    }
)
writings = st.tuples(st.integers(0, 2), moments, st.integers(0, 1), st.integers(1, 40))
windows = st.tuples(moments, moments).map(lambda two: Window(min(two), max(two)))


class Team:
    """Three people of a new organisation, and all that the ledger has of them."""

    def __init__(self, made: list[dict[str, Any]], written: list[Any]) -> None:
        self.organization = Organization.objects.create(name=str(new_id()))
        self.scope = frozenset([self.organization.pk])
        self.people = [
            User.objects.create_user(f"{new_id()}@acme.example", organization=self.organization)
            for _ in range(3)
        ]
        self.calls = [each for each in made if self._record(each)]
        self.written = written
        for person, at, chats, messages in written:
            user = self.people[person]
            in_transaction(
                partial(
                    activity.note,
                    user_id=user.pk,
                    organization_id=user.organization_id,
                    chats=chats,
                    messages=messages,
                    at=at,
                )
            )

    def _record(self, call: dict[str, Any]) -> bool:
        provider, endpoint, model = call["service"]
        call["is_model"] = bool(model)
        call["cost_usd"] = call["cost"] if model else None
        if model and call["cost"] is None and call["tokens"].total == 0:
            # Whatever the price is, nothing costs nothing.
            call["cost_usd"] = Decimal(0)
        entry = an_entry(
            self.people[call["person"]],
            provider=provider,
            endpoint=endpoint,
            model=model,
            tokens=call["tokens"] if model else TokenCounts(),
            is_paid_in_credits=not model,
            credits=0 if model else call["credits"],
            **{
                name: call[name]
                for name in ("status", "usage_source", "duration_ms", "ttft_ms", "created_at")
            },
            cost_usd=call["cost"] if model else None,
        )
        recording.write(entry)
        if model and call["cost_usd"] is None and call["repriced"] is not None:
            row = UsageRecord.objects.get(pk=entry.id)
            priced = recording.current_of(row, [])
            priced.cost_usd, priced.unpriced_calls = call["repriced"], 0
            change = recording.adjustment(row, priced, new_id())
            in_transaction(lambda: recording.append([change]))
            call["cost_usd"] = call["repriced"]
        return True

    def within(self, window: Window, **which: Any) -> list[dict[str, Any]]:
        return [
            call
            for call in self.calls
            if window.start <= call["created_at"] < window.end
            and all(call[name] == value for name, value in which.items())
        ]

    def words(self, window: Window, person: int | None = None) -> tuple[int, int]:
        """Chats and messages."""
        found = [
            (chats, messages)
            for who, at, chats, messages in self.written
            if window.start <= at < window.end and person in (None, who)
        ]
        return sum(chats for chats, _ in found), sum(messages for _, messages in found)


def tokens_of(made: list[dict[str, Any]]) -> int:
    return sum(call["tokens"].total for call in made)


def cost_of(made: list[dict[str, Any]]) -> Decimal | None:
    known = [call["cost_usd"] for call in made if call["cost_usd"] is not None]
    cost = sum(known, Decimal(0))
    return None if len(known) < len(made) and not cost else cost


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    made=st.lists(calls, max_size=25),
    written=st.lists(writings, max_size=10),
    window=windows,
    zone=st.sampled_from(ZONES),
    leaves=st.booleans(),
    ends_now=st.booleans(),
)
def test_a_report_is_what_the_ledger_says(db, made, written, window, zone, leaves, ends_now):
    team = Team(made, written)
    if leaves:
        team.people[0].delete()

    # What other clocks put behind that moment is not in it.
    now = window.end if ends_now else clock.now()
    report = reports.report(window, period="", scope=team.scope, zone=ZoneInfo(zone), now=now)

    check_summary(report.summary, team, window)
    check_summary(report.previous, team, window.before)
    check_people(report, team, window, leaves=leaves)
    check_services(report, team, window)
    check_series(report, team, window, ZoneInfo(zone))
    for number, person in enumerate(team.people):
        check_person(team, number, person.pk or new_id(), window, ZoneInfo(zone))
    for day in rollups.days(BEGIN - timedelta(days=1), NOW):
        assert rollups.differences(day) == rollups.differences_of_week(day) == []


def check_summary(summary, team: Team, window: Window) -> None:
    models = team.within(window, is_model=True)
    assert summary.total_ai_calls == len(models)
    assert summary.total_ai_tokens == tokens_of(models)
    assert summary.total_ai_cost == cost_of(models)
    looked_up = [call for call in team.within(window) if call["service"][0] == "rocketreach"]
    assert summary.total_rocketreach_calls == len(looked_up)
    assert (summary.total_conversations, summary.total_messages) == team.words(window)


def check_people(report, team: Team, window: Window, *, leaves: bool) -> None:
    ai = {row.user: row for row in report.ai_usage_by_user}
    stats = {row.user: row for row in report.conversation_stats_by_user}
    assert report.unpriced_calls == sum(
        call["cost_usd"] is None for call in team.within(window, is_model=True)
    )
    for number, person in enumerate(team.people):
        has_left = leaves and number == 0
        models = team.within(window, is_model=True, person=number)
        name = next((key for key in {*ai, *stats} if has_left and "@" not in key), person.email)
        row = ai.get(name)
        assert (row is not None) == bool(models)
        if row is not None:
            assert (row.calls, row.tokens, row.cost) == (
                len(models),
                tokens_of(models),
                cost_of(models),
            )
            assert row.errors == sum(call["status"] == "error" for call in models)
            assert row.has_left == has_left
        written = stats.get(name)
        assert ((written.chats, written.messages) if written else (0, 0)) == team.words(
            window, number
        )


def check_services(report, team: Team, window: Window) -> None:
    found = {(row.provider, row.endpoint, row.model): row for row in report.by_service}
    for service in SERVICES:
        made = team.within(window, service=service)
        row = found.get(service)
        assert (row.calls if row else 0) == len(made)
        if row and service[2]:
            assert (row.cost_usd, row.total_tokens) == (cost_of(made), tokens_of(made))
        if row:
            check_quantile(row.latency.p50_ms, [call["duration_ms"] for call in made])
            waited = [call["ttft_ms"] for call in made if call["ttft_ms"] is not None]
            check_quantile(row.latency.ttft_p50_ms, waited)


def check_quantile(shown: int | None, durations: list[int]) -> None:
    """A tenth beside the one in the middle, the lower one of two."""
    if shown is None or not durations:
        assert (shown, durations) == (None, [])
        return
    middle = max(1, sorted(durations)[(len(durations) - 1) // 2])
    assert 0.9 * middle - 1 <= shown <= 1.1 * middle + 1


def check_series(report, team: Team, window: Window, zone: ZoneInfo) -> None:
    expected = defaultdict(list)
    is_short = window.end - window.start <= reports.SHOWN_BY_HOUR
    for call in team.within(window, is_model=True):
        at = call["created_at"].astimezone(zone)
        label = at.strftime("%Y-%m-%d %H %z" if is_short else "%Y-%m-%d")
        expected[label].append(call)
    for step in report.series:
        label = step.start.strftime("%Y-%m-%d %H %z" if is_short else "%Y-%m-%d")
        made = expected.pop(label, [])
        assert (step.calls, step.total_tokens, step.cost_usd) == (
            len(made),
            tokens_of(made),
            cost_of(made),
        )
    assert not expected


def check_person(team: Team, number: int, key: Any, window: Window, zone: ZoneInfo) -> None:
    report = reports.person_report(key, window, scope=team.scope, zone=zone)
    if key != team.people[number].pk:
        return
    models = team.within(window, is_model=True, person=number)
    assert sum(row.calls for row in report.ai) == len(models)
    assert sum(step.calls for step in report.series) == len(models)
    assert sum(row.calls for row in report.by_service) == len(team.within(window, person=number))
    assert sum(row.messages for row in report.conversations) == team.words(window, number)[1]
    failed = [call for call in team.within(window, person=number) if call["status"] == "error"]
    assert len(report.failures) == min(len(failed), reports.MOST_FAILURES)


# --- Buckets --------------------------------------------------------------------------------------
def test_buckets_are_made_anew_from_the_ledger_and_a_difference_is_told(bob, carol):
    for user in (bob, carol):
        for hours in (0, 1, 30):
            recording.write(an_entry(user, created_at=BEGIN + timedelta(hours=hours), ttft_ms=80))
    whole = (PersonBucket.objects.count(), UsageBucket.objects.count())
    PersonBucket.objects.filter(user_id=bob.pk, span=DAY).update(tokens=1)
    UsageBucket.objects.filter(organization_id=carol.organization_id).delete()
    today = floor(BEGIN, DAY)

    assert f"{bob.pk} 2026-10-31 00:00 1440: tokens is 1, and 30 in the ledger" in (
        rollups.differences(today)
    )
    for day in rollups.days(None, NOW):
        rollups.rebuild(day)

    for day in rollups.days(None, NOW):
        assert rollups.differences(day) == rollups.differences_of_week(day) == []
    assert (PersonBucket.objects.count(), UsageBucket.objects.count()) == whole


def test_buckets_of_what_is_not_in_the_ledger_are_told_and_go(bob):
    recording.write(an_entry(bob, created_at=BEGIN))
    PersonBucket.objects.filter(span=WEEK).update(calls=3)
    bucket = PersonBucket.objects.filter(span=DAY).get()
    PersonBucket.objects.create(
        id=new_id(),
        span=DAY,
        start=bucket.start + timedelta(days=1),
        user_id=bob.pk,
        organization_id=bob.organization_id,
        calls=2,
    )
    tomorrow = bucket.start + timedelta(days=1)

    assert len(rollups.differences(tomorrow)) == 1
    # Its days add up to three, of which two are wrong.
    assert rollups.differences_of_week(tomorrow) == []
    rollups.rebuild(tomorrow)

    assert rollups.differences(tomorrow) == rollups.differences_of_week(tomorrow) == []
    assert PersonBucket.objects.filter(start__gte=tomorrow).count() == 0
    assert PersonBucket.objects.get(span=WEEK).calls == 1
