"""Counts what conversations announce: chats and messages, by person."""

from datetime import datetime
from typing import Any
from uuid import UUID

from analytics import rollups
from analytics.models import ActivityRecord
from chatcore import writes


def note(
    *, user_id: UUID, organization_id: UUID, chats: int, messages: int, at: datetime, **_: Any
) -> None:
    """A receiver of `conversations.signals.written`, in the transaction that writes them."""
    row = ActivityRecord(
        user_id=user_id,
        organization_id=organization_id,
        chats=chats,
        messages=messages,
        created_at=at,
    )
    writes.insert(row)
    rollups.add_activity(row)
