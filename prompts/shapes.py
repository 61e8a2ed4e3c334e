"""What the API of prompts takes and gives, as types, of which its schema is made too."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from chatcore.validation import Shape
from prompts.models import Prompt

Scope = Literal["personal", "organization"]
# Something that is no blank, as the whole is stripped.
_NOT_BLANK = r"\S"
Name = Annotated[str, Meta(min_length=1, max_length=Prompt.NAME_LENGTH, pattern=_NOT_BLANK)]
Text = Annotated[str, Meta(min_length=1, max_length=Prompt.TEXT_LENGTH, pattern=_NOT_BLANK)]


class NewPrompt(Shape):
    """`scope` is whose it is; only administrators and managers write those of an organisation."""

    name: Name
    text: Text
    scope: Scope = "personal"


class PromptChange(Shape):
    """What is named is changed."""

    id: UUID
    name: Name | UnsetType = UNSET
    text: Text | UnsetType = UNSET


class WhichPrompt(Shape):
    """One prompt by its id."""

    id: UUID


class SavedPrompt(Shape):
    id: UUID
    name: str
    text: str
    scope: Scope
    may_change: bool
    created_at: datetime
    updated_at: datetime


class PromptList(Shape):
    """One's own first, then those of the organisation, by name."""

    prompts: list[SavedPrompt]


class DeletedPrompt(Shape):
    success: Literal[True]
    id: UUID


def saved(prompt: Prompt, *, may_change: bool) -> SavedPrompt:
    return SavedPrompt(
        id=prompt.pk,
        name=prompt.name,
        text=prompt.text,
        scope="organization" if prompt.is_shared else "personal",
        may_change=may_change,
        created_at=prompt.created_at,
        updated_at=prompt.updated_at,
    )
