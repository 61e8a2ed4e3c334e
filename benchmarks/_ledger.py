"""Fills a new store with a ledger, and prints what reports of it cost, as JSON in seconds.

`python -m benchmarks._ledger 1000000`, for analytics.py: calls of 500 people and 8 models over 90
days, the same at every run.
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
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from unittest import mock
from uuid import UUID
from zoneinfo import ZoneInfo

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatcore.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Sum  # noqa: E402
from django.db.models.functions import TruncDate  # noqa: E402

from accounts.models import Organization, User  # noqa: E402
from analytics import recording, reports, rollups  # noqa: E402
from analytics.entries import TokenCounts, UsageEntry  # noqa: E402
from analytics.models import PersonBucket, UsageRecord  # noqa: E402
from analytics.report_shapes import Report  # noqa: E402
from analytics.spans import DAY, Window  # noqa: E402
from chatcore.ids import at, new_id  # noqa: E402

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
    figures: dict[str, float] = {}
    with timed(figures, "filled"):
        fill(organization.pk, [person.pk for person in people], size)
    with timed(figures, "rebuilt"):
        for day in rollups.days(None, NOW):
            rollups.rebuild(day)
    window = Window(NOW - timedelta(days=30), NOW)
    figures["report"] = median(RUNS, lambda: report(window, "UTC"))
    figures["report in Kolkata"] = median(RUNS, lambda: report(window, "Asia/Kolkata"))
    figures["plain"] = median(PLAIN_RUNS, lambda: plain(window))
    record(figures, people[0])
    print(json.dumps(figures))


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
def fill(organization_id: UUID, people: list[UUID], size: int) -> None:
    batch: list[UsageRecord] = []
    for record in calls(organization_id, people, size):
        batch.append(record)
        if len(batch) == ROWS_AT_ONCE:
            insert(batch)
            batch = []
    if batch:
        insert(batch)


def calls(organization_id: UUID, people: list[UUID], size: int) -> Iterator[UsageRecord]:
    """In the order of time, as a ledger is written."""
    begin = NOW - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / size
    for number in range(size):
        is_lookup = number % EVERY_NTH_IS_A_LOOKUP == 0
        created_at = begin + number * step
        output = randomly.randrange(20, 900)
        yield UsageRecord(
            id=at(created_at, number),
            organization_id=organization_id,
            user_id=people[randomly.randrange(PEOPLE)],
            provider="rocketreach" if is_lookup else "openai",
            endpoint="person_lookup" if is_lookup else "assistant_stream",
            model="" if is_lookup else f"model-{randomly.randrange(MODELS)}",
            units=output,
            status="error" if number % 37 == 0 else "success",
            duration_ms=randomly.randrange(500, 20_000),
            ttft_ms=randomly.randrange(100, 2_000),
            input_tokens=0 if is_lookup else 400,
            output_tokens=0 if is_lookup else output,
            cost_usd=None if is_lookup else Decimal(output) / 1_000_000,
            created_at=created_at.replace(microsecond=0),
            recorded_at=created_at.replace(microsecond=0),
        )


FIELDS = list(UsageRecord._meta.concrete_fields)


def insert(batch: list[UsageRecord]) -> None:
    """Without Django's queries, which take longer than the store."""
    stored = [
        [field.get_db_prep_save(getattr(each, field.attname), connection) for field in FIELDS]
        for each in batch
    ]
    columns = [field.column for field in FIELDS]
    if connection.vendor == "mongodb":
        collection = cast(Any, connection).get_collection(UsageRecord._meta.db_table)
        collection.insert_many(
            [dict(zip(columns, values, strict=True)) for values in stored], ordered=False
        )
        return
    names = ", ".join(f'"{column}"' for column in columns)
    places = ", ".join(["%s"] * len(columns))
    table = UsageRecord._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({places})', stored)
        cursor.execute("COMMIT")


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
                rollups, "add_usage", rollups.add_usage if name == "recorded" else lambda _: None
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
