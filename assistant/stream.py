"""The HTTP stream: /api/assistant/stream, server-sent events that the AI SDK reads."""

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import Any, cast

from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import still_valid
from accounts.models import User
from assistant import event_stream, saving, turns
from assistant.generations import registry
from assistant.models import Generation, GenerationQuerySet, GenerationStatus
from assistant.shown import running_chats
from assistant.ui_messages import START, Position
from assistant.ui_requests import RunningChats, StreamRequest, ToolDecision, question_of
from chatcore import errors, limits, validation
from chatcore.db import in_thread
from chatcore.rest import JSONRenderer
from chatcore.schema import errors_of
from conversations.models import Conversation
from conversations.shapes import ClientId

# For a provider's connection to be closed and the answer to be saved.
STOP_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 0.2

HEADERS = {
    "x-vercel-ai-ui-message-stream": "v1",
    # nginx would collect the stream before it passes it on.
    "X-Accel-Buffering": "no",
}


# --- The views ----------------------------------------------------------------------------------
class _AnyAccept(DefaultContentNegotiation):
    """An EventSource accepts nothing but events, and is answered in JSON if there are none."""

    def select_renderer(
        self, request: Request, renderers: list[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


_EVENTS = {
    (200, "text/event-stream"): OpenApiResponse(
        OpenApiTypes.STR, "The answer, as docs/stream-protocol.md describes it."
    )
}
_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
_CHAT = OpenApiParameter("conversation_id", _ID, "path")


@method_decorator(cache_control(private=True, no_cache=True, no_transform=True), name="dispatch")
class _StreamView(APIView):
    renderer_classes = [JSONRenderer]
    content_negotiation_class = _AnyAccept

    def answer(self, request: Request, record: Generation, after: Position) -> HttpResponseBase:
        """What there is of an answer behind that position, and what is still to come.

        All of what is saved if it has ended. Raises Unavailable if it runs where it cannot be read.
        """
        log = async_to_sync(registry.log_of)(record)
        if log is not None:
            after = after if after.seq <= log.seq else START
            events = event_stream.parts(log, record, after, still_valid(request))
            return StreamingHttpResponse(events, "text/event-stream", headers=HEADERS)
        # It may have ended since it was looked up.
        found = saving.find(_user(request), record.pk)
        if found is None:
            return HttpResponse(status=204)
        if found.generation.status == GenerationStatus.RUNNING:
            raise _made_elsewhere()
        return HttpResponse(event_stream.saved(found), "text/event-stream", headers=HEADERS)


class StreamView(_StreamView):
    """Ask, and read the answer as it is written. It speaks the AI SDK's UI message stream protocol.

    Whoever hangs up only stops to read: the answer goes on and is saved.
    """

    @extend_schema(
        operation_id="streamAnswer",
        summary="Ask, and read the answer as it is written",
        description="Sends `messages` as the AI SDK does; the last one is asked. The same request"
        " again, by `requestId`, `Idempotency-Key` or the message's id, is answered once.",
        request=StreamRequest,
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", _ID, "header", description="In place of `requestId`."
            )
        ],
        responses={**_EVENTS, **errors_of(402, 404, 409, 413)},
    )
    def post(self, request: Request) -> HttpResponseBase:
        given = validation.convert(request.data, StreamRequest)
        try:
            question = question_of(_user(request), given, request.headers.get("Idempotency-Key"))
            turn = _begin(_user(request), question, given.model)
        except turns.TurnRefused as error:
            raise _as_api_error(error) from error
        if turn.conversation.client_id != given.id:
            raise errors.Conflict("This key was used for a question in another conversation.")
        return self.answer(request, turn.generation, START)


class ResumeView(_StreamView):
    """The answer that is being written in a conversation.

    A conversation that the person does not have is one in which nothing runs: ids are everybody's
    own, and a page may ask before its first question has made the chat.
    """

    http_method_names = ["get", "delete", "options"]

    @extend_schema(
        operation_id="resumeAnswer",
        summary="Read the answer that is being written",
        description="From its beginning, or behind the event that `Last-Event-ID` names.",
        parameters=[
            _CHAT,
            OpenApiParameter("Last-Event-ID", str, "header", description="The last `id` seen."),
        ],
        responses={
            **_EVENTS,
            204: OpenApiResponse(description="Nothing is being written."),
            **errors_of(),
        },
    )
    def get(self, request: Request, conversation_id: str) -> HttpResponseBase:
        seen = event_stream.seen(request.headers.get("Last-Event-ID", ""))
        mine = _answers(_user(request), conversation_id)
        record = mine.running().order_by("-pk").first()
        if record is None and seen is not None:
            record = mine.filter(pk=seen.generation_id).first()
        if record is None:
            return HttpResponse(status=204)
        if seen is None or seen.generation_id != record.pk:
            return self.answer(request, record, START)
        if seen.position is None:
            return HttpResponse(status=204)
        return self.answer(request, record, seen.position)

    @extend_schema(
        operation_id="stopAnswer",
        summary="Stop the answer that is being written",
        description="What was written is kept.",
        parameters=[_CHAT],
        responses={204: OpenApiResponse(description="Nothing is being written."), **errors_of()},
    )
    def delete(self, request: Request, conversation_id: str) -> HttpResponseBase:
        for record in _answers(_user(request), conversation_id).running():
            async_to_sync(_stop_and_wait)(record)
        return HttpResponse(status=204)


