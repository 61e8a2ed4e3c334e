"""`manage.py check_rollups`: whether reports say what the ledger says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics import rollups
from analytics.management.since import day_from
from analytics.spans import WEEK, floor
from chatcore import clock

# Of each; the number of all is told.
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
        week = None
        for day in rollups.days(day_from(since), clock.now()):
            days += 1
            wrong += self.tell(f"{day:%Y-%m-%d}", rollups.differences(day))
            if week != (week := floor(day, WEEK)):
                wrong += self.tell(f"Week of {week:%Y-%m-%d}", rollups.differences_of_week(day))
        if wrong:
            raise CommandError(
                f"Of {days} days and their weeks {wrong} differ from the ledger."
                " Run rebuild_rollups --since DATE."
            )
        self.stdout.write(f"All {days} days are as the ledger has them.")

    def tell(self, name: str, found: list[str]) -> bool:
        """Write the differences; whether there are any."""
        for line in found[:MOST_SHOWN]:
            self.stdout.write(line)
        if found:
            self.stdout.write(f"{name}: {len(found):,} differences")
        return bool(found)
