"""`manage.py delete_contact jane@acme.example`: all that is kept of one person is deleted."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.models import Organization
from assistant.contacts import Contact, delete_all


class Command(BaseCommand):
    help = (
        "Delete what was looked up of a person, in every organisation. What was written of them in"
        " chats stays there; the records of usage name nobody."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "person",
            help="an e-mail address, a whole name, a LinkedIn profile, or an id of RocketReach's",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def handle(self, *, person: str, dry_run: bool, **_options: Any) -> None:
        found = list(Contact.objects.about(person))
        names = dict(Organization.objects.values_list("pk", "name"))
        for each in found:
            employer = each.answer.get("person", {}).get("employer", "no employer known")
            organization = names.get(each.organization_id, each.organization_id)
            self.stdout.write(f"{each.name} ({employer}), looked up by {organization}")
        if not dry_run:
            delete_all(Contact.objects.filter(pk__in=[each.pk for each in found]))
        self.stdout.write(f"{'Would delete' if dry_run else 'Deleted'} {len(found):,} contacts.")
