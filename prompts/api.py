"""The prompts of whoever asks: /api/prompts."""

from typing import cast
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from drf_spectacular.utils import OpenApiParameter, extend_schema
from msgspec import UNSET
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import may_write_for_organization
from chatcore import clock, limits, validation
from chatcore.errors import Conflict, NotFound
from chatcore.schema import errors_of
from prompts.models import Prompt, TooManyPrompts, add, listed
from prompts.shapes import (
    DeletedPrompt,
    NewPrompt,
    PromptChange,
    PromptList,
    SavedPrompt,
    WhichPrompt,
    saved,
)


def _user(request: Request) -> User:
    return cast(User, request.user)  # every view needs a log-in


@method_decorator(cache_control(private=True, no_store=True), name="dispatch")
class PromptsView(APIView):
    """A person's own prompts, and those of their organisation. No others are there."""

    @extend_schema(
        operation_id="listPrompts",
        summary="List prompts",
        responses={200: PromptList, **errors_of()},
    )
    def get(self, request: Request) -> Response:
        user = _user(request)
        shares = may_write_for_organization(user)
        return Response(
            PromptList(
                prompts=[
                    saved(each, may_change=shares or not each.is_shared) for each in listed(user)
                ]
            )
        )

    @extend_schema(
        operation_id="createPrompt",
        summary="Make a prompt",
        request=NewPrompt,
        responses={201: SavedPrompt, **errors_of(409)},
    )
    @limits.per_user(limits.api_writes)
    def post(self, request: Request) -> Response:
        user = _user(request)
        given = validation.convert(request.data, NewPrompt)
        is_shared = given.scope == "organization"
        if is_shared and not may_write_for_organization(user):
            raise PermissionDenied
        try:
            prompt = add(user, given.name.strip(), given.text.strip(), is_shared=is_shared)
        except TooManyPrompts as error:
            raise Conflict(str(error)) from error
        return Response(saved(prompt, may_change=True), status=201)

    @extend_schema(
        operation_id="changePrompt",
        summary="Change a prompt",
        request=PromptChange,
        responses={200: SavedPrompt, **errors_of(404)},
    )
    @limits.per_user(limits.api_writes)
    def patch(self, request: Request) -> Response:
        given = validation.convert(request.data, PromptChange)
        prompt = _changeable(_user(request), given.id)
        named = {"name": given.name, "text": given.text}
        fields = {name: text.strip() for name, text in named.items() if text is not UNSET}
        if not prompt.change(clock.now(), **fields):
            raise _not_found()
        return Response(saved(prompt, may_change=True))

    @extend_schema(
        operation_id="deletePrompt",
        summary="Delete a prompt",
        parameters=[OpenApiParameter("id", UUID, required=True, description="The prompt's id.")],
        responses={200: DeletedPrompt, **errors_of(404)},
    )
    @limits.per_user(limits.api_writes)
    def delete(self, request: Request) -> Response:
        which = validation.query(request.query_params, WhichPrompt)
        _changeable(_user(request), which.id).delete()
        return Response(DeletedPrompt(success=True, id=which.id))


def _changeable(user: User, prompt_id: UUID) -> Prompt:
    prompt: Prompt | None = Prompt.objects.changeable_by(user).filter(pk=prompt_id).first()
    if prompt is None:
        raise _not_found()
    return prompt


def _not_found() -> NotFound:
    return NotFound("There is no such prompt, or it is not yours to change.")
