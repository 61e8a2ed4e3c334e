"""The ledger: what was used, and what was written. Only ever added to."""

from datetime import datetime
from typing import Any, ClassVar, NoReturn, Self, TypeVar
from uuid import UUID

from django.db import models

from chatcore import clock
from chatcore.ids import new_id
from chatcore.money import UsdField

Row = TypeVar("Row", bound=models.Model)


class AppendOnly(Exception):
    """A row of the ledger is never changed or deleted. A correction is a row of its own."""


class UsageStatus(models.TextChoices):
    SUCCESS = "success"
    ERROR = "error"


class UsageSource(models.TextChoices):
    """Who counted: the provider, or we by the number of characters."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"


class PriceSource(models.TextChoices):
    """Where the cost of a row comes from. Empty is unpriced."""

    OVERRIDE = "override", "set by an administrator"
    CATALOGUE = "genai-prices", "genai-prices"
    # Nothing was used, so that whatever the price is, it costs nothing.
    NOTHING_USED = "nothing-used", "nothing was used"
    # Paid in a currency of the provider's own, such as RocketReach's credits.
    CREDITS = "credits", "paid in credits"
    STATED = "stated", "stated by the caller"


class LedgerQuerySet(models.QuerySet[Row]):
    def between(self, start: datetime, end: datetime) -> Self:
        """From `start`, up to and without `end`."""
        return self.filter(created_at__gte=start, created_at__lt=end)

    def of_user(self, user_id: UUID) -> Self:
        return self.filter(user_id=user_id)

    def update(self, **_fields: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly


class Appended(models.Model):
    """A row that is written once. It is never changed or deleted."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly


class UsageRecord(Appended):
    """One call of a provider, as it was charged. Written once, by analytics/recording.py.

    It points at people, organisations and chats by their ids alone: it stays when they are deleted.
    An adjustment is a row that `adjusts` another one and holds the differences; every sum counts
    both. `units` are tokens for a model, calls for anything else.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    organization_id = models.UUIDField(db_column="orgId")
    user_id = models.UUIDField(db_column="userId")
    provider = models.CharField(max_length=64)
    endpoint = models.CharField(max_length=64)
    method = models.CharField(max_length=16, default="POST")
    model = models.CharField(max_length=200, blank=True)
    # These three are added up. 1 or 0; in an adjustment 0, or -1 for what is true no more.
    calls = models.SmallIntegerField(default=1)
    unpriced_calls = models.SmallIntegerField(default=0, db_column="unpricedCalls")
    estimated_calls = models.SmallIntegerField(default=0, db_column="estimatedCalls")
    units = models.BigIntegerField(default=0)
    status = models.CharField(max_length=16, choices=UsageStatus)
    duration_ms = models.BigIntegerField(default=0, db_column="durationMs")
    # Until the first piece of the answer; null if there was none.
    ttft_ms = models.BigIntegerField(null=True, blank=True, db_column="ttftMs")
    # The code of the failure, never a provider's own words.
    error = models.CharField(max_length=200, blank=True)
    # Input, cache read, cache write and output do not overlap. Of the writes, `cache_write_1h` are
    # those for an hour; of the output, `reasoning` are the tokens that were thought.
    input_tokens = models.BigIntegerField(default=0, db_column="inputTokens")
    cache_read_tokens = models.BigIntegerField(default=0, db_column="cacheReadTokens")
    cache_write_tokens = models.BigIntegerField(default=0, db_column="cacheWriteTokens")
    cache_write_1h_tokens = models.BigIntegerField(default=0, db_column="cacheWrite1hTokens")
    output_tokens = models.BigIntegerField(default=0, db_column="outputTokens")
    reasoning_tokens = models.BigIntegerField(default=0, db_column="reasoningTokens")
    usage_source = models.CharField(
        max_length=16, choices=UsageSource, default=UsageSource.PROVIDER, db_column="usageSource"
    )
    # Null is unpriced, which is not nothing. A whole number of 10^-10 dollars in the store.
    cost_usd = UsdField(null=True, blank=True, db_column="costUsdE10")
    price_source = models.CharField(
        max_length=16, choices=PriceSource, blank=True, db_column="priceSource"
    )
    # Which price it was: the id of an administrator's, or the version of genai-prices.
    price_version = models.CharField(max_length=64, blank=True, db_column="priceVersion")
    credits = models.BigIntegerField(default=0)
    # What the answer would have cost had it not been in our own store.
    credits_saved = models.BigIntegerField(default=0, db_column="creditsSaved")
    conversation_id = models.UUIDField(null=True, blank=True, db_column="conversationId")
    generation_id = models.UUIDField(null=True, blank=True, db_column="generationId")
    # Which call of its answer, from 1; 0 where there is no answer.
    step = models.PositiveIntegerField(default=0)
    request_id = models.CharField(max_length=64, blank=True, db_column="requestId")
    adjusts = models.UUIDField(null=True, blank=True, db_column="adjusts")
    # When the call began; an adjustment has the time of its row, so that each window counts both.
    created_at = models.DateTimeField(default=clock.now, db_column="createdAt")
    recorded_at = models.DateTimeField(default=clock.now, db_column="recordedAt")

    objects: ClassVar[models.Manager["UsageRecord"]] = LedgerQuerySet.as_manager()

    class Meta:
        db_table = "api_usage"
        verbose_name = "usage record"
        indexes = [
            models.Index(fields=["organization_id", "-created_at"], name="api_usage_org_created"),
            models.Index(fields=["user_id", "-created_at"], name="api_usage_user_created"),
            models.Index(fields=["provider", "-created_at"], name="api_usage_provider_created"),
            # The edges of a report, and the days of which buckets are made anew.
            models.Index(fields=["created_at"], name="api_usage_created"),
            # Repricing looks for what stands behind a row.
            models.Index(fields=["adjusts"], name="api_usage_adjusts"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.endpoint} {self.created_at:%Y-%m-%d %H:%M}"


class ActivityRecord(Appended):
    """Chats and messages as they were written, by a person or for them. It stays when they go.

    One row for each time that something is written: a question, an answer, a chat that a
    program makes. What is imported was written elsewhere, and is not among them.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    organization_id = models.UUIDField(db_column="orgId")
    user_id = models.UUIDField(db_column="userId")
    chats = models.IntegerField(default=0)
    messages = models.IntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now, db_column="createdAt")

    objects: ClassVar[models.Manager["ActivityRecord"]] = LedgerQuerySet.as_manager()

    class Meta:
        db_table = "activity"
        indexes = [
            models.Index(fields=["created_at"], name="activity_created"),
            models.Index(fields=["user_id", "-created_at"], name="activity_user_created"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d %H:%M}"
