"""`manage.py purge_contacts`: contacts that are too old to be used are deleted."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from assistant.contacts import Contact, delete_all
from chatcore import clock


class Command(BaseCommand):
    help = (
        "Delete the contacts that were looked up longer ago than ROCKETREACH_CACHE_DAYS says,"
        " all of them if it is off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def handle(self, *, dry_run: bool, **_options: Any) -> None:
        expired = Contact.objects.expired(clock.now())
        if dry_run:
            self.stdout.write(f"Would delete {expired.count():,} contacts.")
        else:
            self.stdout.write(f"Deleted {delete_all(expired):,} contacts.")
