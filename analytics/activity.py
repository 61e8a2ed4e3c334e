"""Counts what conversations announce: chats and messages, by person."""

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from analytics import rollups
from analytics.line import Line
from analytics.models import ActivityRecord
from chatcore import writes
from chatcore.db import store_is_away

logger = logging.getLogger("chatcore.usage")


def note(
    *, user_id: UUID, organization_id: UUID, chats: int, messages: int, at: datetime, **_: Any
) -> None:
    """A receiver of `conversations.signals.written`, in the transaction that writes them.

    On MongoDB it is counted just behind that transaction, in one of its own: all who write for one
    person at one moment write the same buckets, and would end each other's transactions. A process
    that is killed between the two has not counted it.
    """
    row = ActivityRecord(
        user_id=user_id,
        organization_id=organization_id,
        chats=chats,
        messages=messages,
        created_at=at,
    )
    if connection.vendor == "mongodb":
        transaction.on_commit(partial(_count_apart, row))
    else:
        _count([row])


def _count(new: Sequence[ActivityRecord]) -> None:
    writes.insert_each(ActivityRecord, [writes.values_of(row) for row in new])
    rollups.add_activity(new)


_line = Line(_count)


def _count_apart(row: ActivityRecord) -> None:
    """Never raises: what was written is written."""
    try:
        _line.put(row)
    except Exception as error:
        if store_is_away(error):
            logger.warning("Messages could not be counted (%s)", type(error).__name__)
        else:
            logger.exception("Messages could not be counted: %s", row.pk)
