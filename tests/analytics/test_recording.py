"""The ledger: each call once, whatever happens on the way."""

from contextlib import suppress
from decimal import Decimal

import pytest
from django.db import OperationalError

from accounts.models import User
from analytics import recording, spool
from analytics.entries import TokenCounts, UsageEntry
from analytics.models import AppendOnly, SpendingMonth, UsageRecord
from chatcore import clock
from chatcore.ids import new_id
from tests.at_once import at_once
from tests.chatcore.test_kernel import conflict

pytestmark = pytest.mark.django_db(transaction=True)


def an_entry(user: User, **fields) -> UsageEntry:
    return UsageEntry(
        **{
            "id": new_id(),
            "organization_id": user.organization_id,
            "user_id": user.pk,
            "provider": "openai",
            "endpoint": "assistant_stream",
            "status": "success",
            "model": "gpt-test",
            "created_at": clock.now(),
            "tokens": TokenCounts(input=10, output=5),
            "cost_usd": Decimal("0.0125"),
            **fields,
        }
    )


def test_a_call_is_one_row_with_the_fields_of_the_seed(bob):
    entry = an_entry(bob, duration_ms=2500)

    assert recording.record_usage(entry)

    row = UsageRecord.objects.get()
    assert (row.pk, row.user_id, row.organization_id) == (entry.id, bob.pk, bob.organization_id)
    assert (row.provider, row.endpoint, row.method) == ("openai", "assistant_stream", "POST")
    assert (row.units, row.status, row.duration_ms, row.error) == (15, "success", 2500, "")
    assert (row.cost_usd, row.price_source) == (Decimal("0.0125"), "stated")


def test_a_new_provider_needs_no_new_field(bob):
    email = an_entry(
        bob, provider="email", endpoint="send", model="", tokens=TokenCounts(), cost_usd=None
    )

    assert recording.record_usage(email)

    row = UsageRecord.objects.get()
    assert (row.provider, row.units, row.calls) == ("email", 1, 1)


def test_the_same_call_again_is_charged_once(bob):
    entry = an_entry(bob)

    recording.record_usage(entry)
    recording.record_usage(entry)

    assert UsageRecord.objects.count() == 1
    month = SpendingMonth.objects.get(subject_id=bob.pk)
    assert (month.spent_usd, month.version) == (Decimal("0.0125"), 1)


def test_the_same_call_from_many_threads_at_once_is_charged_once(bob):
    entry = an_entry(bob)

    at_once(6, lambda _n: recording.record_usage(entry))

    recording.drain_spool()
    assert UsageRecord.objects.count() == 1
    assert SpendingMonth.objects.get(subject_id=bob.pk).spent_usd == Decimal("0.0125")


def test_what_was_estimated_is_adjusted_once_when_the_provider_is_heard(bob):
    estimated = an_entry(bob, usage_source="estimated", tokens=TokenCounts(input=8, output=2))
    counted = an_entry(bob, id=estimated.id, cost_usd=Decimal("0.02"))

    recording.record_usage(estimated)
    recording.record_usage(counted)
    recording.record_usage(counted)

    rows = recording.of_calls([estimated.id])
    assert [row.adjusts for row in rows] == [None, estimated.id]
    assert sum(row.calls for row in rows) == 1
    assert sum(row.estimated_calls for row in rows) == 0
    assert sum(row.input_tokens for row in rows) == 10
    assert sum(row.output_tokens for row in rows) == 5
    assert sum(row.cost_usd for row in rows) == Decimal("0.02")
    assert SpendingMonth.objects.get(subject_id=bob.pk).spent_usd == Decimal("0.02")


def test_a_call_that_was_repriced_is_adjusted_to_what_the_provider_counted(bob):
    estimated = an_entry(bob, usage_source="estimated", cost_usd=None)
    recording.record_usage(estimated)
    row = UsageRecord.objects.get()
    priced = UsageRecord(cost_usd=Decimal("0.001"), price_source="override")
    recording.append([recording.adjustment(row, priced, new_id())])

    recording.record_usage(an_entry(bob, id=estimated.id, cost_usd=Decimal("0.003")))

    rows = recording.of_calls([estimated.id])
    assert sum(each.cost_usd for each in rows if each.cost_usd is not None) == Decimal("0.003")
    assert sum(each.unpriced_calls for each in rows) == 0
    assert sum(each.estimated_calls for each in rows) == 0


