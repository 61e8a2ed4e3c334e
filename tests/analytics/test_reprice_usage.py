"""Calls that nobody could price get their price afterwards, each once."""

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from itertools import islice

import pytest
from django.core.management import CommandError, call_command

from analytics import recording
from analytics.entries import TokenCounts, UsageEntry
from analytics.management.commands import reprice_usage
from analytics.models import ModelPrice, SpendingMonth, UsageRecord
from chatcore.ids import new_id
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOVEMBER = datetime(2026, 11, 5, 12, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 5, 12, tzinfo=UTC)
YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def record(user, **fields) -> UsageEntry:
    """A call of a model that nobody has a price for, unless it says otherwise."""
    entry = UsageEntry(
        **{
            "id": new_id(),
            "organization_id": user.organization_id,
            "user_id": user.pk,
            "provider": "openai",
            "endpoint": "assistant_stream",
            "status": "success",
            "model": "own",
            "created_at": NOVEMBER,
            "tokens": TokenCounts(input=1000, output=100),
            **fields,
        }
    )
    recording.write(entry)
    return entry


def a_price(pattern="own", **fields) -> ModelPrice:
    """1000 of input and 100 of output come to 0.003 dollars."""
    return ModelPrice.objects.create(
        **{
            "pattern": pattern,
            "starts_at": YEAR,
            "input_usd": Decimal(2),
            "output_usd": Decimal(10),
            **fields,
        }
    )


def reprice(*options: str) -> list[str]:
    output = StringIO()
    call_command("reprice_usage", *options, stdout=output)
    return output.getvalue().splitlines()


def cost_of(entry: UsageEntry) -> Decimal | None:
    costs = [row.cost_usd for row in recording.of_calls([entry.id]) if row.cost_usd is not None]
    return sum(costs, Decimal(0)) if costs else None


def test_an_unpriced_call_gets_the_price_set_since(bob):
    entry = record(bob)
    price = a_price()

    said = reprice()

    row, adjustment = recording.of_calls([entry.id])
    assert said == [
        "openai own: 1 calls, from $0 to $0.003, difference $0.003",
        "Priced 1 calls.",
    ]
    assert (row.cost_usd, row.unpriced_calls) == (None, 1)
    assert adjustment.adjusts == entry.id
    assert (adjustment.cost_usd, adjustment.calls, adjustment.units) == (Decimal("0.003"), 0, 0)
    assert (adjustment.price_source, adjustment.price_version) == ("override", str(price.pk))
    assert adjustment.unpriced_calls == -1
    assert (adjustment.created_at, adjustment.user_id) == (NOVEMBER, bob.pk)


def test_what_a_month_has_come_to_is_counted_along(bob):
    record(bob)
    record(bob, created_at=OCTOBER, tokens=TokenCounts(input=500))
    a_price()

    reprice()

    spent = {(each.subject_id, each.month): each.spent_usd for each in SpendingMonth.objects.all()}
    assert spent == {
        (bob.pk, "2026-11"): Decimal("0.003"),
        (bob.organization_id, "2026-11"): Decimal("0.003"),
        (bob.pk, "2026-10"): Decimal("0.001"),
        (bob.organization_id, "2026-10"): Decimal("0.001"),
    }


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_a_second_run_adds_nothing(bob, options):
    record(bob)
    a_price()
    reprice(*options)

    said = reprice(*options)

    assert said == ["Priced 0 calls."]
    assert UsageRecord.objects.count() == 2


def test_a_dry_run_says_what_it_would_and_writes_nothing(bob):
    record(bob)
    a_price()

    said = reprice("--dry-run")

    assert said == [
        "openai own: 1 calls, from $0 to $0.003, difference $0.003",
        "Would price 1 calls.",
    ]
    assert UsageRecord.objects.count() == 1


def test_what_has_a_price_is_left_alone_without_all(bob):
    a_price()
    entry = record(bob)
    a_price(input_usd=Decimal(4))

    assert reprice() == ["Priced 0 calls."]
    assert cost_of(entry) == Decimal("0.003")


def test_all_brings_calls_to_the_price_known_today_up_and_down(bob):
    a_price()
    entry = record(bob)
    a_price(input_usd=Decimal(4))

    up = reprice("--all")
    a_price(input_usd=Decimal(1))
    down = reprice("--all")

    assert up[0] == "openai own: 1 calls, from $0.003 to $0.005, difference $0.002"
    assert down[0] == "openai own: 1 calls, from $0.005 to $0.002, difference -$0.003"
    assert cost_of(entry) == Decimal("0.002")
    assert SpendingMonth.objects.get(subject_id=bob.pk).spent_usd == Decimal("0.002")


def test_all_brings_a_call_of_the_catalogue_to_the_price_of_an_administrator(bob):
    entry = record(bob, model="gpt-4o")
    a_price("gpt-4o")

    reprice("--all")

    assert cost_of(entry) == Decimal("0.003")


def test_all_does_not_change_what_the_catalogue_still_says(bob):
    record(bob, model="gpt-4o")

    assert reprice("--all") == ["Priced 0 calls."]


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_a_call_of_an_own_server_never_gets_the_price_of_the_catalogue(bob, options):
    """The record does not say where it went, only that it had no price."""
    entry = record(bob, model="gpt-4o", api_url="http://localhost:11434/v1")

    assert reprice(*options) == ["Priced 0 calls."]
    assert cost_of(entry) is None


