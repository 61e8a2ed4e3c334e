"""What time it is, as both stores keep it."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """The current time, aware, in UTC, cut to milliseconds as MongoDB does.

    Without the cut a value would differ from itself after a round trip through the store.
    """
    moment = timezone.now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
