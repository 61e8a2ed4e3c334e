"""Sums of a window, exact to the second: buckets in its middle, and the ledger at its two edges."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, Q, QuerySet, Sum

from analytics import rollups, spans
from analytics.models import ActivityRecord, PersonBucket, UsageBucket, UsageRecord
from analytics.spans import Window
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


def _whole(name: str) -> Sum:
    """Dollars too as the whole numbers that the store has."""
    return Sum(name, output_field=BigIntegerField())


PERSON = tuple(map(_whole, rollups.PERSON_SUMS))
USAGE = tuple(map(_whole, rollups.USAGE_SUMS))


class Cover:
    """What windows are made of: where their spans start, by length, and the edges that are left."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self.starts: defaultdict[int, list[datetime]] = defaultdict(list)
        self.edges: list[Window] = []
        for window in windows:
            for part in spans.cover(window):
                if part.span is None:
                    self.edges.append(part.window)
                else:
                    self.starts[part.span] += part.starts

    def of_spans(self, buckets: "QuerySet[Any, Any]") -> "QuerySet[Any, Any]":
        # One question for all: to put one together costs more than its answer.
        which = [Q(span=span, start__in=starts) for span, starts in self.starts.items()]
        return buckets.filter(reduce(or_, which)) if which else buckets.none()

    def of_edges(self, rows: "QuerySet[Any, Any]") -> "QuerySet[Any, Any]":
        which = [Q(created_at__gte=edge.start, created_at__lt=edge.end) for edge in self.edges]
        return rows.filter(reduce(or_, which)) if which else rows.none()


def of_people(window: Window, scope: Scope) -> dict[UUID, Sums]:
    """What each person used and wrote, by the names of `rollups.PERSON_SUMS`; cost as stored."""
    people: defaultdict[UUID, Sums] = defaultdict(Counter)
    for (user_id,), sums in _of_people(window, scope, "user_id"):
        _add(people[user_id], sums)
    return people


def of_all(window: Window, scope: Scope) -> Sums:
    """As `of_people`, of all of them together."""
    whole: Sums = Counter()
    for _, sums in _of_people(window, scope):
        _add(whole, sums)
    return whole


def _of_people(
    window: Window, scope: Scope, *by: str
) -> Iterator[tuple[tuple[Any, ...], Iterable[tuple[str, int]]]]:
    """Sums to be added up, each with the values of the fields `by` which they are apart."""
    cover = Cover([window])
    buckets = cover.of_spans(in_scope(PersonBucket.objects.all(), scope))
    # Django groups by something, or not at all: by the few spans, where nothing is asked for.
    fields = by or ("span",)
    for row in buckets.values_list(*fields).annotate(*PERSON).order_by().iterator():
        sums = zip(rollups.PERSON_SUMS, row[len(fields) :], strict=True)
        yield row[: len(by)], sums
    for call in _grouped(cover, scope, *by):
        yield tuple(getattr(call, name) for name in by), rollups.of_person(call).items()
    for written in cover.of_edges(in_scope(ActivityRecord.objects.all(), scope)):
        yield tuple(getattr(written, name) for name in by), rollups.of_activity(written).items()


def of_services(window: Window, scope: Scope) -> dict[Service, Sums]:
    """What was used of each model and endpoint, by the names of `rollups.USAGE_SUMS`.

    With bins of its durations as in "durations.17".
    """
    services: defaultdict[Service, Sums] = defaultdict(Counter)
    cover = Cover([window])
    names = ("provider", "endpoint", "model", "durations", "ttfts", *rollups.USAGE_SUMS)
    buckets = cover.of_spans(in_scope(UsageBucket.objects.all(), scope))
    for provider, endpoint, model, durations, ttfts, *sums in buckets.values_list(
        *names
    ).iterator():
        total = services[provider, endpoint, model]
        for name, number in zip(rollups.USAGE_SUMS, sums, strict=True):
            total[name] += as_stored(number) if name == "cost_usd" else number
        for histogram, bins in (("durations.", durations), ("ttfts.", ttfts)):
            for key, calls in bins.items():
                total[histogram + key] += calls
    # Of single calls: durations are counted, not added up.
    calls_at_edges = cover.of_edges(in_scope(UsageRecord.objects.all(), scope))
    for row in calls_at_edges.values_list(*rollups.USAGE_FIELDS, named=True):
        _add(services[row.provider, row.endpoint, row.model], rollups.of_usage(row).items())
    return services


def of_models_by_step(steps: Mapping[datetime, Window], scope: Scope) -> dict[datetime, Sums]:
    """What was used of models in each of several windows, which are side by side."""
    totals: dict[datetime, Sums] = {step: Counter() for step in steps}
    covers = {step: Cover([window]) for step, window in steps.items()}
    step_of = {
        (span, start): step
        for step, cover in covers.items()
        for span, starts in cover.starts.items()
        for start in starts
    }
    buckets = Cover(steps.values()).of_spans(in_scope(UsageBucket.objects.exclude(model=""), scope))
    rows = buckets.values_list("span", "start").annotate(*USAGE).order_by()
    for span, start, *sums in rows.iterator():
        _add(totals[step_of[span, start]], zip(rollups.USAGE_SUMS, sums, strict=True))
    for step, cover in covers.items():
        for row in _grouped(cover, scope):
            if row.model:
                _add(totals[step], rollups.of_usage(row).items())
    return totals


def rows_of(user_id: UUID, window: Window, scope: Scope) -> Iterable[Any]:
    """A person's rows of the ledger, with what is added up of them."""
    rows = UsageRecord.objects.of_user(user_id).between(window.start, window.end)
    return in_scope(rows, scope).values_list(*rollups.USAGE_FIELDS, named=True).iterator()


def activity_of(user_id: UUID, window: Window, scope: Scope) -> Iterable[ActivityRecord]:
    """What was written by a person, or for them."""
    rows = ActivityRecord.objects.of_user(user_id).between(window.start, window.end)
    return in_scope(rows, scope).iterator()


def total(each: Iterable[Sums]) -> Sums:
    """All of them added up. Not by Counter's own +, which drops what is not above 0."""
    whole: Sums = Counter()
    for sums in each:
        whole.update(sums)
    return whole


def in_scope(rows: "QuerySet[Any, Any]", scope: Scope) -> "QuerySet[Any, Any]":
    return rows if scope is None else rows.filter(organization_id__in=scope)


def _grouped(cover: Cover, scope: Scope, *by: str) -> Iterator[Any]:
    """Rows of the ledger at the edges, those that count alike added up; without their durations."""
    if not cover.edges:
        return
    alike = (*by, "provider", "endpoint", "model", "status")
    rows = cover.of_edges(in_scope(UsageRecord.objects.all(), scope)).values(*alike)
    for row in rows.annotate(**{f"sum_{name}": Sum(name) for name in _LINEAR}).order_by():
        sums = {name: row[f"sum_{name}"] for name in _LINEAR}
        yield SimpleNamespace(**{name: row[name] for name in alike}, **sums, ttft_ms=None)


def _add(sums: Sums, more: Iterable[tuple[str, int]]) -> None:
    for name, number in more:
        if number:
            sums[name] += number
