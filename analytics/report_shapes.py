"""What reports are made of, as types: the page, the API and its schema share them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import UNSET, UnsetType, field

from analytics.shapes import Spent, Usd
from chatcore.validation import Shape


class ReportQuery(Shape, rename=None):
    """The query of GET. What `period`, `table` and `orgId` may be is checked behind."""

    period: str = "30d"
    start: str | UnsetType = field(name="from", default=UNSET)
    end: str | UnsetType = field(name="to", default=UNSET)
    organization: str | UnsetType = field(name="orgId", default=UNSET)
    zone: str = field(name="tz", default="UTC")
    format: Literal["json", "api", "csv"] = "json"
    table: str | UnsetType = UNSET


class ReportSummary(Shape):
    """The cards. `totalUsers` are the accounts there are now; everything else is of the window.

    `totalAICost` is the sum of what has a price; null if that is of nothing, but there are calls.
    """

    total_users: int = field(name="totalUsers")
    total_ai_cost: Usd = field(name="totalAICost")
    total_ai_tokens: int = field(name="totalAITokens")
    total_ai_calls: int = field(name="totalAICalls")
    total_rocketreach_calls: int = field(name="totalRocketReachCalls")
    total_conversations: int = field(name="totalConversations")
    total_messages: int = field(name="totalMessages")


class OfPerson(Shape, kw_only=True):
    """`hasLeft`: there is no such account any more, or it is closed; `user` is the id then."""

    user_id: UUID
    user: str
    email: str
    has_left: bool


class AIUsage(OfPerson, kw_only=True):
    """Calls of models. `cost` is null where nothing of it has a price."""

    tokens: int
    calls: int
    cost: Usd
    unpriced_calls: int
    estimated_calls: int
    errors: int


class PersonRocketReach(OfPerson, kw_only=True):
    """`success` is the share of `total` that did not fail, from 0 to 1."""

    total: int
    search: int
    lookup: int
    success: float
    credits: int
    credits_saved: int


class ConversationStats(OfPerson, kw_only=True):
    """Chats that were begun, messages that were written, and messages for each of those chats."""

    chats: int
    messages: int
    average: float | None


class Latency(Shape, kw_only=True):
    """Milliseconds that half, and 19 of 20, of the calls stayed under; right to a tenth.

    `ttft` is the time to the first piece of an answer. Null where there is no call.
    """

    p50_ms: int | None = field(name="p50Ms")
    p95_ms: int | None = field(name="p95Ms")
    ttft_p50_ms: int | None = field(name="ttftP50Ms")
    ttft_p95_ms: int | None = field(name="ttftP95Ms")


class ServiceUsage(Spent, kw_only=True):
    """Of one model, or (`model` empty) of one endpoint of something else."""

    provider: str
    endpoint: str
    model: str
    errors: int
    estimated_calls: int
    credits: int
    latency: Latency


class Step(Spent, kw_only=True):
    """A day, or of a short window an hour, in the viewer's time zone; calls of models."""

    start: datetime = field(name="from")
    errors: int


class Report(Shape, kw_only=True):
    """`previous` is the summary of the window of the same length before this one."""

    period: str
    start: datetime = field(name="from")
    end: datetime = field(name="to")
    as_of: datetime
    summary: ReportSummary
    previous: ReportSummary
    unpriced_calls: int
    ai_usage_by_user: list[AIUsage] = field(name="aiUsageByUser")
    rocketreach_usage_by_user: list[PersonRocketReach] = field(name="rocketReachUsageByUser")
    conversation_stats_by_user: list[ConversationStats] = field(name="conversationStatsByUser")
    by_service: list[ServiceUsage]
    latency: Latency
    series: list[Step]


class Failure(Shape, kw_only=True):
    """One call that failed."""

    at: datetime
    provider: str
    model: str
    endpoint: str
    error: str


class PersonReport(Shape, kw_only=True):
    """One person's usage in a window, for whoever may see it. No word of what was written.

    Of the first three there is a row, or none if there was nothing.
    """

    person: OfPerson
    start: datetime = field(name="from")
    end: datetime = field(name="to")
    ai: list[AIUsage]
    rocketreach: list[PersonRocketReach]
    conversations: list[ConversationStats]
    by_service: list[ServiceUsage]
    series: list[Step]
    failures: list[Failure]