class DecisionView(_StreamView):
    """Says whether a tool call of a running answer may spend what it asks for."""

    http_method_names = ["post", "options"]

    @extend_schema(
        operation_id="decideToolCall",
        summary="Allow or deny a tool call that waits for it",
        description="The first word counts; the answer goes on with it. What is said of a call that"
        " nobody waits for changes nothing.",
        request=ToolDecision,
        responses={204: OpenApiResponse(description="It is passed on."), **errors_of(404, 413)},
    )
    def post(self, request: Request) -> HttpResponseBase:
        given = validation.convert(request.data, ToolDecision)
        found = saving.find(_user(request), given.generation_id)
        if found is None:
            raise errors.NotFound("There is no such answer.")
        async_to_sync(registry.decide)(found.generation, given.tool_call_id, given.decision)
        return HttpResponse(status=204)


class RunningView(_StreamView):
    """The answers that are being made for whoever asks."""

    http_method_names = ["get", "head", "options"]

    @extend_schema(
        operation_id="listRunningAnswers",
        summary="List the answers that are being made",
        responses={200: RunningChats, **errors_of()},
    )
    def get(self, request: Request) -> Response:
        return Response({"running": running_chats(_user(request))})


def _user(request: Request) -> User:
    return cast(User, request.user)  # every view needs a log-in


def _answers(user: User, conversation_id: str) -> GenerationQuerySet:
    """All answers of one of the person's conversations, also of one that is not there."""
    wanted = validation.convert(conversation_id, ClientId)
    chat = Conversation.objects.for_user(user).filter(client_id=wanted).first()
    mine: GenerationQuerySet = Generation.objects.for_user(user).filter(conversation=chat)
    return mine.with_chat()


# --- Errors -------------------------------------------------------------------------------------
_REFUSALS: dict[str, type[errors.ApiError]] = {
    "not_found": errors.NotFound,
    "unknown_model": errors.Invalid,
    "rate_limited": errors.TooManyRequests,
    "restarting": errors.Unavailable,
    turns.BUDGET_EXCEEDED: errors.BudgetExceeded,
}


def _as_api_error(error: turns.TurnRefused) -> errors.ApiError:
    """What a refused turn is in HTTP: a conflict where nothing else fits."""
    kind = _REFUSALS.get(error.code, errors.Conflict)
    headers = {}
    if kind is errors.TooManyRequests:
        rate = settings.ASSISTANT_LIMIT
        usage = limits.Usage(
            limit=rate and rate.times, remaining=0, reset=error.retry_after or 1, exceeded=True
        )
        headers = usage.headers()
    elif kind is errors.Unavailable:
        headers = {"Retry-After": "5"}
    extra = {"resetsAt": error.resets_at} if error.resets_at else {}
    return kind(str(error), code=error.code, headers=headers, extra=extra)


def _made_elsewhere() -> errors.Unavailable:
    return errors.Unavailable(
        "Another process makes this answer, and it cannot be reached from here. It is saved when"
        " it ends; ask again in a moment.",
        code="made_elsewhere",
        headers={"Retry-After": "2"},
    )


# --- The answers that run -----------------------------------------------------------------------
def _begin(user: User, question: turns.Question, model: str | None) -> turns.Turn:
    if not registry.is_open:
        # By a server that is none of ours; `manage.py start` opens it.
        async_to_sync(_open)()
    return registry.begin(user, question, model)


async def _open() -> None:
    # In a context of its own: the request's thread is not the timers' to use.
    Context().run(registry.open)


async def _stop_and_wait(record: Generation) -> None:
    """Return when the answer is saved, so that a question behind it finds it."""
    log = await registry.log_of(record)
    await registry.stop(record)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            if log is not None:
                async for _ in log.follow(log.seq):
                    pass
            # Its process may be out of hearing, and looks once a second whether it is to stop.
            while not await in_thread(saving.ended, {record.pk}):  # noqa: ASYNC110  no event here
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
