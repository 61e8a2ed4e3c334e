"""What is cached of usage: key, lifetime and version, side by side.

As in conversations/cache.py no value is believed by its age. The version is that of the person's
months, which `analytics.recording.append` raises in the very transaction that writes a row.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.models import SpendingMonth

# The window moves on meanwhile: what is shown says from when to when it is.
USAGE_SECONDS = 5 * 60


def usage_key(user_id: UUID, period: str, zone: ZoneInfo) -> str:
    """The statistics of one person over one period, by the days of one time zone."""
    return f"usage-stats:{user_id}:{period}:{zone.key}"


def usage_version(user_id: UUID, start: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Changes with each row that is written of this window, adjustments of earlier days as well,
    and at midnight in the time zone, when another day is today."""
    start = start.astimezone(UTC)
    days = range((now.date() - start.date()).days + 1)
    # Up to three months: 30 days before the first of March is a day of January.
    keys = {SpendingMonth.key(user_id, start + timedelta(days=n)) for n in days}
    months = SpendingMonth.objects.filter(pk__in=keys).values_list("month", "version")
    versions = [f"{month}={version}" for month, version in sorted(months)]
    return ".".join([f"{now.astimezone(zone):%Y-%m-%d}", *versions])