def test_what_the_provider_counted_is_not_replaced_by_an_estimate(bob):
    counted = an_entry(bob)
    estimated = an_entry(bob, id=counted.id, usage_source="estimated")

    recording.record_usage(counted)
    recording.record_usage(estimated)

    assert UsageRecord.objects.get().usage_source == "provider"


def test_a_row_outlives_its_person(bob):
    recording.record_usage(an_entry(bob))
    key = bob.pk

    bob.delete()

    assert UsageRecord.objects.get().user_id == key


@pytest.mark.parametrize(
    "change",
    [
        lambda: UsageRecord.objects.update(units=0),
        lambda: UsageRecord.objects.all().delete(),
        lambda: UsageRecord.objects.get().delete(),
        lambda: UsageRecord.objects.get().save(),
    ],
)
def test_no_row_is_changed_or_deleted(bob, change):
    recording.record_usage(an_entry(bob))

    with pytest.raises(AppendOnly):
        change()

    assert UsageRecord.objects.get().units == 15


def test_a_failure_breaks_nothing_and_the_call_is_recorded_later(
    bob, monkeypatch, tmp_path, settings
):
    settings.DATA_DIR = tmp_path
    entry = an_entry(bob)
    with monkeypatch.context() as broken:
        broken.setattr(recording, "append", lambda _rows: 1 / 0)
        assert not recording.record_usage(entry)
    assert [path.name for path in spool.waiting()] == [f"{entry.id}.json"]

    assert recording.drain_spool()

    assert UsageRecord.objects.get().pk == entry.id
    assert spool.waiting() == []


@pytest.mark.parametrize("estimate_is_first", [True, False])
def test_what_the_provider_counted_waits_beside_an_estimate(
    bob, tmp_path, settings, estimate_is_first
):
    settings.DATA_DIR = tmp_path
    counted = an_entry(bob)
    estimated = an_entry(bob, id=counted.id, usage_source="estimated")

    for entry in (estimated, counted) if estimate_is_first else (counted, estimated):
        spool.keep(entry)
    # Another process has estimated it for the ledger meanwhile.
    recording.write(estimated)
    recording.drain_spool()

    rows = recording.of_calls([counted.id])
    assert [row.usage_source for row in rows] == ["estimated", "provider"]
    assert spool.waiting() == []


@pytest.mark.parametrize("fault", [conflict(), OperationalError("locked")])
def test_a_store_that_takes_nothing_now_is_asked_for_one_of_many_that_wait(
    bob, monkeypatch, settings, tmp_path, fault
):
    settings.DATA_DIR = tmp_path
    asked = []

    def refuse(row):
        asked.append(row)
        raise fault

    for _ in range(3):
        spool.keep(an_entry(bob))
    with monkeypatch.context() as refusing, suppress(OperationalError):
        refusing.setattr(recording._line, "put", refuse)
        recording.drain_spool()
    recording.drain_spool()

    assert len(asked) == 1
    assert UsageRecord.objects.count() == 3


def test_what_takes_long_is_left_for_the_next_time(bob, monkeypatch, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(recording, "DRAIN_SECONDS", -1.0)
    for _ in range(3):
        spool.keep(an_entry(bob))

    drained = []
    while recording.drain_spool():
        drained.append(len(spool.waiting()))

    assert drained == [2, 1, 0]


def test_a_call_that_cannot_be_added_up_is_in_the_ledger_and_waits_no_more(
    bob, settings, tmp_path, caplog
):
    settings.DATA_DIR = tmp_path
    entry = an_entry(bob)
    spool.keep(entry)

    recording.drain_spool(lambda _entry: 1 / 0)

    assert UsageRecord.objects.get().pk == entry.id
    assert spool.waiting() == []
    assert f"What came late to the ledger could not be added up: {entry.id}" in caplog.text


def test_a_spooled_file_that_is_no_entry_is_put_aside(bob, tmp_path, settings):
    settings.DATA_DIR = tmp_path
    spool.keep(an_entry(bob))
    (path,) = spool.waiting()
    path.write_text("{")

    recording.drain_spool()

    assert spool.waiting() == []
    assert UsageRecord.objects.count() == 0
    assert [each.suffix for each in spool.folder().iterdir()] == [".bad"]


def test_many_people_of_one_organisation_at_once_lose_nothing(bob):
    entries = [an_entry(bob) for _ in range(40)]

    at_once(8, lambda n: [recording.record_usage(each) for each in entries[n::8]])
    recording.drain_spool()

    assert UsageRecord.objects.count() == 40
    month = SpendingMonth.objects.get(subject_id=bob.organization_id)
    assert (month.spent_usd, month.version) == (Decimal("0.5"), 40)