@pytest.mark.parametrize(
    "fields", [{"cost_usd": Decimal("0.5")}, {"is_paid_in_credits": True, "credits": 3}]
)
def test_what_was_stated_or_paid_in_credits_is_final(bob, fields):
    record(bob, **fields)
    a_price("*")

    assert reprice("--all") == ["Priced 0 calls."]
    assert UsageRecord.objects.count() == 1


def test_nothing_used_stays_at_nothing(bob):
    record(bob, tokens=TokenCounts())
    record(bob, provider="demo")
    a_price("*")

    assert reprice("--all") == ["Priced 0 calls."]


def test_the_price_is_that_of_the_time_of_the_call(bob):
    before = record(bob, created_at=OCTOBER)
    after = record(bob)
    a_price(starts_at=datetime(2026, 11, 1, tzinfo=UTC))

    reprice()

    assert (cost_of(before), cost_of(after)) == (None, Decimal("0.003"))


@pytest.mark.parametrize(
    ("options", "priced"),
    [
        (["--since", "2026-11-01"], {"own", "own-2", "gpt-4o"}),
        (["--since", "2026-11-06"], set()),
        (["--model", "OWN*"], {"own", "own-2", "own-old"}),
        (["--model", "own"], {"own"}),
        (["--provider", "groq"], {"own-2"}),
        (["--model", "own*", "--since", "2026-11-01", "--provider", "openai"], {"own"}),
    ],
)
def test_only_what_is_asked_for_is_priced(bob, options, priced):
    record(bob)
    record(bob, model="own-2", provider="groq")
    record(bob, model="own-old", created_at=OCTOBER)
    record(bob, model="gpt-4o", api_url="http://localhost:1/v1")
    a_price("*")

    reprice(*options)

    assert {row.model for row in UsageRecord.objects.exclude(adjusts=None)} == priced


@pytest.mark.parametrize("given", ["yesterday", "01.11.2026", "2026-13-01", "2026-11-01T10:00"])
def test_a_wrong_date_is_told_with_the_form_it_has(given):
    with pytest.raises(CommandError) as raised:
        reprice("--since", given)

    assert str(raised.value) == f"--since {given} is no date. Write it as in 2026-11-01."


def test_an_estimated_call_is_priced_and_stays_estimated(bob):
    entry = record(bob, usage_source="estimated")
    a_price()

    reprice()

    rows = recording.of_calls([entry.id])
    assert [row.usage_source for row in rows] == ["estimated", "estimated"]
    assert sum(row.estimated_calls for row in rows) == 1
    assert cost_of(entry) == Decimal("0.003")


def test_what_was_corrected_is_priced_by_what_was_counted_at_last(bob):
    entry = record(bob, usage_source="estimated", tokens=TokenCounts(input=10))
    record(bob, id=entry.id)
    a_price()

    reprice()

    rows = recording.of_calls([entry.id])
    assert len(rows) == 3
    assert cost_of(entry) == Decimal("0.003")
    assert sum(row.unpriced_calls for row in rows) == 0
    assert SpendingMonth.objects.get(subject_id=bob.pk).spent_usd == Decimal("0.003")


def test_each_model_has_its_line(bob):
    record(bob)
    record(bob)
    record(bob, model="other", provider="groq")
    a_price("*")

    assert reprice() == [
        "groq other: 1 calls, from $0 to $0.003, difference $0.003",
        "openai own: 2 calls, from $0 to $0.006, difference $0.006",
        "Priced 3 calls.",
    ]


def test_many_pages_and_batches_are_gone_through(bob, monkeypatch):
    monkeypatch.setattr(reprice_usage, "PAGE", 3)
    monkeypatch.setattr(reprice_usage, "BATCH", 2)
    for _ in range(10):
        record(bob)
    a_price()

    assert reprice()[-1] == "Priced 10 calls."
    assert SpendingMonth.objects.get(subject_id=bob.pk).spent_usd == Decimal("0.03")


def test_a_run_that_was_cut_short_is_ended_by_the_next(bob, monkeypatch):
    monkeypatch.setattr(reprice_usage, "BATCH", 2)
    for _ in range(5):
        record(bob)
    a_price()
    batches = reprice_usage._batches

    def two_batches(wanted):
        yield from islice(batches(wanted), 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(reprice_usage, "_batches", two_batches)
        with pytest.raises(KeyboardInterrupt):
            reprice()
    assert UsageRecord.objects.exclude(adjusts=None).count() == 4

    assert reprice()[-1] == "Priced 1 calls."

    assert SpendingMonth.objects.get(subject_id=bob.pk).spent_usd == Decimal("0.015")


def test_two_runs_at_once_price_each_call_once(bob, monkeypatch):
    monkeypatch.setattr(reprice_usage, "BATCH", 3)
    for _ in range(12):
        record(bob)
    a_price()

    at_once(3, lambda _n: reprice())

    assert UsageRecord.objects.exclude(adjusts=None).count() == 12
    assert SpendingMonth.objects.get(subject_id=bob.pk).spent_usd == Decimal("0.036")


def test_answers_recorded_meanwhile_lose_nothing(bob, monkeypatch):
    monkeypatch.setattr(reprice_usage, "BATCH", 5)
    for _ in range(20):
        record(bob)
    a_price()
    work = [reprice, *[lambda: [record(bob, model="gpt-4o") for _ in range(10)]] * 2]

    at_once(3, lambda n: work[n]())

    # 20 of 0.003, and 20 of gpt-4o: 1000 of 2.50 and 100 of 10.
    assert SpendingMonth.objects.get(subject_id=bob.pk).spent_usd == Decimal("0.13")
