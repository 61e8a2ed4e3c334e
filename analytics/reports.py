"""The reports of administrators: who used what, at what cost. Page and API are made of these.

A window counts what began in it, to the second. What cards say is what their rows add up to, and
what the ledger says (analytics/sums.py).
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from accounts.models import User
from analytics import rollups, sums
from analytics.histograms import Histogram, quantile
from analytics.models import UsageRecord, UsageStatus
from analytics.personal import plain
from analytics.report_shapes import (
    AIUsage,
    ConversationStats,
    Failure,
    Latency,
    OfPerson,
    PersonReport,
    PersonRocketReach,
    Report,
    ReportSummary,
    ServiceUsage,
    Step,
)
from analytics.rollups import Service
from analytics.spans import Window
from analytics.sums import Scope, Sums
from chatcore.db import snapshot
from chatcore.money import from_stored

# Of a window that is no longer, each hour is shown, and not each day.
SHOWN_BY_HOUR = timedelta(hours=49)
MOST_FAILURES = 20
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def report(window: Window, *, period: str, scope: Scope, zone: ZoneInfo, now: datetime) -> Report:
    """What all people of the scope used."""
    accounts = User.objects.all() if scope is None else User.objects.filter(organization__in=scope)
    with snapshot():
        reader = sums.Reader(scope, now, [window, window.before])
        people = reader.of_people(window)
        before = reader.of_all(window.before)
        services = reader.of_services(window)
        steps = reader.of_models_by_step(steps_of(window, zone))
        known = _known(people)
        users = accounts.count()
    whole = sums.total(people.values())
    return Report(
        period=period,
        start=window.start,
        end=window.end,
        as_of=now,
        summary=_summary(whole, users),
        previous=_summary(before, users),
        unpriced_calls=whole["unpriced_calls"],
        ai_usage_by_user=_ai_usage(people, known),
        rocketreach_usage_by_user=_rocketreach_usage(people, known),
        conversation_stats_by_user=_conversation_stats(people, known),
        by_service=_by_service(services),
        latency=_latency(sums.total(each for (_, _, model), each in services.items() if model)),
        series=_series(steps, zone),
    )


def person_report(person: UUID, window: Window, *, scope: Scope, zone: ZoneInfo) -> PersonReport:
    """What one person used, from the ledger itself: the rows of one are few."""
    services: defaultdict[Service, Sums] = defaultdict(Counter)
    steps = {start: Counter[str]() for start in steps_of(window, zone)}
    starts = list(steps)
    whole: Sums = Counter()
    for row in sums.rows_of(person, window, scope):
        whole.update(rollups.of_person(row))
        added = rollups.of_usage(row)
        services[row.provider, row.endpoint, row.model].update(added)
        if row.model:
            steps[starts[bisect_right(starts, row.created_at) - 1]].update(added)
    for written in sums.activity_of(person, window, scope):
        whole.update(rollups.of_activity(written))
    people = {person: whole}
    known = _known([person])
    return PersonReport(
        person=OfPerson(**known[person]),
        start=window.start,
        end=window.end,
        ai=_ai_usage(people, known),
        rocketreach=_rocketreach_usage(people, known),
        conversations=_conversation_stats(people, known),
        by_service=_by_service(services),
        series=_series(steps, zone),
        failures=_failures(person, window, scope),
    )


def _failures(person: UUID, window: Window, scope: Scope) -> list[Failure]:
    """The latest first."""
    rows = UsageRecord.objects.of_user(person).between(window.start, window.end)
    failed = sums.in_scope(rows, scope).filter(status=UsageStatus.ERROR, adjusts__isnull=True)
    return [
        Failure(
            at=each.created_at,
            provider=each.provider,
            model=each.model,
            endpoint=each.endpoint,
            error=each.error,
        )
        for each in failed.order_by("-created_at")[:MOST_FAILURES]
    ]


# --- People ---------------------------------------------------------------------------------------
def _known(people: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """The fields of `OfPerson` for each; of who has no account any more, the id for a name."""
    found = {
        key: (name, email, is_active)
        for key, name, email, is_active in User.objects.filter(pk__in=list(people)).values_list(
            "pk", "name", "email", "is_active"
        )
    }
    known = {}
    for key in people:
        name, email, is_active = found.get(key, ("", "", False))
        known[key] = {
            "user_id": key,
            "user": name or email or str(key),
            "email": email,
            "has_left": not is_active,
        }
    return known


def _ai_usage(people: Mapping[UUID, Sums], known: Mapping[UUID, dict[str, Any]]) -> list[AIUsage]:
    """The dearest first, then those with the most tokens."""
    rows = [
        AIUsage(
            **known[key],
            tokens=each["tokens"],
            calls=each["calls"],
            cost=_cost(each),
            unpriced_calls=each["unpriced_calls"],
            estimated_calls=each["estimated_calls"],
            errors=each["errors"],
        )
        for key, each in people.items()
        if each["calls"] or each["tokens"] or each["cost_usd"]
    ]
    return sorted(rows, key=lambda row: (-(row.cost or 0), -row.tokens, row.user, row.user_id))


def _rocketreach_usage(
    people: Mapping[UUID, Sums], known: Mapping[UUID, dict[str, Any]]
) -> list[PersonRocketReach]:
    rows = []
    for key, each in people.items():
        total = each["searches"] + each["lookups"]
        if not (total or each["credits"] or each["credits_saved"]):
            continue
        rows.append(
            PersonRocketReach(
                **known[key],
                total=total,
                search=each["searches"],
                lookup=each["lookups"],
                success=each["successes"] / total if total else 0.0,
                credits=each["credits"],
                credits_saved=each["credits_saved"],
            )
        )
    return sorted(rows, key=lambda row: (-row.total, row.user, row.user_id))


def _conversation_stats(
    people: Mapping[UUID, Sums], known: Mapping[UUID, dict[str, Any]]
) -> list[ConversationStats]:
    rows = [
        ConversationStats(
            **known[key],
            chats=each["chats"],
            messages=each["messages"],
            average=round(each["messages"] / each["chats"], 1) if each["chats"] else None,
        )
        for key, each in people.items()
        if each["chats"] or each["messages"]
    ]
    return sorted(rows, key=lambda row: (-row.messages, row.user, row.user_id))


def _summary(whole: Sums, users: int) -> ReportSummary:
    return ReportSummary(
        total_users=users,
        total_ai_cost=_cost(whole),
        total_ai_tokens=whole["tokens"],
        total_ai_calls=whole["calls"],
        total_rocketreach_calls=whole["searches"] + whole["lookups"],
        total_conversations=whole["chats"],
        total_messages=whole["messages"],
    )


# --- Models, and what is none ---------------------------------------------------------------------
def _by_service(services: Mapping[Service, Sums]) -> list[ServiceUsage]:
    """Models first, the dearest of them first."""
    rows = [
        ServiceUsage(
            provider=provider,
            endpoint=endpoint,
            model=model,
            **_spent(each),
            errors=each["errors"],
            estimated_calls=each["estimated_calls"],
            credits=each["credits"],
            latency=_latency(each),
        )
        for (provider, endpoint, model), each in services.items()
    ]
    return sorted(
        rows,
        key=lambda row: (
            not row.model,
            -(row.cost_usd or 0),
            -row.total_tokens,
            -row.calls,
            (row.provider, row.endpoint, row.model),
        ),
    )


def _latency(each: Sums) -> Latency:
    durations, ttfts = _bins(each, "durations"), _bins(each, "ttfts")
    return Latency(
        p50_ms=quantile(durations, 0.5),
        p95_ms=quantile(durations, 0.95),
        ttft_p50_ms=quantile(ttfts, 0.5),
        ttft_p95_ms=quantile(ttfts, 0.95),
    )


def _bins(each: Sums, histogram: str) -> Histogram:
    prefix = f"{histogram}."
    return {
        name.removeprefix(prefix): calls for name, calls in each.items() if name.startswith(prefix)
    }


def _spent(each: Sums) -> dict[str, Any]:
    """The fields of `Spent`."""
    return {
        "calls": each["calls"],
        "total_tokens": sum(each[name] for name in rollups.TOKENS),
        "cost_usd": _cost(each),
        "unpriced_calls": each["unpriced_calls"],
    }


def _cost(each: Sums) -> Any:
    """USD, exact; None where there is nothing but calls without a price."""
    if each["unpriced_calls"] and not each["cost_usd"]:
        return None
    return plain(from_stored(each["cost_usd"]))


# --- By day or hour -------------------------------------------------------------------------------
def steps_of(window: Window, zone: ZoneInfo) -> dict[datetime, Window]:
    """The days of the window in this time zone, or its hours, each as far as it is in the window.

    By their beginnings. A day in which clocks change has 23 or 25 hours.
    """
    is_short = window.end - window.start <= SHOWN_BY_HOUR
    local = window.start.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if not is_short:
        local = local.replace(hour=0, fold=0)
    steps = {}
    # In UTC: local times that come twice are equal to each other.
    begin = local.astimezone(UTC)
    while begin < window.end:
        if is_short:
            end = begin + HOUR
        else:
            # The clock on the wall goes on by a day, however long that is.
            local += DAY
            end = local.astimezone(UTC)
        steps[begin] = Window(max(begin, window.start), min(end, window.end))
        begin = end
    return steps


def _series(found: Mapping[datetime, Sums], zone: ZoneInfo) -> list[Step]:
    return [
        Step(start=start.astimezone(zone), **_spent(each), errors=each["errors"])
        for start, each in found.items()
    ]
