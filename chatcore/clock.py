"""What time it is, as both stores keep it."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """The current time, aware, in UTC, in milliseconds."""
    return in_milliseconds(timezone.now())


def in_milliseconds(moment: datetime) -> datetime:
    """The moment cut to milliseconds as MongoDB does it.

    Without the cut a value would differ from itself after a round trip through the store.
    """
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
