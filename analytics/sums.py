"""Sums of a window, exact to the second: buckets in its middle, and the ledger at its two edges."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, QuerySet, Sum

from analytics import rollups
from analytics.models import ActivityRecord, PersonBucket, UsageBucket, UsageRecord
from analytics.spans import Part, Window, cover
from chatcore.money import as_stored

# Of which organisations; None is of all, also of those that are gone.
Scope = frozenset[UUID] | None
Sums = Counter[str]
# Provider, endpoint and model.
Service = tuple[str, str, str]

_LINEAR = tuple(
    name
    for name in rollups.USAGE_FIELDS
    if name.endswith(("calls", "tokens", "credits", "credits_saved", "cost_usd", "duration_ms"))
)


def of_people(window: Window, scope: Scope) -> dict[UUID, Sums]:
    """What each person used and wrote, by the names of `rollups.PERSON_SUMS`; cost as stored."""
    people: defaultdict[UUID, Sums] = defaultdict(Counter)
    parts = list(cover(window))
    for span, starts in _starts(parts).items():
        rows = (
            in_scope(PersonBucket.objects.all(), scope)
            .filter(span=span, start__in=starts)
            .values_list("user_id")
            .annotate(*map(_whole, rollups.PERSON_SUMS))
            .order_by()
        )
        for user_id, *sums in rows.iterator():
            _add(people[user_id], zip(rollups.PERSON_SUMS, sums, strict=True))
    for edge in _edges(parts):
        for row in _grouped(edge, scope, "user_id"):
            _add(people[row.user_id], rollups.of_person(row).items())
        for row in in_scope(ActivityRecord.objects.between(edge.start, edge.end), scope).iterator():
            _add(people[row.user_id], rollups.of_activity(row).items())
    return people


def of_services(window: Window, scope: Scope) -> dict[Service, Sums]:
    """What was used of each model and endpoint, by the names of `rollups.USAGE_SUMS`.

    With bins of its durations as in "durations.17".
    """
    services: defaultdict[Service, Sums] = defaultdict(Counter)
    parts = list(cover(window))
    names = (*rollups.USAGE_SUMS, "durations", "ttfts")
    for span, starts in _starts(parts).items():
        rows = in_scope(UsageBucket.objects.all(), scope).filter(span=span, start__in=starts)
        for row in rows.values("provider", "endpoint", "model", *names).iterator():
            total = services[row["provider"], row["endpoint"], row["model"]]
            for histogram in ("durations", "ttfts"):
                bins = row.pop(histogram)
                _add(total, ((f"{histogram}.{key}", count) for key, count in bins.items()))
            row["cost_usd"] = as_stored(row["cost_usd"])
            _add(total, ((name, row[name]) for name in rollups.USAGE_SUMS))
    for edge in _edges(parts):
        # Of single calls: durations are counted, not added up.
        for row in in_scope(UsageRecord.objects.between(edge.start, edge.end), scope).values_list(
            *rollups.USAGE_FIELDS, named=True
        ):
            _add(services[row.provider, row.endpoint, row.model], rollups.of_usage(row).items())
    return services


def of_models_by_step(steps: Mapping[datetime, Window], scope: Scope) -> dict[datetime, Sums]:
    """What was used of models in each of several windows, which are side by side."""
    totals: defaultdict[datetime, Sums] = defaultdict(Counter)
    step_of: defaultdict[int, dict[datetime, datetime]] = defaultdict(dict)
    for step, window in steps.items():
        parts = list(cover(window))
        for span, starts in _starts(parts).items():
            step_of[span].update(dict.fromkeys(starts, step))
        for edge in _edges(parts):
            for row in _grouped(edge, scope):
                if row.model:
                    _add(totals[step], rollups.of_usage(row).items())
    for span, found in step_of.items():
        rows = (
            in_scope(UsageBucket.objects.exclude(model=""), scope)
            .filter(span=span, start__in=list(found))
            .values_list("start")
            .annotate(*map(_whole, rollups.USAGE_SUMS))
            .order_by()
        )
        for start, *sums in rows.iterator():
            _add(totals[found[start]], zip(rollups.USAGE_SUMS, sums, strict=True))
    return totals


def rows_of(user_id: UUID, window: Window, scope: Scope) -> Iterable[Any]:
    """A person's rows of the ledger, with what is added up of them."""
    rows = UsageRecord.objects.of_user(user_id).between(window.start, window.end)
    return in_scope(rows, scope).values_list(*rollups.USAGE_FIELDS, named=True).iterator()


def activity_of(user_id: UUID, window: Window, scope: Scope) -> Iterable[ActivityRecord]:
    """What was written by a person, or for them."""
    rows = ActivityRecord.objects.of_user(user_id).between(window.start, window.end)
    return in_scope(rows, scope).iterator()


def total(sums: Iterable[Sums]) -> Sums:
    """All of them added up. Not by Counter's own +, which drops what is not above 0."""
    whole: Sums = Counter()
    for each in sums:
        whole.update(each)
    return whole


def _starts(parts: Iterable[Part]) -> dict[int, list[datetime]]:
    """Where the spans of each length start."""
    starts: defaultdict[int, list[datetime]] = defaultdict(list)
    for part in parts:
        if part.span is not None:
            starts[part.span] += part.starts
    return starts


def _edges(parts: Iterable[Part]) -> Iterator[Window]:
    return (part.window for part in parts if part.span is None)


def in_scope(rows: "QuerySet[Any, Any]", scope: Scope) -> "QuerySet[Any, Any]":
    return rows if scope is None else rows.filter(organization_id__in=scope)


def _grouped(edge: Window, scope: Scope, *by: str) -> Iterator[Any]:
    """Rows of the ledger, those that count alike added up. Without their durations one by one."""
    alike = (*by, "provider", "endpoint", "model", "status")
    rows = (
        in_scope(UsageRecord.objects.between(edge.start, edge.end), scope)
        .values(*alike)
        .annotate(**{f"sum_{name}": Sum(name) for name in _LINEAR})
        .order_by()
    )
    for row in rows:
        sums = {name: row[f"sum_{name}"] for name in _LINEAR}
        yield SimpleNamespace(**{name: row[name] for name in alike}, **sums, ttft_ms=None)


def _whole(name: str) -> Sum:
    """Dollars too as the whole numbers that the store has."""
    return Sum(name, output_field=BigIntegerField())


def _add(sums: Sums, more: Iterable[tuple[str, int]]) -> None:
    for name, number in more:
        if number:
            sums[name] += number
