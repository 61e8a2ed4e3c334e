"""The links of whoever asks: /api/assistant/conversations/share."""

from typing import cast

from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from msgspec import UNSET, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from chatcore import clock, limits, validation
from chatcore.schema import errors_of
from conversations import saving, sharing
from conversations.models import SharedLink
from conversations.shapes import (
    LinkList,
    LinkListing,
    SavedLink,
    StoppedSharing,
    WhatToShare,
    Which,
)

_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}


def _user(request: Request) -> User:
    return cast(User, request.user)  # every view needs a log-in


@method_decorator(cache_control(private=True, no_store=True), name="dispatch")
class ShareView(APIView):
    """A person's own links, by which others can read a conversation. It has one at most."""

    @extend_schema(
        operation_id="listSharedLinks",
        summary="List the links to conversations, or get that of one",
        parameters=[
            OpenApiParameter(
                "id", _ID, description="One conversation, which has one link or none."
            ),
        ],
        responses={200: LinkList, **errors_of(404)},
    )
    def get(self, request: Request) -> Response:
        query = validation.query(request.query_params, LinkListing)
        found = SharedLink.objects.for_user(_user(request)).with_chats()
        if query.id is not UNSET:
            found = found.filter(conversation=saving.find(_user(request), query.id, deleted=None))
        return Response(LinkList(links=[_saved(each) for each in found]))

    @extend_schema(
        operation_id="shareConversation",
        summary="Share a conversation by a link",
        description="A conversation that is shared keeps its link, and the link what it shows:"
        " that is answered by 200.",
        request=WhatToShare,
        responses={
            201: OpenApiResponse(SavedLink, "The new link."),
            200: OpenApiResponse(SavedLink, "The link that was there already."),
            **errors_of(404, 409, 413),
        },
    )
    @limits.per_user(limits.api_writes)
    def post(self, request: Request) -> Response:
        given = validation.convert(request.data, WhatToShare)
        link, is_new = sharing.share(
            _user(request), given.id, _named(given.message_id), clock.now()
        )
        return Response(_saved(link), status=201 if is_new else 200)

    @extend_schema(
        operation_id="renewSharedLink",
        summary="Let the link show the conversation as it is now",
        request=WhatToShare,
        responses={200: SavedLink, **errors_of(404, 409, 413)},
    )
    @limits.per_user(limits.api_writes)
    def patch(self, request: Request) -> Response:
        given = validation.convert(request.data, WhatToShare)
        return Response(
            _saved(sharing.renew(_user(request), given.id, _named(given.message_id), clock.now()))
        )

    @extend_schema(
        operation_id="stopSharing",
        summary="Stop sharing a conversation",
        description="Its link never works again; a new one has another address.",
        parameters=[
            OpenApiParameter("id", _ID, required=True, description="The conversation's id.")
        ],
        responses={200: StoppedSharing, **errors_of(404)},
    )
    @limits.per_user(limits.api_writes)
    def delete(self, request: Request) -> Response:
        which = validation.query(request.query_params, Which)
        sharing.stop(_user(request), which.id)
        return Response(StoppedSharing(success=True, id=which.id))


def _named(message_id: str | UnsetType) -> str | None:
    return None if message_id is UNSET else message_id


def _saved(link: SharedLink) -> SavedLink:
    chat = link.conversation
    return SavedLink(
        id=chat.client_id,
        title=chat.title,
        path=reverse("chats:shared", args=[link.token]),
        message_id=link.leaf_id,
        is_in_trash=chat.deleted_at is not None,
        created_at=link.created_at,
        shared_at=link.shared_at,
    )
