"""Fills a new store with a ledger, and prints what reports of it cost, as JSON in seconds.

`python -m benchmarks._ledger 1000000`, for analytics.py: calls of 500 people and 8 models over 90
days, the same at every run. A store that is filled already is measured as it is.
"""

import gc
import json
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, cast
from unittest import mock
from uuid import UUID
from zoneinfo import ZoneInfo

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatcore.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import DatabaseError, connection, models  # noqa: E402
from django.db.models import Sum  # noqa: E402
from django.db.models.functions import TruncDate  # noqa: E402

from accounts.models import Organization, User  # noqa: E402
from analytics import recording, reports, rollups  # noqa: E402
from analytics.entries import TokenCounts, UsageEntry  # noqa: E402
from analytics.models import PersonBucket, UsageRecord  # noqa: E402
from analytics.report_shapes import Report  # noqa: E402
from analytics.spans import DAY, Window  # noqa: E402
from chatcore.db import atomic  # noqa: E402
from chatcore.ids import new_id  # noqa: E402

PEOPLE, MODELS, DAYS = 500, 8, 90
# No full hour: a report has two edges.
NOW = datetime(2026, 11, 20, 14, 37, 12, 345000, tzinfo=UTC)
ROWS_AT_ONCE = 20_000
RUNS, PLAIN_RUNS = 15, 3
RECORDED, AT_ONCE = 300, 200
EVERY_NTH_IS_A_LOOKUP = 50

randomly = random.Random(5)


def main(size: int) -> None:
    gc.disable()
    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    figures: dict[str, float] = {}
    if not User.objects.exists():
        make(figures, size)
    window = Window(NOW - timedelta(days=30), NOW)
    figures["report"] = median(RUNS, lambda: report(window, "UTC"))
    figures["report in Kolkata"] = median(RUNS, lambda: report(window, "Asia/Kolkata"))
    # Of ten million calls MongoDB takes longer than a query may.
    with suppress(DatabaseError):
        figures["plain"] = median(PLAIN_RUNS, lambda: plain(window))
    record(figures, User.objects.earliest("email"))
    print(json.dumps(figures))


def make(figures: dict[str, float], size: int) -> None:
    organization = Organization.objects.create(name="Acme")
    people = [
        User(
            email=f"person-{number}@acme.example",
            name=f"Person {number}",
            organization=organization,
        )
        for number in range(PEOPLE)
    ]
    User.objects.bulk_create(people)
    with timed(figures, "filled"):
        fill(organization.pk, [person.pk for person in people], size)
    with timed(figures, "rebuilt"):
        for day in rollups.days(None, NOW):
            rollups.rebuild(day)


@contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    figures[name] = time.perf_counter() - begun


def median(runs: int, work: Callable[[], Any]) -> float:
    # The first one reads what no cache has.
    work()
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


# --- Filling --------------------------------------------------------------------------------------
FIELDS = list(UsageRecord._meta.concrete_fields)
COLUMNS = [str(field.column) for field in FIELDS]


def fill(organization_id: UUID, people: list[UUID], size: int) -> None:
    rows = calls(organization_id, people, size)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        insert(batch)


def calls(organization_id: UUID, people: list[UUID], size: int) -> Iterator[dict[str, Any]]:
    """Rows as the store has them, in the order of time, as a ledger is written.

    Made of a few that Django prepared: it takes longer for each value than the store does.
    """
    model_calls = [
        stored(organization_id, provider="openai", endpoint="assistant_stream", model=f"model-{n}")
        for n in range(MODELS)
    ]
    lookup = stored(organization_id, provider="rocketreach", endpoint="person_lookup", cost=None)
    user_ids = [prepared("user_id", person) for person in people]
    begin = NOW - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / size
    pick = randomly.random
    for number in range(size):
        created_at = begin + number * step
        is_lookup = number % EVERY_NTH_IS_A_LOOKUP == 0
        row = (lookup if is_lookup else model_calls[int(pick() * MODELS)]).copy()
        output = 20 + int(pick() * 880)
        row["_id"] = as_key(at_number(created_at, number))
        row["userId"] = user_ids[int(pick() * PEOPLE)]
        row["units"] = output
        row["status"] = "error" if number % 37 == 0 else "success"
        row["durationMs"] = 500 + int(pick() * 19_500)
        row["ttftMs"] = 100 + int(pick() * 1_900)
        if not is_lookup:
            row["outputTokens"] = output
            row["costUsdE10"] = output * 10_000
        row["createdAt"] = row["recordedAt"] = as_moment(created_at)
        yield row


