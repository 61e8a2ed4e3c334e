"""`manage.py rebuild_rollups` and `manage.py check_rollups`."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from analytics import recording, rollups
from analytics.models import PersonBucket, UsageBucket
from analytics.spans import DAY
from tests.analytics.test_recording import an_entry
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = datetime(2026, 11, 1, 10, tzinfo=UTC)


def run(command: str, *arguments: str) -> str:
    said = StringIO()
    call_command(command, *arguments, stdout=said)
    return said.getvalue()


@pytest.fixture
def two_days(bob):
    for hours in (0, 24):
        recording.write(an_entry(bob, created_at=FIRST + timedelta(hours=hours)))


def test_what_is_right_is_said_to_be_right(two_days):
    assert "days are as the ledger has them." in run("check_rollups")


def test_a_difference_is_told_and_ends_with_a_fault_until_it_is_mended(two_days):
    UsageBucket.objects.filter(span=DAY, start__day=1).update(calls=7)

    with pytest.raises(CommandError, match=r"^Of \d+ days and their weeks 2 differ from"):
        run("check_rollups")
    said = run("rebuild_rollups")

    assert "2026-11-01: " in said
    assert "are as the ledger has them." in run("check_rollups")


def test_since_leaves_the_days_before_alone(two_days):
    PersonBucket.objects.filter(span=DAY).update(tokens=7)

    run("rebuild_rollups", "--since", "2026-11-02")

    assert "are as the ledger has them." in run("check_rollups", "--since", "2026-11-02")
    with pytest.raises(CommandError):
        run("check_rollups", "--since", "2026-11-01")


def test_an_empty_installation_has_nothing_to_make():
    assert run("rebuild_rollups") == "Days made anew: 0.\n"
    assert run("check_rollups") == "All 0 days are as the ledger has them.\n"


def test_a_wrong_date_is_told():
    with pytest.raises(CommandError, match=r"^--since soon is no date"):
        run("rebuild_rollups", "--since", "soon")


def test_what_is_recorded_while_a_day_is_made_anew_is_in_it(bob):
    recording.write(an_entry(bob, created_at=FIRST))
    day = rollups.floor(FIRST, DAY)

    def work(number: int) -> None:
        for _ in range(5):
            if number == 0:
                rollups.rebuild(day)
            else:
                recording.record_usage(an_entry(bob, created_at=FIRST))

    at_once(4, work)
    recording.drain_spool()

    assert rollups.differences(day) == []
    assert PersonBucket.objects.get(span=DAY).calls == 16


def test_two_hundred_recordings_at_once_on_one_bucket_lose_none(bob):
    def work(_number: int) -> None:
        for _ in range(10):
            assert recording.record_usage(an_entry(bob, created_at=FIRST))

    at_once(20, work)

    assert rollups.differences(rollups.floor(FIRST, DAY)) == []
    assert PersonBucket.objects.get(span=DAY).calls == 200
