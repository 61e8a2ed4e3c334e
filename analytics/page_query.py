"""The query string of the reports' page: that of the API, days besides moments, and the tables'."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.http import HttpRequest

from analytics.asked import CUSTOM, Asked, zone_of
from analytics.report_shapes import ReportQuery
from analytics.tables import PARAMETERS, link
from chatcore import validation

# Set by static/js/analytics.js: only the browser knows where its person is.
ZONE_COOKIE = "tz"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# Of links from the page of all people to that of one, and back.
_OF_WINDOW = ("period", "from", "to", "orgId", "tz")


def parameters(request: HttpRequest) -> dict[str, str]:
    """What is in the query string, without what a form has left empty. Raises Invalid."""
    found = {}
    for name, given in request.GET.lists():
        if len(given) > 1:
            raise validation.invalid(name[:64], "may be there only once")
        if given[0]:
            found[name] = given[0]
    return found


def report_query(request: HttpRequest, params: Mapping[str, str], now: datetime) -> ReportQuery:
    """What the data is asked with. Raises Invalid for a name that is unknown."""
    name = params.get("tz") or _zone_of_browser(request)
    asked_for = {name: value for name, value in params.items() if name not in PARAMETERS}
    if (zone := zone_of(name)) is not None:
        asked_for |= _as_moments(asked_for, zone, now)
    return validation.convert({**asked_for, "tz": name}, ReportQuery, strict=False)


def window_only(params: Mapping[str, str]) -> dict[str, str]:
    """Without how tables are shown."""
    return {name: params[name] for name in _OF_WINDOW if name in params}


def csv_link(url: str, asked: Asked, table: str) -> str:
    """The same window from the API, which knows no days."""
    params = {"format": "csv", "table": table}
    if asked.period == CUSTOM:
        window = asked.window
        params |= {"from": _as_text(window.start), "to": _as_text(window.end)}
    else:
        params["period"] = asked.period
    if asked.organization_id is not None:
        params["orgId"] = str(asked.organization_id)
    return url + link(params)


def days_of(asked: Asked) -> tuple[date, date]:
    """The first and the last day of the window, where it is shown."""
    last = asked.window.end - timedelta(microseconds=1)
    return asked.window.start.astimezone(asked.zone).date(), last.astimezone(asked.zone).date()


def _as_moments(params: Mapping[str, str], zone: ZoneInfo, now: datetime) -> dict[str, str]:
    """`from` and `to`, where they are days: from the start of the one to the end of the other."""
    moments = {}
    if (first := _day(params.get("from"))) is not None:
        moments["from"] = _as_text(datetime.combine(first, time.min, zone))
    if (last := _day(params.get("to"))) is not None:
        end = datetime.combine(last + timedelta(days=1), time.min, zone)
        # A day that is not over would be compared with a whole one before.
        moments["to"] = _as_text(min(end, now))
    return moments


def _day(given: str | None) -> date | None:
    """None also for what is no day: then it says so where moments are read."""
    if given is None or not _DAY.fullmatch(given):
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError:
        return None
    return day if 1970 < day.year < 9000 else None


def _as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _zone_of_browser(request: HttpRequest) -> str:
    name = request.COOKIES.get(ZONE_COOKIE, "")
    return name if name and zone_of(name) else "UTC"
