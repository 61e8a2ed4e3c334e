"""What the API of usage takes and gives, as types: the schema is made of them."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from chatcore.validation import Shape

Period = Literal["24h", "7d", "30d"]
# Of a person's own usage: the calendar month as well.
PersonalPeriod = Literal["24h", "7d", "30d", "month"]

# A Decimal of US dollars or None, exact as the ledger has it. As a type of its own it would be text
# in the schema.
Usd = Annotated[
    Any, Meta(description="US dollars.", extra_json_schema={"type": ["number", "null"]})
]
# A Decimal. Exact shares of an organisation's budget would tell its amounts.
Share = Annotated[
    Any,
    Meta(
        description="What is spent of the limit, in hundredths, rounded down: 1 is all of it.",
        extra_json_schema={"type": "number"},
    ),
]


class UsageQuery(Shape):
    """The query of GET. That `period` and `tz` are some that there are, is checked behind."""

    period: str = "30d"
    zone: str = field(name="tz", default="UTC")
    format: Literal["json", "api"] | UnsetType = UNSET


class Spent(Shape, kw_only=True):
    """Calls of models and what they came to.

    `costUsd` is the sum of what has a price; null if nothing has cost anything yet and
    `unpricedCalls` have no price: what is unknown is not nothing.
    """

    calls: int
    total_tokens: int
    cost_usd: Usd
    unpriced_calls: int


class Totals(Spent, kw_only=True):
    """`reasoningTokens` are a part of `outputTokens`; the others do not overlap.

    Of `estimatedCalls` the provider has not said how many tokens they were.
    """

    errors: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated_calls: int


class ModelUsage(Spent, kw_only=True):
    provider: str
    model: str


class DayUsage(Spent, kw_only=True):
    """A day in the time zone, of which the first one may have begun before the window."""

    day: date


class RocketReachUsage(Shape, kw_only=True):
    """`creditsSaved` is what look-ups in Chatcore's own store would have cost."""

    searches: int
    lookups: int
    credits: int
    credits_saved: int


class ToolUsage(Shape, kw_only=True):
    rocket_reach: RocketReachUsage


class BudgetState(Shape, kw_only=True):
    """The amounts are those of a person's own budget; an organisation's are null."""

    of: Literal["you", "organisation"]
    limit_usd: Usd
    spent_usd: Usd
    share: Share
    is_warned: bool
    is_exhausted: bool
    resets_at: datetime


class UsageStatistics(Shape, kw_only=True):
    """What a person has used from `from` to `to`. Days and months are those of the time zone."""

    period: PersonalPeriod
    time_zone: str
    start: datetime = field(name="from")
    end: datetime = field(name="to")
    totals: Totals
    by_model: list[ModelUsage]
    by_day: list[DayUsage]
    today: DayUsage
    tools: ToolUsage


class PersonalUsage(UsageStatistics, kw_only=True):
    """With the budget of which less is left, the person's or the organisation's; null without."""

    budget: BudgetState | None
