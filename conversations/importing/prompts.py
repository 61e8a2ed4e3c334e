"""The prompts of our own export (docs/export.md), for the person who imports it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError
from msgspec import Struct

from accounts.models import User
from chatcore import ids
from conversations.importing.chats import clean
from conversations.importing.report import ImportReport
from prompts.models import Prompt, TooManyPrompts, add
from prompts.shapes import Name, Text


class _Prompt(Struct):
    """As the export has it; members that a later version added are passed over."""

    id: UUID
    name: Name
    text: Text


def take(user: User, given: Sequence[Any], report: ImportReport) -> None:
    """Keep those that the person has not got, up to the most that one may have."""
    there = set(Prompt.objects.own(user).values_list("pk", flat=True))
    for number, each in enumerate(map(_converted, given)):
        if each is None:
            report.skipped_prompts += 1
            continue
        # It is known by its own id in the account that it is from, and by this one in all others.
        key = ids.derived(user.pk, f"prompt:{each.id}")
        try:
            if there.isdisjoint((each.id, key)):
                add(user, each.name, each.text, is_shared=False, key=key)
                report.prompts += 1
            else:
                report.prompts_already_there += 1
        except IntegrityError:
            # Another import of this person's, of another process, was quicker.
            report.prompts_already_there += 1
        except TooManyPrompts:
            report.skipped_prompts += len(given) - number
            return
        there.add(key)


def _converted(given: Any) -> _Prompt | None:
    """None for what is no prompt that can be kept."""
    try:
        found = msgspec.convert(given, _Prompt)
    except msgspec.ValidationError:
        return None
    found.name, found.text = clean(found.name).strip(), clean(found.text).strip()
    return found if found.name and found.text else None
