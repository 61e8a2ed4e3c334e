"""Who used what, for administrators and managers: /api/admin/analytics."""

from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from msgspec import UNSET
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics import csv_tables, reports
from analytics.api import encode
from analytics.asked import asked
from analytics.personal import PERIODS
from analytics.report_shapes import Report, ReportQuery
from chatcore import clock, validation
from chatcore.rest import JSONRenderer
from chatcore.schema import errors_of

_MOMENT = {"type": "string", "format": "date-time"}


@method_decorator(cache_control(private=True, no_cache=True), name="dispatch")
class ReportView(APIView):
    """An administrator sees all organisations or one, a manager their own."""

    @extend_schema(
        operation_id="getAnalytics",
        summary="Who used what, at what cost",
        description="Of a period up to now, or from one moment up to another. Sums are those of the"
        " ledger, to the second and to the last digit. With `format=csv` one `table` of it.",
        parameters=[
            OpenApiParameter("period", {"type": "string", "enum": [*PERIODS], "default": "30d"}),
            OpenApiParameter("from", _MOMENT, description="In place of `period`."),
            OpenApiParameter("to", _MOMENT, description="Now, if only `from` is given."),
            OpenApiParameter("orgId", {"type": "string", "format": "uuid"}),
            OpenApiParameter("tz", str, description="Whose days `series` has; UTC by default."),
            OpenApiParameter("format", {"type": "string", "enum": ["json", "csv"]}),
            OpenApiParameter("table", {"type": "string", "enum": [*csv_tables.TABLES]}),
        ],
        responses={
            (200, "application/json"): Report,
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR),
            **errors_of(404),
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        query = validation.query(request.query_params, ReportQuery)
        what = asked(request.user, query, clock.now())
        is_csv = query.format == "csv"
        if is_csv and query.table not in csv_tables.TABLES:
            raise validation.invalid("table", f"is one of {', '.join(csv_tables.TABLES)}")
        report = reports.report(
            what.window, period=what.period, scope=what.scope, zone=what.zone, now=what.now
        )
        if is_csv and query.table is not UNSET:
            return _as_csv(report, query.table)
        answer: HttpResponseBase = Response(encode(report))
        return answer

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # CSV is no renderer's: its errors are in JSON.
        if request.query_params.get("format") == "csv":
            return JSONRenderer(), JSONRenderer.media_type
        return super().perform_content_negotiation(request, force)


def _as_csv(report: Report, table: str) -> StreamingHttpResponse:
    name = f"{table}-{report.start:%Y-%m-%d}-{report.end:%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        csv_tables.lines(report, table),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
