"""What a month has come to, and what is held back from its budget."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import models

from chatcore.money import UsdField


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
