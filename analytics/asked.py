"""What an administrator or a manager asks to see, made of a query string. Page and API share it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from django.core.exceptions import PermissionDenied
from msgspec import UNSET

from accounts.models import User
from accounts.permissions import Viewer, may_see_reports, organizations_visible_to, sees_everything
from analytics.personal import PERIODS
from analytics.report_shapes import ReportQuery
from analytics.spans import Window
from analytics.sums import Scope
from chatcore import clock, errors, validation

# In place of a period, where a window is named by its ends.
CUSTOM = "custom"
# Of each day a row is made.
LONGEST = timedelta(days=10 * 366)


@dataclass(frozen=True)
class Asked:
    """`organization_id` None is all that the viewer may see."""

    period: str
    window: Window
    organization_id: UUID | None
    scope: Scope
    zone: ZoneInfo
    now: datetime


def asked(viewer: Viewer, query: ReportQuery, now: datetime) -> Asked:
    """Raises Invalid, which says what there is to choose from, PermissionDenied and NotFound."""
    if not may_see_reports(viewer):
        raise PermissionDenied("Reports are for administrators and managers.")
    period, window = _window(query, now)
    organization_id, scope = _scope(viewer, query)
    return Asked(period, window, organization_id, scope, zone_from(query.zone), now)


def _window(query: ReportQuery, now: datetime) -> tuple[str, Window]:
    if query.start is UNSET and query.end is UNSET:
        length = next((PERIODS[each] for each in PERIODS if each == query.period), None)
        if length is None:
            raise validation.invalid("period", f"is one of {', '.join(PERIODS)}")
        return query.period, Window(now - length, now)
    start = _moment("from", query.start, "is needed beside to")
    # Of what is to come nothing is known.
    end = now if query.end is UNSET else min(now, _moment("to", query.end, ""))
    if start >= end:
        raise validation.invalid("from", "has to be before to, and before now")
    if end - start > LONGEST:
        raise validation.invalid("from", f"may be at most {LONGEST.days:,} days before to")
    return CUSTOM, Window(start, end)


def _moment(name: str, given: Any, if_missing: str) -> datetime:
    if given is UNSET:
        raise validation.invalid(name, if_missing)
    try:
        moment = msgspec.convert(given, datetime)
        if moment.tzinfo is None:
            raise ValueError
        # As far as both stores go.
        if not 1970 <= moment.year < 9000:
            raise ValueError
    except (ValueError, msgspec.ValidationError) as error:
        fault = "is a time with its zone, such as 2026-11-01T00:00:00Z"
        raise validation.invalid(name, fault) from error
    return clock.in_milliseconds(moment)


def _scope(viewer: Viewer, query: ReportQuery) -> tuple[UUID | None, Scope]:
    if query.organization is UNSET or not query.organization:
        if sees_everything(viewer):
            return None, None
        assert isinstance(viewer, User)  # it may see reports
        return viewer.organization_id, frozenset([viewer.organization_id])
    try:
        key = UUID(query.organization)
    except ValueError as error:
        raise validation.invalid("orgId", "is the id of an organisation") from error
    if not organizations_visible_to(viewer).filter(pk=key).exists():
        raise errors.NotFound("There is no such organisation, or it is not yours to see.")
    return key, frozenset([key])


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that name, if there is one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A folder of names is one of the errors of the system.
        return None


def zone_from(name: str) -> ZoneInfo:
    """As `zone_of`. Raises Invalid."""
    zone = zone_of(name)
    if zone is None:
        raise validation.invalid("tz", "is the name of a time zone, such as Europe/Berlin")
    return zone
