"""The prompts of our own export (docs/export.md), for the person who imports it."""

from collections.abc import Callable, Sequence
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


def take(
    user: User, given: Sequence[Any], report: ImportReport, check_person: Callable[[], None]
) -> None:
    """Keep those that the person has not got, up to the most that one may have.

    `check_person` raises if the person is gone.
    """
    found = [each for each in map(_converted, given) if each is not None]
    report.skipped_prompts += len(given) - len(found)
    missing = _missing(user, found)
    report.prompts_already_there += len(found) - len(missing)
    for number, (key, each) in enumerate(missing.items()):
        try:
            is_new = _add(user, key, each, check_person)
        except TooManyPrompts:
            report.skipped_prompts += len(missing) - number
            return
        report.prompts += is_new
        report.prompts_already_there += not is_new


def _missing(user: User, found: Sequence[_Prompt]) -> dict[UUID, _Prompt]:
    """Those that the person has not got, each once, by the id that it gets."""
    own = list(Prompt.objects.own(user).values_list("pk", "name", "text"))
    there, texts = {key for key, *_ in own}, {(name, text) for _, name, text in own}
    missing: dict[UUID, _Prompt] = {}
    for each in found:
        # It is known by its own id in the account that it is from, by this one in all others, and
        # by what it says where it came back from one of those.
        key, words = ids.derived(user.pk, f"prompt:{each.id}"), (each.name, each.text)
        if there.isdisjoint((each.id, key)) and words not in texts:
            missing[key] = each
            there.add(key)
            texts.add(words)
    return missing


def _add(user: User, key: UUID, prompt: _Prompt, check_person: Callable[[], None]) -> bool:
    """False if another import of this person's, of another process, was quicker."""
    check_person()
    try:
        add(user, prompt.name, prompt.text, is_shared=False, key=key)
    except IntegrityError:
        # It may be the person who went meanwhile.
        check_person()
        if not Prompt.objects.own(user).filter(pk=key).exists():
            raise
        return False
    return True


def _converted(given: Any) -> _Prompt | None:
    """None for what is no prompt that can be kept."""
    try:
        found = msgspec.convert(given, _Prompt)
    except (msgspec.ValidationError, UnicodeError):
        return None
    found.name, found.text = clean(found.name).strip(), clean(found.text).strip()
    return found if found.name and found.text else None
