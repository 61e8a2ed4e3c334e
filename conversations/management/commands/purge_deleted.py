"""`manage.py purge_deleted --older-than 30d`: the trash is emptied of what is old."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chatcore import clock
from chatcore.db import in_transaction
from conversations.models import Conversation, Message

# One transaction each: other writers get their turn, and a run that is cut short can be repeated.
BATCH = 100
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Command(BaseCommand):
    help = (
        "Delete for good what was put into the trash before a time, with its messages."
        " What it has cost stays in the records of usage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            required=True,
            metavar="AGE",
            help="how long it has to have been in the trash, such as 30d, 12h or 4w",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def handle(self, *, older_than: str, dry_run: bool, **_options: Any) -> None:
        moment = clock.now() - _age(older_than)
        count = Counter[str]()
        for batch in _batches(moment):
            conversations, messages = _delete(batch, moment, dry_run=dry_run)
            count.update(conversations=conversations, messages=messages)
        self.stdout.write(
            f"{'Would delete' if dry_run else 'Deleted'} {count['conversations']:,} conversations"
            f" with {count['messages']:,} messages, in the trash since before"
            f" {moment:%Y-%m-%d %H:%M} UTC."
        )


def _age(given: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([hdw])", given)
    if found is None:
        raise CommandError(
            f"--older-than {given} is no age. Write a number and h, d or w, such as 30d."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _batches(moment: datetime) -> Iterator[list[UUID]]:
    """The keys of what is old; a key comes once, whether it is deleted meanwhile or not."""
    last: UUID | None = None
    while True:
        old = Conversation.objects.filter(deleted_at__lt=moment).order_by("pk")
        if last is not None:
            old = old.filter(pk__gt=last)
        batch = list(old.values_list("pk", flat=True)[:BATCH])
        if not batch:
            return
        yield batch
        last = batch[-1]


def _delete(batch: list[UUID], moment: datetime, *, dry_run: bool) -> tuple[int, int]:
    """How many conversations and messages go, or would go."""

    def work() -> tuple[int, int]:
        # Looked at again: somebody may have taken one out of the trash since.
        old = list(Conversation.objects.filter(pk__in=batch, deleted_at__lt=moment))
        messages = Message.objects.filter(conversation__in=old).count()
        if not dry_run:
            Conversation.objects.filter(pk__in=[each.pk for each in old]).delete()
        return len(old), messages

    return in_transaction(work)
