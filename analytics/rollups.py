"""Keeps the buckets: sums of the ledger by spans of time, of people and of models.

They are written in the very transaction that writes the ledger's row. `rebuild` makes those of a
day anew from the ledger, `differences` compares the two.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Min

from analytics.histograms import bin_of
from analytics.models import ActivityRecord, PersonBucket, UsageBucket, UsageRecord, UsageStatus
from analytics.models.buckets import Bucket
from analytics.spans import DAY, SPANS, floor
from chatcore import ids, writes
from chatcore.db import in_transaction
from chatcore.money import as_stored, from_stored

# As the tool's entries have it (assistant/rocketreach_desk.py).
ROCKETREACH, SEARCH, LOOKUP = "rocketreach", "person_search", "person_lookup"
BATCH = 1_000

Sums = dict[str, int]
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


_line = threading.Lock()

TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
_PARTS_OF_TOKENS = ("cache_write_1h_tokens", "reasoning_tokens")
USAGE_FIELDS = tuple(UsageRow.__annotations__)


# --- What a row adds ------------------------------------------------------------------------------
def of_person(row: UsageRow) -> Sums:
    """What a row of the ledger adds to a bucket of its person; all zeros for what is not shown."""
    is_model = bool(row.model)
    is_lookup = row.provider == ROCKETREACH
    failed = row.calls if row.status == UsageStatus.ERROR else 0
    return {
        "calls": row.calls if is_model else 0,
        "errors": failed if is_model else 0,
        "unpriced_calls": row.unpriced_calls if is_model else 0,
        "estimated_calls": row.estimated_calls if is_model else 0,
        "cost_usd": as_stored(row.cost_usd) if is_model and row.cost_usd is not None else 0,
        "tokens": sum(getattr(row, name) for name in TOKENS) if is_model else 0,
        "credits": row.credits if is_lookup else 0,
        "credits_saved": row.credits_saved if is_lookup else 0,
        "searches": row.calls if is_lookup and row.endpoint == SEARCH else 0,
        "lookups": row.calls if is_lookup and row.endpoint == LOOKUP else 0,
        "successes": row.calls - failed if is_lookup else 0,
        "chats": 0,
        "messages": 0,
    }


def of_activity(row: ActivityRecord) -> Sums:
    """What is written adds these to a bucket of its person."""
    nothing = dict.fromkeys(PERSON_SUMS, 0)
    return {**nothing, "chats": row.chats, "messages": row.messages}


def of_usage(row: UsageRow) -> Sums:
    """What a row of the ledger adds to a bucket of its model or endpoint."""
    sums = {
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
    if row.calls == 1:
        sums[f"durations.{bin_of(row.duration_ms)}"] = 1
        if row.ttft_ms is not None:
            sums[f"ttfts.{bin_of(row.ttft_ms)}"] = 1
    return sums


PERSON_SUMS = (
    *("calls", "errors", "unpriced_calls", "estimated_calls", "cost_usd", "tokens", "credits"),
    *("credits_saved", "searches", "lookups", "successes", "chats", "messages"),
)
USAGE_SUMS = (
    *("calls", "errors", "unpriced_calls", "estimated_calls", "cost_usd", "credits"),
    *("credits_saved", *TOKENS, *_PARTS_OF_TOKENS, "duration_ms"),
)


# --- Writing along --------------------------------------------------------------------------------
def add_usage(row: UsageRow) -> None:
    """Add a new row of the ledger. Call it inside the transaction that writes the row."""
    usage = {name: getattr(row, name) for name in ("provider", "endpoint", "model")}
    _add(UsageBucket, row.organization_id, usage, row.created_at, of_usage(row))
    _add(PersonBucket, row.organization_id, _person(row), row.created_at, of_person(row))


def add_activity(row: ActivityRecord) -> None:
    """Add what was written. Call it inside the transaction that writes the row."""
    _add(PersonBucket, row.organization_id, _person(row), row.created_at, of_activity(row))


def in_line(work: Callable[[], None]) -> None:
    """Run a transaction that writes buckets, one at a time in this process.

    All write the sums of their organisation or person. MongoDB ends all but one of those that do it
    at the same moment, and SQLite makes them wait in any case. Never inside another transaction:
    whoever is in the line may be waiting for it.
    """
    for attempt in range(2):
        try:
            with _line:
                in_transaction(work)
            return
        except IntegrityError:
            # Another process made the same row, or the first one of its bucket, at the same moment.
            if attempt:
                raise


def _person(row: UsageRow | ActivityRecord) -> Key:
    return {"user_id": row.user_id}


def _add(
    model: type[Bucket], organization_id: UUID, which: Key, moment: datetime, sums: Sums
) -> None:
    if not any(sums.values()):
        return
    writes.add_each(
        model,
        [(_fields(span, floor(moment, span), organization_id, which), sums) for span in SPANS],
    )


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
        self.day = day
        self.people: dict[UUID, dict[str, Any]] = {}
        self.usage: dict[UUID, dict[str, Any]] = {}
        self._read()

    def _read(self) -> None:
        end = self.day + timedelta(minutes=DAY)
        people: _Quarters = defaultdict(lambda: defaultdict(int))
        usage: _Quarters = defaultdict(lambda: defaultdict(int))
        rows: Iterator[Any] = (
            UsageRecord.objects.between(self.day, end)
            .values_list(*USAGE_FIELDS, named=True)
            .iterator(chunk_size=BATCH)
        )
        for row in rows:
            quarter = floor(row.created_at, SPANS[0])
            _count(people[quarter, row.organization_id, (row.user_id,)], of_person(row))
            which = (row.provider, row.endpoint, row.model)
            _count(usage[quarter, row.organization_id, which], of_usage(row))
        for row in ActivityRecord.objects.between(self.day, end).iterator(chunk_size=BATCH):
            quarter = floor(row.created_at, SPANS[0])
            _count(people[quarter, row.organization_id, (row.user_id,)], of_activity(row))
        self.people = _folded(people, ("user_id",))
        self.usage = _folded(usage, ("provider", "endpoint", "model"))


_Quarters = defaultdict[tuple[datetime, UUID, tuple[Any, ...]], defaultdict[str, int]]


def _count(total: defaultdict[str, int], sums: Mapping[str, int]) -> None:
    for name, number in sums.items():
        if number:
            total[name] += number


def _folded(quarters: _Quarters, names: tuple[str, ...]) -> dict[UUID, dict[str, Any]]:
    """All fields of the buckets of each span, by id."""
    buckets: dict[UUID, dict[str, Any]] = {}
    level = quarters
    for span in SPANS:
        longer: _Quarters = defaultdict(lambda: defaultdict(int))
        for (start, organization_id, which), sums in level.items():
            _count(longer[floor(start, span), organization_id, which], sums)
        for (start, organization_id, which), sums in longer.items():
            if any(sums.values()):
                named = dict(zip(names, which, strict=True))
                fields = _fields(span, start, organization_id, named)
                buckets[fields["id"]] = {**fields, **sums}
        level = longer
    return buckets


def rebuild(day: datetime) -> int:
    """Make the buckets of a day (UTC) anew, all of them or none. Returns how many there are."""

    def work() -> int:
        made = Buckets(day)
        for model, fields in ((PersonBucket, made.people), (UsageBucket, made.usage)):
            stored_on(model, day).delete()
            new = [{**_zeros(model), **_as_fields(each)} for each in fields.values()]
            for begin in range(0, len(new), BATCH):
                writes.insert_each(model, new[begin : begin + BATCH])
        return len(made.people) + len(made.usage)

    return in_transaction(work)


def _zeros(model: type[Bucket]) -> dict[str, Any]:
    return dict.fromkeys(_sums_of(model), 0) | {"durations": {}, "ttfts": {}}


def stored_on(model: type[Bucket], day: datetime) -> Any:
    """The buckets of a day as they are in the store."""
    end = day + timedelta(minutes=DAY)
    return model._default_manager.filter(span__in=SPANS, start__gte=day, start__lt=end)


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


def differences(day: datetime) -> list[str]:
    """Where the buckets of a day are not what the ledger makes of it, each in words."""

    def work() -> list[str]:
        made = Buckets(day)
        return [
            *_compared(PersonBucket, day, made.people),
            *_compared(UsageBucket, day, made.usage),
        ]

    return in_transaction(work)


def _compared(
    model: type[Bucket], day: datetime, made: Mapping[UUID, Mapping[str, Any]]
) -> Iterator[str]:
    stored = {each.pk: each for each in stored_on(model, day).iterator(chunk_size=BATCH)}
    for key in {**stored, **made}:
        wanted = model(**_as_fields(made[key])) if key in made else None
        found = stored.get(key)
        for name in _sums_of(model):
            # 0, {} and a bucket that is not there are the same.
            there, should = (getattr(each, name, None) or 0 for each in (found, wanted))
            if there != should:
                yield f"{found or wanted}: {name} is {there}, and {should} in the ledger"


def _sums_of(model: type[Bucket]) -> tuple[str, ...]:
    if model is PersonBucket:
        return PERSON_SUMS
    return (*USAGE_SUMS, "durations", "ttfts")


def first_day() -> datetime | None:
    """The first day of which anything is kept; None while there is nothing."""
    firsts = [
        UsageRecord.objects.aggregate(first=Min("created_at"))["first"],
        ActivityRecord.objects.aggregate(first=Min("created_at"))["first"],
        PersonBucket.objects.aggregate(first=Min("start"))["first"],
        UsageBucket.objects.aggregate(first=Min("start"))["first"],
    ]
    found = [each for each in firsts if each is not None]
    return floor(min(found), DAY) if found else None


def days(since: datetime | None, until: datetime) -> Iterator[datetime]:
    """Up to that moment, from the day of `since` or the first of which anything is kept."""
    day = floor(since, DAY) if since else first_day()
    while day is not None and day <= until:
        yield day
        day += timedelta(minutes=DAY)