def stored(organization_id: UUID, *, cost: int | None = 0, **fields: Any) -> dict[str, Any]:
    """A row as the store has it."""
    row = UsageRecord(
        organization_id=organization_id,
        user_id=organization_id,
        input_tokens=400 if fields.get("model") else 0,
        cost_usd=cost,
        **fields,
    )
    values = [prepared(field.attname, getattr(row, field.attname)) for field in FIELDS]
    return dict(zip(COLUMNS, values, strict=True))


def prepared(name: str, value: Any) -> Any:
    field = cast("models.Field[Any, Any]", UsageRecord._meta.get_field(name))
    return field.get_db_prep_save(value, connection)


def at_number(moment: datetime, number: int) -> UUID:
    """An id of that time."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62 | number)


def as_key(key: UUID) -> Any:
    return prepared("id", key) if connection.vendor == "mongodb" else key.hex


def as_moment(moment: datetime) -> Any:
    return moment if connection.vendor == "mongodb" else f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def insert(batch: list[dict[str, Any]]) -> None:
    """Without Django's queries, which take longer than the store."""
    table = UsageRecord._meta.db_table
    if connection.vendor == "mongodb":
        cast(Any, connection).get_collection(table).insert_many(batch, ordered=False)
        return
    names = ", ".join(f'"{column}"' for column in COLUMNS)
    places = ", ".join(["?"] * len(COLUMNS))
    with atomic(), connection.cursor() as cursor:
        # The driver's own cursor: Django's looks at each statement for its placeholders.
        cursor.cursor.connection.executemany(
            f'INSERT INTO "{table}" ({names}) VALUES ({places})',
            [tuple(row.values()) for row in batch],
        )


# --- What is measured -----------------------------------------------------------------------------
def report(window: Window, zone: str) -> Report:
    return reports.report(window, period="30d", scope=None, zone=ZoneInfo(zone), now=NOW)


def plain(window: Window) -> list[Any]:
    """The same sums as three plain aggregations of the ledger; without activity and latencies."""
    names = ("calls", "input_tokens", "output_tokens", "cost_usd", "unpriced_calls")
    sums = {f"sum_{name}": Sum(name) for name in names}
    found: list[Any] = []
    for each in (window, window.before):
        rows = UsageRecord.objects.between(each.start, each.end).order_by()
        found += rows.values("user_id", "provider", "endpoint", "status").annotate(**sums)
    rows = UsageRecord.objects.between(window.start, window.end).order_by()
    found += rows.values("provider", "endpoint", "model", "status").annotate(**sums)
    found += rows.annotate(day=TruncDate("created_at", tzinfo=UTC)).values("day").annotate(**sums)
    return found


def record(figures: dict[str, float], person: User) -> None:
    """What a row costs with its buckets and without them, in turns; and many at one moment."""
    kinds: dict[str, list[float]] = {"recorded": [], "recorded without buckets": []}
    for _ in range(RECORDED):
        for name, seconds in kinds.items():
            entry = an_entry(person)
            with mock.patch.object(
                rollups,
                "add_usage",
                rollups.add_usage if name == "recorded" else lambda _rows: None,
            ):
                begun = time.perf_counter()
                recording.write(entry)
                seconds.append(time.perf_counter() - begun)
    figures.update({name: statistics.median(seconds) for name, seconds in kinds.items()})
    before = counted(person)
    threads = [
        threading.Thread(target=recording.record_usage, args=(an_entry(person),))
        for _ in range(AT_ONCE)
    ]
    with timed(figures, "at once"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    figures["lost at once"] = AT_ONCE - (counted(person) - before)


def an_entry(person: User) -> UsageEntry:
    return UsageEntry(
        id=new_id(),
        organization_id=person.organization_id,
        user_id=person.pk,
        provider="openai",
        endpoint="assistant_stream",
        status="success",
        model="model-1",
        created_at=NOW,
        duration_ms=2_000,
        ttft_ms=300,
        tokens=TokenCounts(input=400, output=300),
        cost_usd=Decimal("0.001"),
    )


def counted(person: User) -> int:
    rows = PersonBucket.objects.filter(
        span=DAY, user_id=person.pk, start__gte=NOW - timedelta(days=1)
    )
    return int(rows.aggregate(calls=Sum("calls"))["calls"] or 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
