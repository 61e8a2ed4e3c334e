"""Keeps the buckets: sums of the ledger by spans of time, of people and of models.

They are written in the very transaction that writes the ledger's row. `rebuild` makes those of a
day anew from the ledger, `differences` compares the two.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db.models import Min

from analytics.histograms import bin_of
from analytics.models import ActivityRecord, PersonBucket, UsageBucket, UsageRecord, UsageStatus
from analytics.models.buckets import Bucket
from analytics.spans import DAY, QUARTER, SPANS, WEEK, floor
from chatcore import ids, writes
from chatcore.db import in_transaction
from chatcore.money import as_stored, from_stored

# As the tool's entries have it (assistant/rocketreach_desk.py).
ROCKETREACH, SEARCH, LOOKUP = "rocketreach", "person_search", "person_lookup"
BATCH = 1_000
# A week is made of its days.
SPANS_OF_A_DAY = tuple(span for span in SPANS if span <= DAY)
# What tells a bucket from those of its span, start and organisation.
KEYS: dict[type[Bucket], tuple[str, ...]] = {
    PersonBucket: ("user_id",),
    UsageBucket: ("provider", "endpoint", "model"),
}

Sums = dict[str, int]
# Provider, endpoint and model. What is written has none of them.
Service = tuple[str, str, str]
NO_SERVICE: Service = ("", "", "")
# The fields that tell one bucket from another.
Key = dict[str, Any]


class UsageRow(Protocol):
    """What of a row of the ledger is added up."""

    organization_id: UUID
    user_id: UUID
    provider: str
    endpoint: str
    model: str
    status: str
    calls: int
    unpriced_calls: int
    estimated_calls: int
    cost_usd: Any
    credits: int
    credits_saved: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    duration_ms: int
    ttft_ms: int | None
    created_at: datetime


TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
_PARTS_OF_TOKENS = ("cache_write_1h_tokens", "reasoning_tokens")
USAGE_FIELDS = tuple(UsageRow.__annotations__)


# --- What a row adds ------------------------------------------------------------------------------
def of_usage(row: UsageRow) -> Sums:
    """What a row of the ledger adds to a bucket of its model or endpoint."""
    sums = _counted(row)
    if row.calls == 1:
        sums[f"durations.{bin_of(row.duration_ms)}"] = 1
        if row.ttft_ms is not None:
            sums[f"ttfts.{bin_of(row.ttft_ms)}"] = 1
    return sums


def _counted(row: UsageRow) -> Sums:
    return {
        "calls": row.calls,
        "errors": row.calls if row.status == UsageStatus.ERROR else 0,
        "unpriced_calls": row.unpriced_calls,
        "estimated_calls": row.estimated_calls,
        "cost_usd": 0 if row.cost_usd is None else as_stored(row.cost_usd),
        "credits": row.credits,
        "credits_saved": row.credits_saved,
        **{name: getattr(row, name) for name in (*TOKENS, *_PARTS_OF_TOKENS)},
        "duration_ms": row.duration_ms,
    }


def of_person(row: UsageRow) -> Sums:
    """What a row of the ledger adds to a bucket of its person."""
    return as_person((row.provider, row.endpoint, row.model), _counted(row))


def as_person(service: Service, sums: Mapping[str, int]) -> Sums:
    """Sums of a service by the names of a person's, which are zeros for what is not shown."""
    provider, endpoint, model = service
    shown = dict.fromkeys(PERSON_SUMS, 0)
    if model:
        shown |= {name: sums[name] for name in _OF_MODELS}
        shown["tokens"] = sum(sums[name] for name in TOKENS)
    elif provider == ROCKETREACH:
        shown |= {name: sums[name] for name in ("credits", "credits_saved")}
        shown["successes"] = sums["calls"] - sums["errors"]
        if endpoint in _LOOKUPS:
            shown[_LOOKUPS[endpoint]] = sums["calls"]
    elif not provider:
        shown |= {name: sums[name] for name in WRITTEN}
    return shown


def of_activity(row: ActivityRecord) -> Sums:
    """What is written adds these to a bucket of its person, and to the one that has no service."""
    return {"chats": row.chats, "messages": row.messages}


WRITTEN = ("chats", "messages")
_OF_MODELS = ("calls", "errors", "unpriced_calls", "estimated_calls", "cost_usd")
_LOOKUPS = {SEARCH: "searches", LOOKUP: "lookups"}
PERSON_SUMS = (
    *(*_OF_MODELS, "tokens", "credits", "credits_saved", "searches", "lookups", "successes"),
    *WRITTEN,
)
USAGE_SUMS = (
    *(*_OF_MODELS, "credits", "credits_saved", *TOKENS, *_PARTS_OF_TOKENS, "duration_ms"),
    *WRITTEN,
)
SUMS: dict[type[Bucket], tuple[str, ...]] = {PersonBucket: PERSON_SUMS, UsageBucket: USAGE_SUMS}
HISTOGRAMS: dict[type[Bucket], tuple[str, ...]] = {
    PersonBucket: (),
    UsageBucket: ("durations", "ttfts"),
}


