"""The conversations of whoever asks: /api/assistant/conversations."""

import re
from typing import cast
from uuid import UUID

from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)
from msgspec import UNSET
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from chatcore import cache, clock, limits, validation
from chatcore.db import in_transaction
from chatcore.rest import encode
from chatcore.schema import errors_of
from conversations import pages, saving, signals
from conversations.cache import CHAT_SECONDS, LIST_SECONDS, chat_key, list_key, tag_of
from conversations.models import Conversation
from conversations.saving import Meant
from conversations.search import search
from conversations.shapes import (
    LIST_LIMIT,
    MAX_LIST_LIMIT,
    MAX_MESSAGES_LIMIT,
    MAX_QUERY_CHARACTERS,
    MESSAGES_LIMIT,
    ConversationChange,
    ConversationList,
    Created,
    Done,
    Listing,
    NewConversation,
    SavedConversation,
    Which,
)

_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
_WHICH = OpenApiParameter("id", _ID, required=True, description="The conversation's id.")
_DONE = OpenApiResponse(Done, "The change is saved.")


def _user(request: Request) -> User:
    return cast(User, request.user)  # every view needs a log-in


# Nobody on the way may keep it, and the browser asks each time whether it is still good.
_private = method_decorator(cache_control(private=True, no_cache=True), name="dispatch")


@_private
class ConversationsView(APIView):
    """A person's own conversations. Somebody else's are not there, whatever the role.

    With `id` one of them with its newest messages, without it the list, newest first.
    """

    @extend_schema(
        operation_id="listOrGetConversations",
        summary="List conversations, or get one",
        parameters=[
            OpenApiParameter("id", _ID, description="One conversation; without it the list."),
            OpenApiParameter("cursor", str, description="The list from `nextCursor` on."),
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MAX_MESSAGES_LIMIT},
                description=f"Conversations on a page: {LIST_LIMIT}, at most {MAX_LIST_LIMIT}. With"
                f" `id` messages: {MESSAGES_LIMIT}, at most {MAX_MESSAGES_LIMIT}.",
            ),
            OpenApiParameter(
                "q",
                {"type": "string", "minLength": 1, "maxLength": MAX_QUERY_CHARACTERS},
                description="Those with this text in their title or in a message, which `snippet`"
                " then shows. A page may have fewer than `limit` and still a `nextCursor`.",
            ),
            OpenApiParameter("deleted", bool, description="The trash, or one from the trash."),
            OpenApiParameter("before", _ID, description="With `id`: messages before this one."),
            OpenApiParameter(
                "If-None-Match", str, "header", description="An ETag: 304 if nothing has changed."
            ),
        ],
        responses={
            200: PolymorphicProxySerializer(
                "Conversations", [ConversationList, SavedConversation], None
            ),
            304: OpenApiResponse(description="Nothing has changed since."),
            **errors_of(404),
        },
    )
    def get(self, request: Request) -> Response:
        query = validation.query(request.query_params, Listing)
        if query.id is UNSET:
            return _list(_user(request), query)
        return _one(_user(request), query, request.headers.get("If-None-Match", ""))

    @extend_schema(
        operation_id="createConversation",
        summary="Make a conversation",
        description="The very same request again is answered the same, and makes nothing.",
        request=NewConversation,
        responses={201: Created, **errors_of(409, 413)},
    )
    @limits.per_user(limits.api_writes)
    def post(self, request: Request) -> Response:
        given = validation.convert(request.data, NewConversation)
        saving.create(_user(request), given, clock.now())
        return Response(Created(success=True, id=given.id), status=201)

    @extend_schema(
        operation_id="changeConversation",
        summary="Change a conversation",
        request=ConversationChange,
        parameters=[
            OpenApiParameter(
                "If-Match", str, "header", description="The ETag of the version that is meant."
            )
        ],
        responses={200: _DONE, **errors_of(404, 412, 413, 428)},
    )
    @limits.per_user(limits.api_writes)
    def patch(self, request: Request) -> Response:
        given = validation.convert(request.data, ConversationChange)
        meant = _meant(given, request.headers.get("If-Match"))
        changed = saving.change(_user(request), given, meant=meant, now=clock.now())
        return _done(changed)

    @extend_schema(
        operation_id="deleteConversation",
        summary="Put a conversation into the trash",
        parameters=[_WHICH],
        responses={200: _DONE, **errors_of(404)},
    )
    @limits.per_user(limits.api_writes)
    def delete(self, request: Request) -> Response:
        which = validation.query(request.query_params, Which)

        def work() -> Conversation:
            conversation = saving.find(_user(request), which.id, deleted=None)
            conversation.soft_delete(clock.now())
            return conversation

        return _done(in_transaction(work))


