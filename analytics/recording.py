"""Writes the ledger: one row for each call of a provider, whatever became of it.

Called from threads. A failure here never breaks what was being done: the entry waits in a file
(analytics/spool.py) and is written when the store takes it again.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from decimal import Decimal
from typing import Any
from uuid import UUID

from analytics import prices, rollups, spool
from analytics.entries import UsageEntry
from analytics.line import Line
from analytics.models import (
    PriceSource,
    SpendingMonth,
    UsageRecord,
    UsageSource,
    month_of,
)
from chatcore import clock, rows, writes
from chatcore.db import is_write_conflict, store_is_away
from chatcore.ids import derived
from chatcore.money import as_stored, usd

logger = logging.getLogger("chatcore.usage")

# Who drains the spool looks for answers whose process is gone as well, and those are waited for.
DRAIN_SECONDS = 2.0
# Of this process since its start, for whoever looks after it.
counts: Counter[str] = Counter()

_TOKENS = (
    *("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("output_tokens", "reasoning_tokens"),
)


def record_usage(entry: UsageEntry) -> bool:
    """Write the entry. Never raises.

    Returns whether it is in the ledger; otherwise it waits in the spool. The same entry again
    changes nothing, but where it was estimated before and is known better now: then an adjustment
    is written behind it.
    """
    try:
        write(entry)
    except Exception as error:
        counts["failed"] += 1
        if store_is_away(error) or is_write_conflict(error):
            logger.warning("A call waits to be recorded (%s)", type(error).__name__)
        else:
            logger.exception("A call could not be recorded; it waits in %s", spool.folder())
        _spool(entry)
        return False
    counts["recorded"] += 1
    return True


def _spool(entry: UsageEntry) -> None:
    try:
        spool.keep(entry)
    except OSError as error:
        counts["lost"] += 1
        # The last resort: an administrator can put it back from the log.
        logger.error("A call could not be spooled (%s): %r", error.strerror, entry)
    else:
        counts["spooled"] += 1


def drain_spool(settle: Callable[[UsageEntry], bool] | None = None) -> bool:
    """Write what waited, for a while; what is left waits for the next time.

    `settle` is told of each call that is in the ledger now, for what was added up without it. It
    returns whether it has done so; until then the call waits, and it may be told of it again.
    Returns whether there was anything; raises if the store is away.
    """
    waiting = len(spool.waiting())
    if not waiting:
        return False
    end = time.monotonic() + DRAIN_SECONDS
    for entry in spool.entries():
        if not _write_late(entry, settle) or time.monotonic() > end:
            break
    left = len(spool.waiting())
    if left < waiting:
        logger.warning("Calls recorded from the spool: %d; left: %d", waiting - left, left)
    return True


def _write_late(entry: UsageEntry, settle: Callable[[UsageEntry], bool] | None) -> bool:
    """Whether it makes sense to go on with others now."""
    is_recorded = False
    try:
        _write(entry)
        is_recorded = True
        is_settled = settle is None or settle(entry)
    except Exception as error:
        if store_is_away(error):
            raise
        if is_write_conflict(error):
            return False
        if is_recorded:
            logger.exception("What came late to the ledger could not be added up: %s", entry.id)
        else:
            logger.exception("A spooled call could not be recorded: %s", entry.id)
        # What is in the ledger is safe, and what cannot be added up would not be the next time.
        is_settled = is_recorded
    if is_settled:
        spool.drop(entry)
    return True


def write(entry: UsageEntry) -> None:
    """As `record_usage`, but raises what the store says."""
    _write(entry)
    spool.drop(entry)


def _write(entry: UsageEntry) -> None:
    _line.put(_row_of(entry))


def _write_missing(calls: Sequence[UsageRecord]) -> None:
    """What the ledger does not say of these calls yet."""
    earlier = _known([row.pk for row in calls])
    changes = [row if row.pk not in earlier else _correction(earlier[row.pk], row) for row in calls]
    append([change for change in changes if change is not None])


_line = Line(_write_missing)


def _known(ids: Sequence[UUID]) -> dict[UUID, UsageRecord]:
    if len(ids) == 1:  # mostly, and much quicker
        row = rows.one(UsageRecord, id=ids[0])
        return {} if row is None else {row.pk: row}
    return {row.pk: row for row in UsageRecord.objects.filter(pk__in=ids)}


def append(new: Sequence[UsageRecord]) -> None:
    """Write these rows, and what they add to months and buckets. Call it inside a transaction."""
    writes.insert_each(UsageRecord, [writes.values_of(row) for row in new])
    writes.add_each(SpendingMonth, [month for row in new for month in _months_of(row)])
    rollups.add_usage(new)


def _months_of(row: UsageRecord) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    """What the row adds to the months of its person and organisation."""
    for subject in (row.user_id, row.organization_id):
        yield (
            {
                "id": SpendingMonth.key(subject, row.created_at),
                "subject_id": subject,
                "month": month_of(row.created_at),
            },
            {"spent_usd": as_stored(row.cost_usd or Decimal(0)), "version": 1, "reservations": 0},
        )


def _row_of(entry: UsageEntry) -> UsageRecord:
    tokens = entry.tokens
    price = _price_of(entry)
    units = entry.units
    if units is None:
        units = tokens.total if entry.model else 1
    return UsageRecord(
        id=entry.id,
        organization_id=entry.organization_id,
        user_id=entry.user_id,
        provider=entry.provider,
        endpoint=entry.endpoint,
        method=entry.method,
        model=entry.model,
        units=units,
        status=entry.status,
        duration_ms=entry.duration_ms,
        ttft_ms=entry.ttft_ms,
        error=entry.error,
        input_tokens=tokens.input,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        cache_write_1h_tokens=tokens.cache_write_1h,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        usage_source=entry.usage_source,
        estimated_calls=int(entry.usage_source == "estimated"),
        cost_usd=price.cost_usd,
        price_source=price.source,
        price_version=price.version,
        unpriced_calls=int(price.is_unpriced),
        credits=entry.credits,
        credits_saved=entry.credits_saved,
        conversation_id=entry.conversation_id,
        generation_id=entry.generation_id,
        step=entry.step,
        request_id=entry.request_id,
        created_at=clock.in_milliseconds(entry.created_at),
        recorded_at=clock.now(),
    )


def _price_of(entry: UsageEntry) -> "prices.Price":
    if entry.is_paid_in_credits:
        return prices.Price(None, PriceSource.CREDITS)
    if entry.cost_usd is not None:
        return prices.Price(usd(entry.cost_usd), PriceSource.STATED)
    return prices.price_of(
        entry.provider, entry.model, entry.tokens, entry.created_at, api_url=entry.api_url
    )


def _correction(earlier: UsageRecord, row: UsageRecord) -> UsageRecord | None:
    """What has to stand behind the earlier row of this call so that both together say what this
    one says; None if that one is as good.

    A process that was taken for dead may wake up and know what the reaper could only estimate.
    """
    if earlier.usage_source == UsageSource.PROVIDER:
        return None
    # It may have been corrected or repriced since.
    earlier = current_of(earlier, list(UsageRecord.objects.filter(adjusts=earlier.pk)))
    if earlier.usage_source == UsageSource.PROVIDER:
        return None
    is_counted = row.usage_source == UsageSource.PROVIDER
    if not is_counted and row.units <= earlier.units:
        return None
    change = adjustment(earlier, row, derived(earlier.pk, f"counted-{row.units}"))
    change.units = row.units - earlier.units
    for name in _TOKENS:
        setattr(change, name, getattr(row, name) - getattr(earlier, name))
    change.usage_source = row.usage_source
    change.estimated_calls = row.estimated_calls - earlier.estimated_calls
    return change


def current_of(row: UsageRecord, behind: Sequence[UsageRecord]) -> UsageRecord:
    """The call as the row and its adjustments say it together. Not to be saved."""
    current = copy(row)
    for name in ("units", *_TOKENS, "unpriced_calls", "estimated_calls"):
        setattr(current, name, sum(getattr(each, name) for each in (row, *behind)))
    costs = [each.cost_usd for each in (row, *behind) if each.cost_usd is not None]
    current.cost_usd = sum(costs, Decimal(0)) if costs else None
    is_estimated = current.estimated_calls > 0
    current.usage_source = UsageSource.ESTIMATED if is_estimated else UsageSource.PROVIDER
    return current


def adjustment(earlier: UsageRecord, priced: UsageRecord, key: UUID) -> UsageRecord:
    """A row, not saved, that adjusts `earlier` to what `priced` costs."""
    cost = None
    if priced.cost_usd is not None:
        cost = priced.cost_usd - (earlier.cost_usd or Decimal(0))
    copied: dict[str, Any] = {
        name: getattr(earlier, name)
        for name in (
            *("organization_id", "user_id", "provider", "endpoint", "method", "model", "status"),
            *("conversation_id", "generation_id", "step", "request_id", "created_at"),
        )
    }
    return UsageRecord(
        **copied,
        id=key,
        adjusts=earlier.pk,
        calls=0,
        cost_usd=cost,
        price_source=priced.price_source,
        price_version=priced.price_version,
        unpriced_calls=priced.unpriced_calls - earlier.unpriced_calls,
        recorded_at=clock.now(),
    )


def call_id(generation_id: UUID, step: int) -> UUID:
    """The id of the ledger's row for one call of an answer."""
    return derived(generation_id, f"call-{step}")


def of_calls(ids: Iterable[UUID]) -> list[UsageRecord]:
    """The rows of these calls, with what adjusts them."""
    wanted = list(ids)
    found = list(UsageRecord.objects.filter(pk__in=wanted))
    return found + list(UsageRecord.objects.filter(adjusts__in=wanted))