# --- Writing along --------------------------------------------------------------------------------
def add_usage(rows: Sequence[UsageRow]) -> None:
    """Add new rows of the ledger. Call it inside the transaction that writes them."""
    _add(UsageBucket, [(row, of_usage(row)) for row in rows])
    _add(PersonBucket, [(row, of_person(row)) for row in rows])


def add_activity(rows: Sequence[ActivityRecord]) -> None:
    """Add what was written. Call it inside the transaction that writes the rows."""
    added = [(row, of_activity(row)) for row in rows]
    _add(UsageBucket, added)
    _add(PersonBucket, added)


def _add(model: type[Bucket], added: Iterable[tuple[UsageRow | ActivityRecord, Sums]]) -> None:
    zeros = dict.fromkeys(SUMS[model], 0)
    rows = [
        (
            _fields(span, floor(row.created_at, span), row.organization_id, _which(model, row)),
            {**zeros, **sums},
        )
        for row, sums in added
        if any(sums.values())
        for span in SPANS
    ]
    writes.add_each(model, rows)


def _which(model: type[Bucket], row: UsageRow | ActivityRecord) -> Mapping[str, Any]:
    return dict(zip(KEYS[model], key_of(model, row), strict=True))


def key_of(model: type[Bucket], row: UsageRow | ActivityRecord) -> tuple[Any, ...]:
    """The values of `KEYS` of the bucket that the row is in."""
    if model is UsageBucket and isinstance(row, ActivityRecord):
        return NO_SERVICE
    return tuple(getattr(row, name) for name in KEYS[model])


def _fields(span: int, start: datetime, organization_id: UUID, which: Mapping[str, Any]) -> Key:
    """All fields of a bucket that are no sums. The id follows from the others."""
    return {
        "id": ids.at(start, span, organization_id, *which.values()),
        "span": span,
        "start": start,
        "organization_id": organization_id,
        **which,
    }


# --- Making them anew -----------------------------------------------------------------------------
class Buckets:
    """The buckets of one day, in memory, as the ledger makes them."""

    def __init__(self, day: datetime) -> None:
        end = day + timedelta(minutes=DAY)
        people: _Totals = defaultdict(lambda: defaultdict(int))
        usage: _Totals = defaultdict(lambda: defaultdict(int))
        rows: Iterator[Any] = (
            UsageRecord.objects.between(day, end)
            .values_list(*USAGE_FIELDS, named=True)
            .iterator(chunk_size=BATCH)
        )
        for row in rows:
            self._take(people, PersonBucket, row, of_person(row))
            self._take(usage, UsageBucket, row, of_usage(row))
        for row in ActivityRecord.objects.between(day, end).iterator(chunk_size=BATCH):
            self._take(people, PersonBucket, row, of_activity(row))
            self._take(usage, UsageBucket, row, of_activity(row))
        self.of: dict[type[Bucket], Made] = {
            PersonBucket: _folded(PersonBucket, people, SPANS_OF_A_DAY),
            UsageBucket: _folded(UsageBucket, usage, SPANS_OF_A_DAY),
        }

    @staticmethod
    def _take(totals: "_Totals", model: type[Bucket], row: Any, sums: Sums) -> None:
        key = floor(row.created_at, QUARTER), row.organization_id, key_of(model, row)
        _count(totals[key], sums)


# By start, organisation and the other fields that tell buckets from each other.
_Totals = defaultdict[tuple[datetime, UUID, tuple[Any, ...]], defaultdict[str, int]]
# All fields of buckets, by id.
Made = dict[UUID, dict[str, Any]]


def _count(total: defaultdict[str, int], sums: Mapping[str, int]) -> None:
    for name, number in sums.items():
        if number:
            total[name] += number


def _folded(model: type[Bucket], totals: _Totals, spans: Iterable[int]) -> Made:
    """The buckets of each of these spans, each made of the ones before it."""
    buckets: Made = {}
    for span in spans:
        longer: _Totals = defaultdict(lambda: defaultdict(int))
        for (start, organization_id, which), sums in totals.items():
            _count(longer[floor(start, span), organization_id, which], sums)
        for (start, organization_id, which), sums in longer.items():
            if any(sums.values()):
                named = dict(zip(KEYS[model], which, strict=True))
                fields = _fields(span, start, organization_id, named)
                buckets[fields["id"]] = {**fields, **sums}
        totals = longer
    return buckets


