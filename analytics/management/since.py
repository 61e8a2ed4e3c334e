"""The `--since` of commands."""

from datetime import UTC, datetime

from django.core.management.base import CommandError


def day_from(given: str | None) -> datetime | None:
    """The beginning of a day in UTC, as in 2026-11-01; None of None. Raises CommandError."""
    if given is None:
        return None
    try:
        return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise CommandError(f"--since {given} is no date. Write it as in 2026-11-01.") from error
