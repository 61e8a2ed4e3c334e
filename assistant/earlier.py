"""Messages before those that a page shows: /api/assistant/earlier, for whoever scrolls up."""

from typing import cast

from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import OpenApiParameter, extend_schema
from msgspec import Struct
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from assistant.shown import ShownMessage, before
from chatcore import errors, validation
from chatcore.schema import errors_of
from conversations.saving import find
from conversations.shapes import WhichMessage


class Earlier(Struct):
    """First to last. If the first of them has a `parentId`, more stand before."""

    messages: list[ShownMessage]


@method_decorator(never_cache, name="dispatch")
class EarlierView(APIView):
    """Of one's own chats. Anybody else's are not there."""

    @extend_schema(
        operation_id="listEarlierMessages",
        summary="List the messages that lead to one",
        parameters=[
            OpenApiParameter("conversationId", str, required=True),
            OpenApiParameter("messageId", str, required=True, description="The later message."),
        ],
        responses={200: Earlier, **errors_of(404)},
    )
    def get(self, request: Request) -> Response:
        which = validation.query(request.query_params, WhichMessage)
        chat = find(cast(User, request.user), which.conversation_id)
        messages = before(chat, which.message_id)
        if messages is None:
            raise errors.NotFound("There is no such message.")
        return Response({"messages": messages})
