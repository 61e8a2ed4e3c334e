"""What whoever asks has used: /api/usage."""

from typing import Any, cast, get_args

import msgspec
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from drf_spectacular.utils import OpenApiParameter, extend_schema
from msgspec import Raw
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from analytics import budgets, personal
from analytics.asked import zone_from
from analytics.cache import USAGE_SECONDS, usage_key, usage_version
from analytics.shapes import PersonalPeriod, PersonalUsage, UsageQuery
from chatcore import cache, clock, validation
from chatcore.schema import errors_of

# Amounts of money are numbers, to the last digit.
encode = msgspec.json.Encoder(decimal_format="number").encode
PERIODS: tuple[PersonalPeriod, ...] = get_args(PersonalPeriod)
_decode = msgspec.json.Decoder(dict[str, Raw]).decode


@method_decorator(cache_control(private=True, no_cache=True), name="dispatch")
class UsageView(APIView):
    """A person's own usage. Nobody else's is in it, whatever the role."""

    @extend_schema(
        operation_id="getUsage",
        summary="What you have used",
        description="Calls of models, their tokens and their cost up to now; look-ups of contacts;"
        " and the budget of which less is left, yours or your organisation's.",
        parameters=[
            OpenApiParameter(
                "period",
                {"type": "string", "enum": [*PERIODS], "default": "30d"},
                description="How far back; `month` is the calendar month.",
            ),
            OpenApiParameter(
                "tz",
                {"type": "string", "default": "UTC"},
                description="The time zone whose days and month are meant: Europe/Berlin.",
            ),
        ],
        responses={200: PersonalUsage, **errors_of()},
    )
    def get(self, request: Request) -> Response:
        asked = validation.query(request.query_params, UsageQuery)
        period, zone = _period(asked), zone_from(asked.zone)
        user = cast(User, request.user)  # every view needs a log-in
        now = clock.now()
        version = usage_version(user.pk, personal.start_of(period, now, zone), now, zone)

        def make() -> tuple[str, bytes]:
            return version, encode(personal.statistics(user.pk, period, now, zone))

        key = usage_key(user.pk, period, zone)
        usage: dict[str, Any] = _decode(
            cache.versioned(key, version, USAGE_SECONDS, make, kind="usage")
        )
        # Not cached: others spend of an organisation's budget, and limits change.
        budget = budgets.budget_of(user, now)
        usage["budget"] = None if budget is None else personal.budget_state(budget)
        return Response(encode(usage))


def _period(asked: UsageQuery) -> PersonalPeriod:
    for period in PERIODS:
        if asked.period == period:
            return period
    raise validation.invalid("period", f"is one of {', '.join(PERIODS)}")
