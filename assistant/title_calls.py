"""Calls for a title that run: what the ledger is to say of each, should its process be killed.

Such a call belongs to no running answer, so no heart beats for it. It has a time by which it is
over, whatever happens; a record that is still here then is one whose process is gone.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from django.db import models

from analytics.entries import UsageEntry
from chatcore import writes

# A call has 20 seconds; the rest is for a store that is slow.
OVER_AFTER = timedelta(minutes=1)
# A server that comes back after a bad day asks for no more than this at once.
AT_ONCE = 100


class TitleCallQuerySet(models.QuerySet["TitleCall"]):
    def abandoned(self, now: datetime) -> "TitleCallQuerySet":
        """Those whose process is gone, the oldest first."""
        return self.filter(due_at__lte=now).order_by("due_at")


class TitleCall(models.Model):
    """One call that runs. Its key is that of its row in the ledger."""

    id = models.UUIDField(primary_key=True, editable=False, db_column="_id")
    # An analytics.entries.UsageEntry: what is known of the call.
    estimate = models.JSONField(default=dict)
    due_at = models.DateTimeField(db_column="dueAt")

    objects: ClassVar[models.Manager["TitleCall"]] = TitleCallQuerySet.as_manager()

    class Meta:
        db_table = "title_calls"
        indexes = [models.Index(fields=["due_at"], name="title_calls_due")]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def begin(cls, estimate: UsageEntry) -> None:
        """Call it inside a transaction, before the provider is asked."""
        stored: dict[str, Any] = msgspec.to_builtins(estimate)
        due_at = estimate.created_at + OVER_AFTER
        writes.insert(cls(id=estimate.id, estimate=stored, due_at=due_at))

    @classmethod
    def know_better(cls, entry: UsageEntry) -> None:
        """What the call came to, in place of the estimate, should it be settled by another one."""
        writes.update(cls, {"id": entry.id}, values={"estimate": msgspec.to_builtins(entry)})

    @classmethod
    def end(cls, key: UUID) -> bool:
        """Whether it was still there: of all who end a call one is told so."""
        return cls.objects.filter(pk=key).delete()[0] > 0

    @property
    def entry(self) -> UsageEntry:
        return msgspec.convert(self.estimate, UsageEntry)
