"""Sums of a window, exact to the second: buckets in its middle, and the ledger at its two edges."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property, reduce
from operator import or_
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import BigIntegerField, Q, QuerySet, Sum

from analytics import rollups, spans
from analytics.models import ActivityRecord, PersonBucket, UsageBucket, UsageRecord
from analytics.models.buckets import Bucket
from analytics.rollups import Service
from analytics.spans import Window

# Of which organisations; None is of all, also of those that are gone.
Scope = frozenset[UUID] | None
Sums = Counter[str]
Key = TypeVar("Key")
# Whether to add a part of the window, or take it off.
SIGNS = (1, -1)
SERVICE = ("provider", "endpoint", "model")

# What is shown by day or hour.
STEP_SUMS = ("calls", "errors", "unpriced_calls", "cost_usd", *rollups.TOKENS)
CALL_FIELDS = tuple(name for name in rollups.USAGE_FIELDS if name != "organization_id")
WRITTEN_FIELDS = ("user_id", "chats", "messages", "created_at")


def _whole(name: str) -> Sum:
    """Dollars too as the whole numbers that the store has."""
    return Sum(name, output_field=BigIntegerField())


PERSON = tuple(map(_whole, rollups.PERSON_SUMS))
STEP = tuple(map(_whole, STEP_SUMS))


class Cover:
    """What a window is made of: spans and edges, to add (sign 1) or to take off (sign -1)."""

    def __init__(self, window: Window, now: datetime) -> None:
        # By their length and start. What one end adds and the other takes off is not read at all.
        self.spans: Counter[tuple[int, datetime]] = Counter()
        self.edges: Counter[Window] = Counter()
        for part in spans.cover(window, now):
            if part.span is None:
                self.edges[part.window] += part.sign
            else:
                for start in part.starts:
                    self.spans[part.span, start] += part.sign
        self.spans = Counter({part: sign for part, sign in self.spans.items() if sign})


class Edge:
    """What the ledger has of a time too short for a bucket."""

    def __init__(self, calls: list[Any], written: list[Any]) -> None:
        self.calls, self.written = calls, written

    @cached_property
    def people(self) -> dict[UUID, Sums]:
        people: defaultdict[UUID, Sums] = defaultdict(Counter)
        for call in self.calls:
            _add(people[call.user_id], rollups.of_person(call))
        for written in self.written:
            _add(people[written.user_id], rollups.of_activity(written))
        return people

    @cached_property
    def services(self) -> dict[Service, Sums]:
        services: defaultdict[Service, Sums] = defaultdict(Counter)
        for call in self.calls:
            # One by one: durations are counted, not added up.
            _add(services[call.provider, call.endpoint, call.model], rollups.of_usage(call))
        for written in self.written:
            _add(services[rollups.NO_SERVICE], rollups.of_activity(written))
        return services


class Reader:
    """Sums of windows in one scope, by the names of `rollups`, dollars as the store has them.

    What the ledger has at the edges of `windows` is read once, for whichever sums.
    """

    def __init__(self, scope: Scope, now: datetime, windows: Iterable[Window] = ()) -> None:
        self.scope, self.now = scope, now
        self._at_edges: dict[Window, Edge] = {}
        self._read_edges(edge for window in windows for edge in Cover(window, now).edges)

    def of_people(self, window: Window) -> dict[UUID, Sums]:
        """What each person used and wrote."""
        people: defaultdict[UUID, Sums] = defaultdict(Counter)
        cover = Cover(window, self.now)
        for sign in SIGNS:
            parts = [part for part, each in cover.spans.items() if each == sign]
            rows = self._buckets(PersonBucket, parts).values_list("user_id").annotate(*PERSON)
            for user_id, *sums in rows.order_by().iterator():
                _add(people[user_id], dict(zip(rollups.PERSON_SUMS, sums, strict=True)), sign)
        for edge, sign in self._edges(cover):
            for user_id, each in edge.people.items():
                _add(people[user_id], each, sign)
        return _without_nothing(people)

    def of_all(self, window: Window) -> Sums:
        """As `of_people`, of all of them together, which needs no bucket of theirs."""
        whole: Sums = Counter()
        for service, sums, sign in self._of_services(Cover(window, self.now)):
            _add(whole, rollups.as_person(service, sums), sign)
        return whole

    def of_services(self, window: Window) -> dict[Service, Sums]:
        """What was used of each model and endpoint; bins of durations as in "durations.17"."""
        services: defaultdict[Service, Sums] = defaultdict(Counter)
        histograms = rollups.HISTOGRAMS[UsageBucket]
        for service, sums, sign in self._of_services(Cover(window, self.now), *histograms):
            if service != rollups.NO_SERVICE:
                _add(services[service], sums, sign)
        return _without_nothing(services)

    def of_models_by_step(self, steps: Mapping[datetime, Window]) -> dict[datetime, Sums]:
        """What was used of models in each of several windows, which are side by side."""
        totals: dict[datetime, Sums] = {step: Counter() for step in steps}
        steps_of: defaultdict[tuple[int, datetime], list[tuple[datetime, int]]] = defaultdict(list)
        for step, window in steps.items():
            cover = Cover(window, self.now)
            for part, sign in cover.spans.items():
                steps_of[part].append((step, sign))
            for edge, sign in self._edges(cover):
                for (_, _, model), each in edge.services.items():
                    if model:
                        _add(totals[step], each, sign)
        buckets = self._buckets(UsageBucket, steps_of).exclude(model="").order_by()
        for span, start, *found in buckets.values_list("span", "start").annotate(*STEP):
            sums = dict(zip(STEP_SUMS, found, strict=True))
            for step, sign in steps_of[span, start]:
                _add(totals[step], sums, sign)
        return totals

    def _of_services(
        self, cover: Cover, *histograms: str
    ) -> Iterator[tuple[Service, Mapping[str, int], int]]:
        names = ("span", "start", *SERVICE, *rollups.USAGE_SUMS, *histograms)
        rows = self._buckets(UsageBucket, cover.spans).values_list(*names)
        for span, start, provider, endpoint, model, *values in rows.iterator():
            sums = rollups.as_sums(dict(zip(names[5:], values, strict=True)))
            yield (provider, endpoint, model), sums, cover.spans[span, start]
        for edge, sign in self._edges(cover):
            for service, each in edge.services.items():
                yield service, each, sign

    def _buckets(
        self, model: type[Bucket], parts: Iterable[tuple[int, datetime]]
    ) -> "QuerySet[Any, Any]":
        starts: defaultdict[int, list[datetime]] = defaultdict(list)
        for span, start in parts:
            starts[span].append(start)
        # One question for all: to put one together costs more than its answer.
        which = [Q(span=span, start__in=each) for span, each in starts.items()]
        buckets = in_scope(model._default_manager.all(), self.scope)
        return buckets.filter(reduce(or_, which)) if which else buckets.none()

    def _edges(self, cover: Cover) -> Iterator[tuple[Edge, int]]:
        self._read_edges(cover.edges)
        for edge, sign in cover.edges.items():
            yield self._at_edges[edge], sign

    def _read_edges(self, edges: Iterable[Window]) -> None:
        """Those that were not read yet."""
        unread = {edge for edge in edges if edge not in self._at_edges}
        if not unread:
            return
        which = reduce(
            or_, (Q(created_at__gte=edge.start, created_at__lt=edge.end) for edge in unread)
        )
        usage = in_scope(UsageRecord.objects.filter(which), self.scope)
        calls = list(usage.values_list(*CALL_FIELDS, named=True))
        activity = in_scope(ActivityRecord.objects.filter(which), self.scope)
        written = list(activity.values_list(*WRITTEN_FIELDS, named=True))
        for edge in unread:
            self._at_edges[edge] = Edge(
                [row for row in calls if edge.start <= row.created_at < edge.end],
                [row for row in written if edge.start <= row.created_at < edge.end],
            )


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


def _without_nothing(totals: Mapping[Key, Sums]) -> dict[Key, Sums]:
    """Without those of which as much was taken off as was added."""
    return {key: sums for key, sums in totals.items() if any(sums.values())}


def _add(sums: Sums, more: Mapping[str, int], sign: int = 1) -> None:
    for name, number in more.items():
        if number:
            sums[name] += sign * number
