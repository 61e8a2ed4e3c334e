"""Rows of many threads that are written together, whoever of them does it."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import IntegrityError, OperationalError, connections

from analytics import line, recording
from analytics.line import Line
from analytics.models import ActivityRecord, PersonBucket, SpendingMonth, UsageRecord
from chatcore.ids import new_id
from tests.analytics.test_recording import an_entry
from tests.chatcore.test_kernel import conflict

pytestmark = pytest.mark.django_db(transaction=True)


class Written:
    """Notes what is written together; `fault` may raise for some."""

    def __init__(self, fault: Callable[[Sequence[ActivityRecord]], None] = lambda _rows: None):
        self.batches: list[list[ActivityRecord]] = []
        self._fault = fault

    def __call__(self, rows: Sequence[ActivityRecord]) -> None:
        self._fault(rows)
        self.batches.append(list(rows))


def put_while_another_writes(one: Line, rows: Sequence[ActivityRecord]) -> list[Future[None]]:
    """All are waiting before the first of them has its turn."""

    def put(row: ActivityRecord) -> None:
        try:
            one.put(row)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(rows)) as threads, line._turn:
        # One after the other, so that they stand in this order.
        futures = []
        for number, row in enumerate(rows, start=1):
            futures.append(threads.submit(put, row))
            while len(one._waiting) < number:
                threading.Event().wait(0.001)
    return futures


def some(count: int) -> list[ActivityRecord]:
    return [ActivityRecord(id=new_id(), organization_id=new_id()) for _ in range(count)]


def test_what_has_gathered_is_written_at_once_and_in_order(monkeypatch):
    monkeypatch.setattr(line, "MOST_TOGETHER", 3)
    written, rows = Written(), some(7)

    futures = put_while_another_writes(Line(written), rows)

    assert written.batches == [rows[:3], rows[3:6], rows[6:]]
    assert [each.exception() for each in futures] == [None] * 7


def test_of_two_with_one_id_the_second_is_written_behind_the_first():
    written = Written()
    first, other = some(2)
    again = ActivityRecord(id=first.pk)

    put_while_another_writes(Line(written), [first, again, other])

    assert written.batches == [[first, other], [again]]
    assert written.batches[1][0] is again


@pytest.mark.parametrize("error", [ValueError("no"), IntegrityError("no"), conflict()])
def test_one_that_cannot_be_written_is_nothing_to_the_others(error, monkeypatch):
    monkeypatch.setattr(line, "ATTEMPTS", 1)
    monkeypatch.setattr(line, "ATTEMPTS_TOGETHER", 1)
    rows = some(3)

    def refuse(batch: Sequence[ActivityRecord]) -> None:
        if rows[1] in batch:
            raise error

    written = Written(refuse)
    futures = put_while_another_writes(Line(written), rows)

    assert written.batches == [[rows[0]], [rows[2]]]
    assert [each.exception() for each in futures] == [None, error, None]


def test_a_store_that_is_away_is_not_asked_for_each_of_them():
    tries = []

    def away(batch: Sequence[ActivityRecord]) -> None:
        tries.append(len(batch))
        raise OperationalError("away")

    futures = put_while_another_writes(Line(Written(away)), some(8))

    assert tries == [8, 4, 2, 1]
    assert {type(each.exception()) for each in futures} == {OperationalError}


def test_a_store_that_was_away_for_a_moment_takes_all_of_them():
    tries = []

    def away_once(batch: Sequence[ActivityRecord]) -> None:
        tries.append(len(batch))
        if len(tries) == 1:
            raise OperationalError("away")

    futures = put_while_another_writes(Line(Written(away_once)), some(8))

    assert tries == [8, 4, 4]
    assert [each.exception() for each in futures] == [None] * 8


def test_sums_that_are_held_hold_up_the_others_of_their_organisation_once(monkeypatch):
    monkeypatch.setattr(line, "ATTEMPTS", 1)
    monkeypatch.setattr(line, "ATTEMPTS_TOGETHER", 1)
    rows, acme, globex = some(8), new_id(), new_id()
    for number, row in enumerate(rows):
        row.organization_id = globex if number % 4 == 3 else acme
    tries = []

    def refuse_acme(batch: Sequence[ActivityRecord]) -> None:
        if any(row.organization_id == acme for row in batch):
            tries.append(len(batch))
            raise conflict()

    written = Written(refuse_acme)
    futures = put_while_another_writes(Line(written), rows)

    assert tries == [8, 4, 2, 1]
    assert written.batches == [[rows[3]], [rows[7]]]
    assert [each.exception() is None for each in futures] == [False, False, False, True] * 2


def test_whoever_is_interrupted_leaves_the_others_to_themselves():
    tries = []

    def interrupt_once(batch: Sequence[ActivityRecord]) -> None:
        tries.append(len(batch))
        if len(tries) == 1:
            raise KeyboardInterrupt

    futures = put_while_another_writes(Line(Written(interrupt_once)), some(3))

    assert tries == [3, 2]
    outcomes = sorted(str(type(each.exception(10))) for each in futures)
    assert outcomes == ["<class 'KeyboardInterrupt'>", "<class 'NoneType'>", "<class 'NoneType'>"]


def test_calls_that_are_written_together_are_as_if_one_by_one(bob, carol):
    """New ones, one that is there, and one that corrects an estimate."""
    known, estimated = an_entry(bob), an_entry(bob, usage_source="estimated")
    recording.write(known)
    recording.write(estimated)
    entries = [
        *(an_entry(bob) for _ in range(3)),
        an_entry(carol, ttft_ms=300, duration_ms=1_000),
        known,
        an_entry(bob, id=estimated.id),
    ]

    put_while_another_writes(recording._line, [recording._row_of(each) for each in entries])

    assert UsageRecord.objects.filter(adjusts=None).count() == 6
    assert UsageRecord.objects.get(adjusts=estimated.id).calls == 0
    calls = dict(PersonBucket.objects.filter(span=15).values_list("user_id", "calls"))
    assert calls == {bob.pk: 5, carol.pk: 1}
    assert SpendingMonth.objects.get(subject_id=bob.pk).version == 6