@_private
class RestoreView(APIView):
    """Takes a conversation out of the trash."""

    @extend_schema(
        operation_id="restoreConversation",
        summary="Take a conversation out of the trash",
        request=Which,
        responses={200: _DONE, **errors_of(404, 413)},
    )
    @limits.per_user(limits.api_writes)
    def post(self, request: Request) -> Response:
        which = validation.convert(request.data, Which)

        def work() -> Conversation:
            conversation = saving.find(_user(request), which.id, deleted=None)
            conversation.restore()
            return conversation

        return _done(in_transaction(work))


def _done(conversation: Conversation) -> Response:
    # Whoever fails to hear of it: the change itself is done.
    signals.changed.send_robust(Conversation, conversation=conversation)
    done = Done(success=True, id=conversation.client_id, version=conversation.version)
    return Response(done, headers={"ETag": _etag(conversation.pk, conversation.version)})


def _list(user: User, query: Listing) -> Response:
    _refuse(query, "before", "goes with `id`")
    limit = LIST_LIMIT if query.limit is UNSET else query.limit
    if limit > MAX_LIST_LIMIT:
        raise validation.invalid("limit", f"is at most {MAX_LIST_LIMIT} without `id`")
    after = None if query.cursor is UNSET else pages.key_from(query.cursor, deleted=query.deleted)

    def page() -> bytes:
        if query.q is UNSET:
            found, key = pages.chats(user.pk, deleted=query.deleted, after=after, limit=limit)
        else:
            found, key = search(user.pk, query.q, deleted=query.deleted, after=after, limit=limit)
        return encode(
            ConversationList(
                conversations=[pages.listed(row) for row in found],
                next_cursor=pages.cursor_of(key) if key else None,
            )
        )

    if after is not None or query.q is not UNSET or query.deleted or limit != LIST_LIMIT:
        return Response(page())
    version = str(user.chats_version)
    key = list_key(user.pk)
    return Response(
        cache.versioned(key, version, LIST_SECONDS, lambda: (version, page()), kind="list")
    )


def _one(user: User, query: Listing, known: str) -> Response:
    for name in ("cursor", "q"):
        _refuse(query, name, "does not go with `id`")
    chat_id = cast(str, query.id)
    chat = pages.find(user.pk, chat_id, ("id", "version", "deleted_at"))
    if chat is None or (chat["deleted_at"] is not None) != query.deleted:
        raise saving.not_found()
    headers = {"ETag": _etag(chat["id"], chat["version"])}
    if headers["ETag"] in _tags(known):
        return Response(status=304, headers=headers)
    before = None if query.before is UNSET else query.before
    limit = MESSAGES_LIMIT if query.limit is UNSET else query.limit

    def page() -> tuple[str, bytes]:
        whole = pages.find(user.pk, chat_id)
        if whole is None:
            raise saving.not_found()
        conversation = pages.conversation(whole, before=before, limit=limit)
        return tag_of(whole["id"], whole["version"]), encode(conversation)

    if before is not None or limit != MESSAGES_LIMIT:
        return Response(page()[1], headers=headers)
    key = chat_key(user.pk, chat_id)
    version = tag_of(chat["id"], chat["version"])
    body = cache.versioned(key, version, CHAT_SECONDS, page, kind="conversation")
    return Response(body, headers=headers)


def _refuse(query: Listing, name: str, fault: str) -> None:
    if getattr(query, name) is not UNSET:
        raise validation.invalid(name, fault)


def _etag(key: UUID, version: int) -> str:
    return f'"{tag_of(key, version)}"'


def _tags(header: str) -> list[str]:
    """The ETags in a header; a proxy that compresses marks ours as weak."""
    return re.findall(r'"[^"]*"', header)


def _meant(given: ConversationChange, header: str | None) -> Meant | None:
    """What the client has read, by the body or the header; None for anything."""
    stated = None if given.version is UNSET else Meant(given.version)
    if header is None or header.strip() == "*":
        return stated
    found = re.fullmatch(r'\s*(?:W/)?"(\d{1,10})(?:\.([0-9a-f]{32}))?"\s*', header, re.ASCII)
    if found is None:
        raise validation.invalid("If-Match", "is one ETag, as it was read")
    if stated is not None and stated.version != int(found[1]):
        raise validation.invalid("version", "differs from If-Match")
    return Meant(int(found[1]), UUID(found[2]) if found[2] else None)
