"""The pages of reports inside Django's admin: who used what, and one person's usage.

Administrators see all organisations, managers their own without the rest of the admin.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Organization, User
from accounts.permissions import (
    may_administer,
    may_see_reports,
    organizations_visible_to,
    users_visible_to,
)
from analytics import page_query, reports, sums, tables
from analytics.amounts import change, counted, in_dollars, in_full_dollars, in_seconds, in_tokens
from analytics.asked import CUSTOM, Asked, asked
from analytics.models import ActivityRecord, UsageRecord
from analytics.personal import PERIODS
from analytics.report_shapes import Latency, PersonReport, Report, ReportSummary, ServiceUsage, Step
from analytics.shapes import Spent
from chatcore import clock, errors

PERIOD_NAMES = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}
MOST_BARS = 8
TITLE = "Usage reports"
NO_FIGURE_BEFORE = "no figure before"


@never_cache
@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """What all people used whom the viewer may see."""
    _require_reports(request)
    try:
        params = page_query.parameters(request)
        what = _asked(request, params)
        report = reports.report(
            what.window, period=what.period, scope=what.scope, zone=what.zone, now=what.now
        )
        shown = _report_in_tables(report, what, params)
    except errors.ApiError as error:
        return _refused(request, error)
    context = {
        **_frame(request, params, what),
        "title": TITLE,
        "cards": _cards(report.summary, report.previous),
        "unpriced": _unpriced(report.unpriced_calls),
        "latency": _latency(report.latency),
        "bars": _bars(report.by_service),
        "tables": shown,
        **_series(report.series, what),
    }
    return _render(request, "analytics/overview.html", context, what.zone)


@never_cache
@login_required
@require_safe
def person(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """What one person used; 404 for whoever is not the viewer's to see."""
    _require_reports(request)
    try:
        params = page_query.parameters(request)
        what = _asked(request, params)
        if not _is_known(request, person_id, what.scope):
            raise Http404
        report = reports.person_report(person_id, what.window, scope=what.scope, zone=what.zone)
        models = tables.shown(tables.MODELS, report.by_service, params)
    except errors.ApiError as error:
        return _refused(request, error)
    context = {
        **_frame(request, params, what),
        "title": report.person.user,
        "person": report.person,
        "has_account": User.objects.filter(pk=person_id).exists(),
        "cards": _cards_of_person(report),
        "unpriced": _unpriced(sum(each.unpriced_calls for each in report.ai)),
        "bars": _bars(report.by_service),
        "models": models,
        "failures": report.failures,
        **_series(report.series, what),
    }
    return _render(request, "analytics/person.html", context, what.zone)


def _require_reports(request: HttpRequest) -> None:
    """Before anything is said of the query: for others there is no right one."""
    if not may_see_reports(request.user):
        raise PermissionDenied


def _asked(request: HttpRequest, params: dict[str, str]) -> Asked:
    now = clock.now()
    return asked(request.user, page_query.report_query(request, params, now), now)


def _is_known(request: HttpRequest, person_id: UUID, scope: sums.Scope) -> bool:
    """Whether the viewer may see their account, or anything of theirs that is in the scope."""
    if users_visible_to(request.user).filter(pk=person_id).exists():
        return True
    return any(
        sums.in_scope(rows.objects.of_user(person_id), scope).exists()
        for rows in (UsageRecord, ActivityRecord)
    )


# --- Around what is shown -------------------------------------------------------------------------
@dataclass(frozen=True)
class Choice:
    label: str
    link: str
    is_current: bool


def _admin_context(request: HttpRequest) -> dict[str, Any]:
    """The admin's own frame. A manager, who may open nothing else of the admin, is offered none."""
    request.current_app = admin.site.name
    is_administrator = may_administer(request.user)
    return {
        **admin.site.each_context(request),
        "may_administer": is_administrator,
        "is_nav_sidebar_enabled": is_administrator,
        "is_report": True,
    }


