"""What is kept of usage: the ledger, prices, months, and the buckets that reports are made of."""

from analytics.models.buckets import PersonBucket, UsageBucket
from analytics.models.ledger import (
    ActivityRecord,
    AppendOnly,
    LedgerQuerySet,
    PriceSource,
    UsageRecord,
    UsageSource,
    UsageStatus,
)
from analytics.models.prices import ModelPrice
from analytics.models.spending import Reservation, SpendingMonth, month_of

__all__ = [
    "ActivityRecord",
    "AppendOnly",
    "LedgerQuerySet",
    "ModelPrice",
    "PersonBucket",
    "PriceSource",
    "Reservation",
    "SpendingMonth",
    "UsageBucket",
    "UsageRecord",
    "UsageSource",
    "UsageStatus",
    "month_of",
]
