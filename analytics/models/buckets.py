"""Sums of the ledger by spans of time, so that a report does not read each call.

Written together with the ledger (analytics/rollups.py), which they can be made anew from.
"""

from typing import ClassVar

from django.db import models

from chatcore.money import UsdField


def _count(column: str | None = None) -> "models.BigIntegerField[int, int]":
    return models.BigIntegerField(default=0, db_column=column)


class Bucket(models.Model):
    """What was used from `start` on, for `span` minutes, all of it in UTC."""

    id = models.UUIDField(primary_key=True, editable=False, db_column="_id")
    span = models.SmallIntegerField()
    start = models.DateTimeField()
    organization_id = models.UUIDField(db_column="orgId")
    # Those of models, as in the ledger: what is true of adjusted rows no more is taken off.
    calls = _count()
    errors = _count()
    unpriced_calls = _count("unpricedCalls")
    estimated_calls = _count("estimatedCalls")
    cost_usd = UsdField(default=0, db_column="costUsdE10")
    credits = _count()
    credits_saved = _count("creditsSaved")

    class Meta:
        abstract = True


class PersonBucket(Bucket):
    """Of one person: `tokens` of all classes, calls of RocketReach, and what was written.

    A row for each person, whatever they used, so that a report over all people reads as few as can
    be.
    """

    user_id = models.UUIDField(db_column="userId")
    tokens = _count()
    searches = _count()
    lookups = _count()
    # Of searches and lookups.
    successes = _count()
    chats = _count()
    messages = _count()

    objects: ClassVar[models.Manager["PersonBucket"]] = models.Manager()

    class Meta:
        db_table = "person_buckets"
        indexes = [models.Index(fields=["span", "start"], name="person_buckets_start")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.start:%Y-%m-%d %H:%M} {self.span}"


class UsageBucket(Bucket):
    """Of one model, or one endpoint of what is no model, for all people of an organisation.

    What was written in chats is in one without provider, endpoint and model. `durations` and
    `ttfts` count calls by how long they took (analytics/histograms.py).
    """

    provider = models.CharField(max_length=64)
    endpoint = models.CharField(max_length=64)
    model = models.CharField(max_length=200, blank=True)
    input_tokens = _count("inputTokens")
    cache_read_tokens = _count("cacheReadTokens")
    cache_write_tokens = _count("cacheWriteTokens")
    cache_write_1h_tokens = _count("cacheWrite1hTokens")
    output_tokens = _count("outputTokens")
    reasoning_tokens = _count("reasoningTokens")
    duration_ms = _count("durationMs")
    chats = _count()
    messages = _count()
    durations = models.JSONField(default=dict)
    ttfts = models.JSONField(default=dict)

    objects: ClassVar[models.Manager["UsageBucket"]] = models.Manager()

    class Meta:
        db_table = "usage_buckets"
        indexes = [models.Index(fields=["span", "start"], name="usage_buckets_start")]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.start:%Y-%m-%d %H:%M} {self.span}"