def _frame(request: HttpRequest, params: dict[str, str], what: Asked) -> dict[str, Any]:
    """What stands above the report: its window, and what else there is to choose."""
    first, last = page_query.days_of(what)
    of_window = page_query.window_only(params)
    return {
        **_admin_context(request),
        "what": what,
        "zone": what.zone.key,
        "start": what.window.start,
        "end": what.window.end,
        "as_of": what.now,
        "period_name": PERIOD_NAMES.get(what.period, ""),
        "periods": _periods(params, what.period),
        "is_custom": what.period == CUSTOM,
        "first_day": first,
        "last_day": last,
        "today": what.now.astimezone(what.zone).date(),
        "organizations": _organizations(request),
        "form_hidden": [
            (name, value)
            for name, value in params.items()
            if name not in ("from", "to", "orgId") and not name.endswith("_page")
        ],
        "overview_link": reverse("dashboard") + tables.link(of_window),
        "window_query": tables.link(of_window),
    }


def _render(
    request: HttpRequest, template: str, context: dict[str, Any], zone: ZoneInfo
) -> HttpResponse:
    """The page with its times in this zone."""
    with timezone.override(zone):
        return render(request, template, context)


def _refused(request: HttpRequest, error: errors.ApiError) -> HttpResponse:
    """What is wrong with the query, and links to reports that there are."""
    context = {
        **_admin_context(request),
        "title": TITLE,
        "error": str(error),
        "periods": _periods({}, ""),
    }
    return render(request, "analytics/refused.html", context, status=error.status)


def _periods(params: dict[str, str], current: str) -> list[Choice]:
    """The same report of each period. Another window has other pages."""
    kept = {
        name: value
        for name, value in params.items()
        if name not in ("from", "to") and not name.endswith("_page")
    }
    return [
        Choice(PERIOD_NAMES[period], tables.link(kept, period=period), period == current)
        for period in PERIODS
    ]


def _organizations(request: HttpRequest) -> list[Organization]:
    """Those to choose from; none where there is but one."""
    found = list(organizations_visible_to(request.user).only("pk", "name"))
    return found if len(found) > 1 else []


def _report_in_tables(
    report: Report, what: Asked, params: dict[str, str]
) -> list[tuple[tables.ShownTable, str]]:
    """Each with the link to all of it as CSV."""
    rows: dict[str, list[Any]] = {
        "ai": report.ai_usage_by_user,
        "rocketreach": report.rocketreach_usage_by_user,
        "conversations": report.conversation_stats_by_user,
        "models": report.by_service,
    }
    url = reverse("analytics:report")
    return [
        (tables.shown(table, rows[name], params), page_query.csv_link(url, what, name))
        for name, table in tables.TABLES.items()
    ]


# --- Cards ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Card:
    """`title` is the number in full; `before` compares it with the window before."""

    label: str
    text: str
    title: str = ""
    before: str = ""


def _cards(now: ReportSummary, before: ReportSummary) -> list[Card]:
    return [
        Card(
            "AI cost",
            in_dollars(now.total_ai_cost),
            in_full_dollars(now.total_ai_cost),
            _dollars_before(now.total_ai_cost, before.total_ai_cost),
        ),
        _number("AI tokens", now.total_ai_tokens, before.total_ai_tokens),
        _number("AI calls", now.total_ai_calls, before.total_ai_calls),
        _number("RocketReach calls", now.total_rocketreach_calls, before.total_rocketreach_calls),
        _number("Chats", now.total_conversations, before.total_conversations),
        _number("Messages", now.total_messages, before.total_messages),
        Card("People", f"{now.total_users:,}", before="accounts there are now"),
    ]


def _cards_of_person(report: PersonReport) -> list[Card]:
    ai = report.ai[0] if report.ai else None
    looked_up = report.rocketreach[0].total if report.rocketreach else 0
    written = report.conversations[0] if report.conversations else None
    cost = ai.cost if ai else Decimal(0)
    return [
        Card("AI cost", in_dollars(cost), in_full_dollars(cost)),
        _number("AI tokens", ai.tokens if ai else 0),
        _number("AI calls", ai.calls if ai else 0),
        _number("RocketReach calls", looked_up),
        _number("Chats", written.chats if written else 0),
        _number("Messages", written.messages if written else 0),
    ]


def _number(label: str, now: int, before: int | None = None) -> Card:
    compared = ""
    if before is not None:
        compared = f"{change(now, before)} from {in_tokens(before)}" if before else NO_FIGURE_BEFORE
    return Card(label, in_tokens(now), f"{now:,}", compared)


