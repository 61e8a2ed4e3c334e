"""`manage.py rebuild_rollups`: the sums that reports are made of, made anew from the ledger."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from analytics import rollups
from analytics.management.since import day_from
from chatcore import clock


class Command(BaseCommand):
    help = (
        "Make the buckets of reports anew from the ledger, day by day. Each day is whole at every"
        " moment: it may be interrupted and run again, also while people work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", metavar="DATE", help="only from this day (UTC) on")

    def handle(self, *, since: str | None, **_options: Any) -> None:
        number = 0
        for day in rollups.days(day_from(since), clock.now()):
            buckets = rollups.rebuild(day)
            number += 1
            self.stdout.write(f"{day:%Y-%m-%d}: {buckets:,} buckets")
        self.stdout.write(f"Days made anew: {number}.")
