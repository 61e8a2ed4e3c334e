"""`manage.py check_rollups`: whether reports say what the ledger says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics import rollups
from analytics.management.since import day_from
from chatcore import clock

# Of a day; the number of all is told.
MOST_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Compare the buckets of reports with the ledger, day by day. Exits with 1 if they differ;"
        " `manage.py rebuild_rollups` mends it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", metavar="DATE", help="only from this day (UTC) on")

    def handle(self, *, since: str | None, **_options: Any) -> None:
        wrong = days = 0
        for day in rollups.days(day_from(since), clock.now()):
            found = rollups.differences(day)
            days += 1
            wrong += bool(found)
            for line in found[:MOST_SHOWN]:
                self.stdout.write(line)
            if found:
                self.stdout.write(f"{day:%Y-%m-%d}: {len(found):,} differences")
        if wrong:
            raise CommandError(
                f"{wrong} of {days} days differ from the ledger. Run rebuild_rollups --since DATE."
            )
        self.stdout.write(f"All {days} days are as the ledger has them.")