def _week_of(model: type[Bucket], day: datetime) -> Made:
    """The buckets of the week around a day, as its days in the store make them."""
    totals: _Totals = defaultdict(lambda: defaultdict(int))
    week = floor(day, WEEK)
    sums_of = (*SUMS[model], *HISTOGRAMS[model])
    days = model._default_manager.filter(
        span=DAY, start__gte=week, start__lt=week + timedelta(minutes=WEEK)
    )
    names = ("organization_id", *KEYS[model], *sums_of)
    for organization_id, *values in days.values_list(*names).iterator():
        which, sums = tuple(values[: len(KEYS[model])]), values[len(KEYS[model]) :]
        _count(totals[week, organization_id, which], as_sums(dict(zip(sums_of, sums, strict=True))))
    return _folded(model, totals, (WEEK,))


def rebuild(day: datetime) -> int:
    """Make the buckets of a day (UTC) anew, all of them or none. Returns how many there are."""

    def work() -> int:
        made = Buckets(day)
        for model, buckets in made.of.items():
            _replace(model, stored_on(model, day), buckets)
            _replace(model, stored_week(model, day), _week_of(model, day))
        return sum(map(len, made.of.values()))

    return in_transaction(work)


def _replace(model: type[Bucket], stored: Any, made: Made) -> None:
    stored.delete()
    new = [{**_zeros(model), **_as_fields(each)} for each in made.values()]
    for begin in range(0, len(new), BATCH):
        writes.insert_each(model, new[begin : begin + BATCH])


def _zeros(model: type[Bucket]) -> dict[str, Any]:
    return dict.fromkeys(SUMS[model], 0) | {name: {} for name in HISTOGRAMS[model]}


def stored_on(model: type[Bucket], day: datetime) -> Any:
    """The buckets of a day as they are in the store, without its week's."""
    end = day + timedelta(minutes=DAY)
    return model._default_manager.filter(span__in=SPANS_OF_A_DAY, start__gte=day, start__lt=end)


def stored_week(model: type[Bucket], day: datetime) -> Any:
    """Those of the week around it."""
    return model._default_manager.filter(span=WEEK, start=floor(day, WEEK))


def _as_fields(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the model, from what may hold "durations.17"."""
    fields: dict[str, Any] = {}
    for name, value in sums.items():
        field, dot, key = name.partition(".")
        if dot:
            fields.setdefault(field, {})[key] = value
        else:
            fields[name] = value
    if "cost_usd" in fields:
        fields["cost_usd"] = from_stored(fields["cost_usd"])
    return fields


def as_sums(fields: Mapping[str, Any]) -> Sums:
    """Numbers to add up, from fields of the model; bins of a histogram as in "durations.17"."""
    sums: Sums = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            sums |= {f"{name}.{key}": number for key, number in value.items()}
        else:
            sums[name] = as_stored(value) if name == "cost_usd" else value
    return sums


def differences(day: datetime) -> list[str]:
    """Where the buckets of a day are not what the ledger makes of it, each in words."""

    def work() -> list[str]:
        made = Buckets(day).of
        return [
            line
            for model, buckets in made.items()
            for line in _compared(model, stored_on(model, day), buckets)
        ]

    return in_transaction(work)


def differences_of_week(day: datetime) -> list[str]:
    """Where those of the week around a day are not what its days in the store make of it."""

    def work() -> list[str]:
        return [
            line
            for model in KEYS
            for line in _compared(model, stored_week(model, day), _week_of(model, day))
        ]

    return in_transaction(work)


def _compared(model: type[Bucket], stored: Any, made: Made) -> Iterator[str]:
    found_by_id = {each.pk: each for each in stored.iterator(chunk_size=BATCH)}
    for key in {**found_by_id, **made}:
        wanted = model(**_as_fields(made[key])) if key in made else None
        found = found_by_id.get(key)
        for name in (*SUMS[model], *HISTOGRAMS[model]):
            # 0, {} and a bucket that is not there are the same.
            there, should = (getattr(each, name, None) or 0 for each in (found, wanted))
            if there != should:
                yield f"{found or wanted}: {name} is {there}, and {should} in the ledger"


def first_day() -> datetime | None:
    """The first day of which anything is kept; None while there is nothing."""
    firsts = [
        UsageRecord.objects.aggregate(first=Min("created_at"))["first"],
        ActivityRecord.objects.aggregate(first=Min("created_at"))["first"],
        PersonBucket.objects.filter(span=DAY).aggregate(first=Min("start"))["first"],
        UsageBucket.objects.filter(span=DAY).aggregate(first=Min("start"))["first"],
    ]
    found = [each for each in firsts if each is not None]
    return floor(min(found), DAY) if found else None


def days(since: datetime | None, until: datetime) -> Iterator[datetime]:
    """Up to that moment, from the day of `since` or the first of which anything is kept."""
    day = floor(since, DAY) if since else first_day()
    while day is not None and day <= until:
        yield day
        day += timedelta(minutes=DAY)
