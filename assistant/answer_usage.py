"""What one answer has used: /api/assistant/usage, for whoever looks at its details."""

from typing import cast

from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from analytics.api import encode
from analytics.models import UsageSource
from analytics.personal import plain
from analytics.shapes import Usd
from assistant import totals
from assistant.events import Usage
from assistant.models import Generation
from chatcore import errors, validation
from chatcore.schema import errors_of
from chatcore.validation import Shape
from conversations.shapes import WhichMessage

# More than an answer can make: rounds with tools, each with a second try. They are looked for by
# their ids, so those that were not made cost nothing.
MOST_CALLS = 40


class AnswerUsage(Shape):
    """What all calls for the answer came to, by the ledger, with what was adjusted since.

    `inputTokens` are those that were not from a cache; all but `reasoningTokens`, a part of the
    output, add up to `totalTokens`. `costUsd` is null if no price is known.
    """

    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    is_estimated: bool
    cost_usd: Usd


@method_decorator(never_cache, name="dispatch")
class AnswerUsageView(APIView):
    """Of one's own answers. Anybody else's are not there."""

    @extend_schema(
        operation_id="getAnswerUsage",
        summary="What an answer has used",
        parameters=[
            OpenApiParameter("conversationId", str, required=True),
            OpenApiParameter("messageId", str, required=True, description="The answer's id."),
        ],
        responses={200: AnswerUsage, **errors_of(404)},
    )
    def get(self, request: Request) -> Response:
        which = validation.query(request.query_params, WhichMessage)
        generation = (
            Generation.objects.for_user(cast(User, request.user))
            .filter(conversation__client_id=which.conversation_id, answer_id=which.message_id)
            .last()
        )
        if generation is None:
            raise errors.NotFound("There is no such answer.")
        return Response(encode(_shown(totals.used_by(generation.pk, MOST_CALLS))))


def _shown(used: totals.Used) -> AnswerUsage:
    usage = used.usage or Usage()
    return AnswerUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        total_tokens=used.tokens,
        is_estimated=used.source == UsageSource.ESTIMATED,
        cost_usd=None if used.cost_usd is None else plain(used.cost_usd),
    )
