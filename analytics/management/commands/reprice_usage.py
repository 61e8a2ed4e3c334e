"""`manage.py reprice_usage`: calls that nobody could price get the price that is known by now."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser
from django.db import IntegrityError

from analytics import prices, recording
from analytics.entries import TokenCounts
from analytics.management.since import day_from
from analytics.models import PriceSource, UsageRecord
from chatcore import rows
from chatcore.db import in_transaction
from chatcore.ids import derived

# Calls in one transaction. Answers that end meanwhile wait for it, so it is short; and a run that
# is cut short can be repeated.
BATCH = 50
PAGE = 1000
# By which a batch is tried again, as somebody else has written the same rows at the same moment.
TRIES = 5

FIRST = UUID(int=0)
# Whoever made the call, or the provider, said what it cost.
FINAL = frozenset({PriceSource.STATED, PriceSource.CREDITS})


class Command(BaseCommand):
    help = (
        "Price the calls that are unpriced, by the prices that administrators have set for the"
        " time of the call. Nothing is rewritten: each price is a row that adjusts the call."
        " The lists of genai-prices are used only with --all, and only for calls that were priced"
        " by them before: the records do not say whether a call went to a server of your own."
        " What was paid in credits or stated by the caller is left alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", metavar="PATTERN", help="only these, such as gpt-5*")
        parser.add_argument("--provider", metavar="NAME", help="only this one's, such as openai")
        parser.add_argument("--since", metavar="DATE", help="only calls from this day (UTC) on")
        parser.add_argument(
            "--all",
            action="store_true",
            help="also bring what has a price to the price that is known today for its time",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be priced")

    def handle(
        self,
        *,
        model: str | None,
        provider: str | None,
        since: str | None,
        all: bool,
        dry_run: bool,
        **_options: Any,
    ) -> None:
        wanted = _Wanted(
            models=prices.model_pattern(model or "*"),
            provider=provider,
            since=day_from(since),
            also_priced=all,
        )
        totals: defaultdict[tuple[str, str], _Total] = defaultdict(_Total)
        for batch in _batches(wanted):
            for each in _reprice(batch, wanted, dry_run=dry_run):
                totals[each.row.provider, each.row.model].add(each)
        self._report(totals, dry_run=dry_run)

    def _report(self, totals: "dict[tuple[str, str], _Total]", *, dry_run: bool) -> None:
        for (provider, model), total in sorted(totals.items()):
            self.stdout.write(f"{provider} {model}: {total}")
        calls = sum(total.calls for total in totals.values())
        self.stdout.write(f"{'Would price' if dry_run else 'Priced'} {calls:,} calls.")


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """Which calls are asked for."""

    models: re.Pattern[str]
    provider: str | None
    since: datetime | None
    also_priced: bool

    def has(self, row: rows.Row) -> bool:
        return (
            row["adjusts"] is None
            and row["price_source"] not in FINAL
            and self.provider in (None, row["provider"])
            and (self.since is None or row["created_at"] >= self.since)
            and self.models.fullmatch(row["model"]) is not None
        )


@dataclass(frozen=True)
class _Change:
    """A call's row, what it has cost so far, what it costs now, and the row that says so. USD."""

    row: UsageRecord
    before: Decimal
    after: Decimal
    adjustment: UsageRecord


@dataclass
class _Total:
    """What has changed for one model. USD."""

    calls: int = 0
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)

    def add(self, change: _Change) -> None:
        self.calls += 1
        self.before += change.before
        self.after += change.after

    def __str__(self) -> str:
        before, after, difference = map(
            prices.in_dollars, (self.before, self.after, self.after - self.before)
        )
        return f"{self.calls:,} calls, from {before} to {after}, difference {difference}"


def _batches(wanted: _Wanted) -> Iterator[list[UUID]]:
    calls = (row["id"] for row in _rows(wanted) if wanted.has(row))
    while batch := list(islice(calls, BATCH)):
        yield batch


def _rows(wanted: _Wanted) -> Iterator[rows.Row]:
    """The ledger in the order of its keys, a page at a time.

    No more conditions than this: another index than that of the keys would have to sort all that
    it finds, for each page anew.
    """
    equal = {} if wanted.also_priced else {"cost_usd": None}
    names = ("id", "adjusts", "price_source", "provider", "model", "created_at")
    last = FIRST
    while page := rows.read(
        UsageRecord, names, equal=equal, order=[("id", 1)], after=[last], limit=PAGE
    ):
        yield from page
        last = page[-1]["id"]


def _reprice(batch: list[UUID], wanted: _Wanted, *, dry_run: bool) -> list[_Change]:
    def work() -> list[_Change]:
        changes = [
            change
            for row, behind in _with_adjustments(batch)
            if (change := _change(row, behind, wanted)) is not None
        ]
        if not dry_run:
            recording.append([change.adjustment for change in changes])
        return changes

    if dry_run:
        # On SQLite a transaction would hold up whoever writes.
        return work()
    for attempt in range(1, TRIES + 1):
        try:
            return in_transaction(work)
        except IntegrityError:
            # Another run has priced one of them, or a month got its first row.
            if attempt == TRIES:
                raise
    raise AssertionError("unreachable")


def _with_adjustments(batch: list[UUID]) -> Iterator[tuple[UsageRecord, list[UsageRecord]]]:
    """Each call's row, and what adjusts it in the order in which it was written."""
    found = recording.of_calls(batch)
    behind: defaultdict[UUID, list[UsageRecord]] = defaultdict(list)
    for row in found:
        if row.adjusts is not None:
            behind[row.adjusts].append(row)
    for row in found:
        if row.adjusts is None:
            yield row, sorted(behind[row.pk], key=lambda each: (each.recorded_at, each.pk))


def _change(row: UsageRecord, behind: list[UsageRecord], wanted: _Wanted) -> _Change | None:
    """What has to be written for this call; None if its price is the right one or still unknown."""
    current = recording.current_of(row, behind)
    sources = {each.price_source for each in (row, *behind)}
    if sources & FINAL or not (current.unpriced_calls > 0 or wanted.also_priced):
        return None
    price = _price_of(current, is_in_catalogue=PriceSource.CATALOGUE in sources)
    before = current.cost_usd or Decimal(0)
    if price.cost_usd is None or (price.cost_usd == before and current.unpriced_calls <= 0):
        return None
    priced = UsageRecord(
        cost_usd=price.cost_usd, price_source=price.source, price_version=price.version
    )
    # The number makes the id: of two runs at once, the second one's row is there already.
    key = derived(row.pk, f"repriced-{len(behind)}")
    adjustment = recording.adjustment(current, priced, key)
    adjustment.usage_source = current.usage_source
    return _Change(row, before, price.cost_usd, adjustment)


def _price_of(call: UsageRecord, *, is_in_catalogue: bool) -> prices.Price:
    tokens = TokenCounts(
        input=call.input_tokens,
        cache_read=call.cache_read_tokens,
        cache_write=call.cache_write_tokens,
        cache_write_1h=call.cache_write_1h_tokens,
        output=call.output_tokens,
        reasoning=call.reasoning_tokens,
    )
    ask = prices.price_of if is_in_catalogue else prices.override_of
    return ask(call.provider, call.model, tokens, call.created_at)