def _dollars_before(now: Decimal | None, before: Decimal | None) -> str:
    if not before or before < 0:
        return NO_FIGURE_BEFORE
    if now is None:
        return f"{in_dollars(before)} before"
    return f"{change(now, before)} from {in_dollars(before)}"


def _unpriced(calls: int) -> str:
    if not calls:
        return ""
    verb = "has no price and is" if calls == 1 else "have no price and are"
    return f"{counted(calls, 'call')} of models {verb} not in the cost."


def _latency(latency: Latency) -> str:
    """Of all models together."""
    if latency.p50_ms is None:
        return ""
    words = (
        f"Of all calls of models half ended within {in_seconds(latency.p50_ms)}, 95% within"
        f" {in_seconds(latency.p95_ms)}"
    )
    if latency.ttft_p50_ms is None:
        return f"{words}."
    return f"{words}; half had their first token within {in_seconds(latency.ttft_p50_ms)}."


# --- Charts ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Bar:
    """`width` is in percent of the longest."""

    label: str
    provider: str
    width: str
    cost: str
    unpriced: int
    tokens: str


def _bars(services: list[ServiceUsage]) -> dict[str, Any]:
    """Models by cost, or by tokens where nothing has a price; those that are least as one."""
    models = [each for each in services if each.model]
    is_cost = any(each.cost_usd for each in models)

    def measure(each: ServiceUsage) -> Decimal:
        return Decimal((each.cost_usd or 0) if is_cost else each.total_tokens)

    models.sort(key=measure, reverse=True)
    longest = max([measure(each) for each in models], default=Decimal(0))
    return {
        "measure": "Cost" if is_cost else "Tokens",
        "rows": [_bar(each, measure(each), longest) for each in models[:MOST_BARS]],
        "more": max(len(models) - MOST_BARS, 0),
    }


def _bar(each: ServiceUsage, length: Decimal, longest: Decimal) -> Bar:
    share = max(length, Decimal(0)) / longest * 100 if longest > 0 else Decimal(0)
    return Bar(
        each.model,
        each.provider,
        f"{share:.1f}",
        in_dollars(each.cost_usd),
        _beside(each),
        in_tokens(each.total_tokens),
    )


def _beside(each: Spent) -> int:
    """The calls to name beside a cost that they are not in."""
    return 0 if each.cost_usd is None else each.unpriced_calls


def _series(steps: list[Step], what: Asked) -> dict[str, Any]:
    """The charts' data, and the same as the rows of a table."""
    is_hourly = what.window.end - what.window.start <= reports.SHOWN_BY_HOUR
    return {
        "step_name": "hour" if is_hourly else "day",
        "steps": [
            {
                "label": _step_label(each.start, is_hourly=is_hourly),
                "calls": f"{each.calls:,}",
                "tokens": in_tokens(each.total_tokens),
                "full_tokens": f"{each.total_tokens:,}",
                "cost": in_dollars(each.cost_usd),
                "unpriced": _beside(each),
                "full_cost": in_full_dollars(each.cost_usd, each.unpriced_calls),
            }
            for each in steps
        ],
        "has_series": any(each.calls or each.total_tokens for each in steps),
        "chart": {
            "labels": [_step_label(each.start, is_hourly=is_hourly) for each in steps],
            "ticks": [_tick(each.start, is_hourly=is_hourly) for each in steps],
            "cost": [None if each.cost_usd is None else float(each.cost_usd) for each in steps],
            "tokens": [each.total_tokens for each in steps],
            "calls": [each.calls for each in steps],
            "unpriced": [each.unpriced_calls for each in steps],
        },
    }


def _step_label(start: datetime, *, is_hourly: bool) -> str:
    """An hour with the short name of its zone: one hour a year comes twice."""
    day = f"{start:%a} {start.day} {start:%b %Y}"
    return f"{day}, {start:%H:%M %Z}" if is_hourly else day


def _tick(start: datetime, *, is_hourly: bool) -> str:
    return f"{start:%H:%M}" if is_hourly else f"{start.day} {start:%b}"
