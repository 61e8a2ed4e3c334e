"""The ledger of what was used, the prices that administrators set, and what a month has come to."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, NoReturn
from uuid import UUID

from django.core.validators import MinValueValidator
from django.db import models

from chatcore import clock
from chatcore.ids import new_id
from chatcore.money import UsdField


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


class UsageQuerySet(models.QuerySet["UsageRecord"]):
    def between(self, start: datetime, end: datetime) -> "UsageQuerySet":
        """From `start`, up to and without `end`."""
        return self.filter(created_at__gte=start, created_at__lt=end)

    def of_user(self, user_id: UUID) -> "UsageQuerySet":
        return self.filter(user_id=user_id)

    def update(self, **_fields: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly


class UsageRecord(models.Model):
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

    objects: ClassVar[models.Manager["UsageRecord"]] = UsageQuerySet.as_manager()

    class Meta:
        db_table = "api_usage"
        verbose_name = "usage record"
        indexes = [
            models.Index(fields=["organization_id", "-created_at"], name="api_usage_org_created"),
            models.Index(fields=["user_id", "-created_at"], name="api_usage_user_created"),
            models.Index(fields=["provider", "-created_at"], name="api_usage_provider_created"),
            # Repricing looks for what stands behind a row.
            models.Index(fields=["adjusts"], name="api_usage_adjusts"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.endpoint} {self.created_at:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly


_PER_MILLION = "USD for a million tokens"


class ModelPrice(models.Model):
    """What an administrator says a model costs from a date on. It goes before genai-prices.

    A new price is a new row: what was charged stays charged. `pattern` is a model's name, with `*`
    for any characters; `provider` empty means any.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    provider = models.CharField(max_length=64, blank=True, help_text="Empty for any provider.")
    pattern = models.CharField(
        max_length=200, help_text="The name of a model; * stands for any characters."
    )
    starts_at = models.DateTimeField("from", default=clock.now, db_column="startsAt")
    input_usd = UsdField("input", validators=[MinValueValidator(0)], help_text=_PER_MILLION)
    output_usd = UsdField("output", validators=[MinValueValidator(0)], help_text=_PER_MILLION)
    # Null: as the input.
    cache_read_usd = UsdField(
        "cache read",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"{_PER_MILLION}. Empty: as the input.",
    )
    cache_write_usd = UsdField(
        "cache write",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"{_PER_MILLION}. Empty: as the input.",
    )
    cache_write_1h_usd = UsdField(
        "cache write for an hour",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"{_PER_MILLION}. Empty: as the other cache writes.",
    )
    reasoning_usd = UsdField(
        "reasoning",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"{_PER_MILLION}. Empty: as the output, of which it is a part.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False, db_column="createdAt")

    class Meta:
        db_table = "model_prices"
        verbose_name = "price of a model"
        verbose_name_plural = "prices of models"
        ordering = ["pattern", "-starts_at"]
        indexes = [models.Index(fields=["-starts_at"], name="model_prices_starts")]

    def __str__(self) -> str:
        return f"{self.pattern} from {self.starts_at:%Y-%m-%d}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly


def month_of(moment: datetime) -> str:
    """A calendar month in UTC: "2026-11"."""
    return f"{moment:%Y-%m}"


class MonthQuerySet(models.QuerySet["SpendingMonth"]):
    def of(self, subjects: Iterable[UUID], moment: datetime) -> "MonthQuerySet":
        return self.filter(pk__in=[SpendingMonth.key(each, moment) for each in subjects])


class SpendingMonth(models.Model):
    """What a person or an organisation has spent in a month, written along with the ledger.

    A sum that could be made of the ledger at any time; budgets need it at each question.
    """

    # "<id of the person or organisation>:<month>"
    id = models.CharField(primary_key=True, max_length=64, db_column="_id")
    subject_id = models.UUIDField(db_column="subjectId")
    month = models.CharField(max_length=7)
    spent_usd = UsdField(default=0, db_column="spentUsdE10")
    # Counts the rows of the ledger: what is cached of this person's usage holds for one value.
    version = models.PositiveBigIntegerField(default=0)
    # Raised by each reservation, so that no two are made of the same sums.
    reservations = models.PositiveBigIntegerField(default=0)

    objects: ClassVar[models.Manager["SpendingMonth"]] = MonthQuerySet.as_manager()

    class Meta:
        db_table = "spending_months"

    def __str__(self) -> str:
        return self.pk

    @staticmethod
    def key(subject_id: UUID, moment: datetime) -> str:
        return f"{subject_id}:{month_of(moment)}"


class Reservation(models.Model):
    """What a running call may come to, held back from the budgets until it is settled.

    One for each answer; its next call takes the place of the one before. What is not settled, as
    its process died and its reaper as well, ends by itself.
    """

    id = models.UUIDField(primary_key=True, editable=False, db_column="_id")
    organization_id = models.UUIDField(db_column="orgId")
    user_id = models.UUIDField(db_column="userId")
    amount_usd = UsdField(db_column="amountUsdE10")
    expires_at = models.DateTimeField(db_column="expiresAt")

    class Meta:
        db_table = "reservations"
        indexes = [
            models.Index(fields=["organization_id", "expires_at"], name="reservations_org_ends"),
            models.Index(fields=["user_id", "expires_at"], name="reservations_user_ends"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
