"""What one person has used, added up from the ledger.

Each sum counts the rows and what adjusts them alike: calls are added up, never rows counted.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Case, IntegerField, Sum, Value, When

from analytics.budgets import Budget
from analytics.models import UsageRecord, UsageStatus
from analytics.rollups import LOOKUP, ROCKETREACH, SEARCH, TOKENS
from analytics.shapes import (
    BudgetState,
    DayUsage,
    ModelUsage,
    Period,
    PersonalPeriod,
    RocketReachUsage,
    ToolUsage,
    Totals,
    UsageStatistics,
)

PERIODS: dict[Period, timedelta] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
_SUMS = (
    *("calls", "unpriced_calls", "estimated_calls", *TOKENS, "reasoning_tokens"),
    *("cost_usd", "credits", "credits_saved"),
)

# The sums of those calls of one day that are of one provider, model, endpoint and status.
Cell = dict[str, Any]
Key = TypeVar("Key", bound=Hashable)


def statistics(
    user_id: UUID, period: PersonalPeriod, now: datetime, zone: ZoneInfo
) -> UsageStatistics:
    """What this person has used in the period up to now. One query."""
    start = start_of(period, now, zone)
    dates = _dates(start, now, zone)
    cells = _cells(user_id, start, [_midnight(each, zone) for each in dates[1:]])
    # Only a model has a name; what has none is a tool.
    models = [cell for cell in cells if cell["model"]]
    days = _by_day(models, dates)
    return UsageStatistics(
        period=period,
        time_zone=zone.key,
        start=start,
        end=now,
        totals=_totals(models),
        by_model=_by_model(models),
        by_day=days,
        today=days[-1],
        tools=ToolUsage(rocket_reach=_rocketreach(cells)),
    )


def start_of(period: PersonalPeriod, now: datetime, zone: ZoneInfo) -> datetime:
    """Where the period begins that ends now."""
    if period == "month":
        return _midnight(now.astimezone(zone).date().replace(day=1), zone)
    return now - PERIODS[period]


def _dates(start: datetime, now: datetime, zone: ZoneInfo) -> list[date]:
    """Every day from the first to today."""
    first, today = start.astimezone(zone).date(), now.astimezone(zone).date()
    return [first + timedelta(days=n) for n in range((today - first).days + 1)]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins there."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def budget_state(budget: Budget) -> BudgetState:
    """What a person may know of it: of an organisation's budget only the share."""
    is_own = budget.of == "you"
    return BudgetState(
        of=budget.of,
        limit_usd=plain(budget.limit_usd) if is_own else None,
        spent_usd=plain(budget.spent_usd) if is_own else None,
        share=plain(budget.share.quantize(Decimal("0.01"), ROUND_FLOOR)),
        is_warned=budget.is_warned,
        is_exhausted=budget.is_exhausted,
        resets_at=budget.resets_at,
    )


def _cells(user_id: UUID, start: datetime, midnights: list[datetime]) -> list[Cell]:
    """With the number of their day, which `midnights` part: no store has to know time zones.

    No bound but `start`: another host's clock may be ahead of ours, and its row would then be
    missing from what is cached. It is of the last day.
    """
    days = [When(created_at__lt=end, then=Value(n)) for n, end in enumerate(midnights)]
    day = Case(*days, default=Value(len(midnights)), output_field=IntegerField())
    found = (
        UsageRecord.objects.of_user(user_id)
        .filter(created_at__gte=start)
        .annotate(day=day)
        .values("day", "provider", "model", "endpoint", "status")
        .annotate(**{f"sum_{name}": Sum(name) for name in _SUMS})
        .order_by()
    )
    return cast("list[Cell]", list(found))


def _totals(cells: list[Cell]) -> Totals:
    return Totals(
        **_spent(cells),
        errors=_sum([cell for cell in cells if cell["status"] == UsageStatus.ERROR], "calls"),
        input_tokens=_sum(cells, "input_tokens"),
        cache_read_tokens=_sum(cells, "cache_read_tokens"),
        cache_write_tokens=_sum(cells, "cache_write_tokens"),
        output_tokens=_sum(cells, "output_tokens"),
        reasoning_tokens=_sum(cells, "reasoning_tokens"),
        estimated_calls=_sum(cells, "estimated_calls"),
    )


def _by_model(cells: list[Cell]) -> list[ModelUsage]:
    """The dearest first, then those with the most tokens."""
    groups = _grouped(cells, lambda cell: (str(cell["provider"]), str(cell["model"])))
    models = [
        ModelUsage(provider=provider, model=model, **_spent(group))
        for (provider, model), group in groups.items()
    ]
    return sorted(
        models,
        key=lambda each: (-(each.cost_usd or 0), -each.total_tokens, each.provider, each.model),
    )


def _by_day(cells: list[Cell], dates: list[date]) -> list[DayUsage]:
    groups = _grouped(cells, lambda cell: int(cell["day"]))
    return [DayUsage(day=day, **_spent(groups.get(n, []))) for n, day in enumerate(dates)]


def _rocketreach(cells: list[Cell]) -> RocketReachUsage:
    own = [cell for cell in cells if cell["provider"] == ROCKETREACH]
    return RocketReachUsage(
        searches=_sum([cell for cell in own if cell["endpoint"] == SEARCH], "calls"),
        lookups=_sum([cell for cell in own if cell["endpoint"] == LOOKUP], "calls"),
        credits=_sum(own, "credits"),
        credits_saved=_sum(own, "credits_saved"),
    )


def _spent(cells: list[Cell]) -> dict[str, Any]:
    """The fields of `Spent`."""
    cost = sum((cell["sum_cost_usd"] or Decimal(0) for cell in cells), Decimal(0))
    unpriced = _sum(cells, "unpriced_calls")
    return {
        "calls": _sum(cells, "calls"),
        "total_tokens": sum(_sum(cells, name) for name in TOKENS),
        "cost_usd": None if unpriced and not cost else plain(cost),
        "unpriced_calls": unpriced,
    }


def _sum(cells: Iterable[Cell], name: str) -> int:
    # The driver of MongoDB has an integer of its own, which no encoder knows.
    return int(sum(cell[f"sum_{name}"] for cell in cells))


def _grouped(cells: Iterable[Cell], key: Callable[[Cell], Key]) -> dict[Key, list[Cell]]:
    groups: defaultdict[Key, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[key(cell)].append(cell)
    return groups


def plain(amount: Decimal) -> Decimal:
    """The same number without zeros at its end and, unless it is tiny, without an exponent."""
    return Decimal(f"{amount.normalize():f}")
