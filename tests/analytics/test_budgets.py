"""Budgets hold for a person and for an organisation, whatever runs at the same time."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Organization, User
from analytics import budgets, prices, recording
from analytics.budgets import NO_LIMITS, BudgetExceeded, Limits
from analytics.models import Reservation, SpendingMonth
from chatcore.db import in_transaction
from chatcore.ids import new_id
from tests.analytics.test_recording import an_entry
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
LIFETIME = timedelta(minutes=15)


def reserve(user: User, amount: str, *, key=None, now=NOW, limits: Limits | None = None) -> None:
    limits = limits or budgets.limits_of(user.pk, user.organization_id)
    with budgets.in_line(user.organization_id, limits):
        in_transaction(
            lambda: budgets.reserve(
                key=key or new_id(),
                user_id=user.pk,
                organization_id=user.organization_id,
                amount_usd=Decimal(amount),
                limits=limits,
                now=now,
                lifetime=LIFETIME,
            )
        )


def spend(user: User, amount: str, *, now=NOW) -> None:
    entry = an_entry(user, cost_usd=Decimal(amount), created_at=now)
    assert recording.record_usage(entry)


def set_budgets(user: User, *, own: str | None = None, organization: str | None = None) -> None:
    user.monthly_budget_usd = own and Decimal(own)
    user.save()
    user.organization.monthly_budget_usd = organization and Decimal(organization)
    user.organization.save()


def held() -> list[Decimal]:
    return sorted(each.amount_usd for each in Reservation.objects.all())


def test_without_a_budget_nothing_is_asked_of_the_store(bob):
    with CaptureQueriesContext(connection) as queries:
        budgets.reserve(
            key=new_id(),
            user_id=bob.pk,
            organization_id=bob.organization_id,
            amount_usd=Decimal(1),
            limits=NO_LIMITS,
            now=NOW,
            lifetime=LIFETIME,
        )

    assert [query["sql"] for query in queries] == []


def test_nobody_has_a_budget_unless_an_administrator_sets_one(bob):
    assert budgets.limits_of(bob.pk, bob.organization_id) == NO_LIMITS
    assert budgets.budget_of(bob, NOW) is None


def test_limits_are_those_of_this_moment(bob):
    set_budgets(bob, own="10", organization="100.5")

    limits = budgets.limits_of(bob.pk, bob.organization_id)

    assert limits == Limits(user_usd=Decimal(10), organization_usd=Decimal("100.5"))


def test_the_whole_budget_can_be_held_and_not_a_hundredth_of_a_cent_more(bob):
    set_budgets(bob, own="1")

    reserve(bob, "0.7")
    reserve(bob, "0.3")
    with pytest.raises(BudgetExceeded):
        reserve(bob, "0.0000000001")

    assert held() == [Decimal("0.3"), Decimal("0.7")]


def test_a_refusal_changes_nothing(bob):
    set_budgets(bob, own="1")
    key = new_id()
    reserve(bob, "0.7", key=key)

    with pytest.raises(BudgetExceeded):
        reserve(bob, "1.1", key=key)

    assert held() == [Decimal("0.7")]
    assert SpendingMonth.objects.get().reservations == 1


def test_a_next_call_of_the_same_answer_takes_the_place_of_the_one_before(bob):
    set_budgets(bob, own="1")
    key = new_id()

    reserve(bob, "0.7", key=key)
    reserve(bob, "0.9", key=key, now=NOW + timedelta(minutes=1))

    reservation = Reservation.objects.get()
    assert (reservation.pk, reservation.amount_usd) == (key, Decimal("0.9"))
    assert reservation.expires_at == NOW + timedelta(minutes=1) + LIFETIME


def test_what_is_released_can_be_held_again(bob):
    set_budgets(bob, own="1")
    key = new_id()
    reserve(bob, "1", key=key)

    budgets.release(key)
    budgets.release(key)

    reserve(bob, "1")
    assert held() == [Decimal(1)]


def test_what_was_never_settled_ends_by_itself(bob):
    set_budgets(bob, own="1")
    reserve(bob, "1")
    with pytest.raises(BudgetExceeded):
        reserve(bob, "0.4", now=NOW + LIFETIME - timedelta(milliseconds=1))

    reserve(bob, "0.4", now=NOW + LIFETIME)

    assert held() == [Decimal("0.4")]


def test_a_turn_takes_along_so_many_of_the_expired_and_no_more(bob, monkeypatch):
    monkeypatch.setattr(budgets, "MOST_EXPIRED", 2)
    set_budgets(bob, organization="1")
    for _ in range(3):
        reserve(bob, "0.1")

    reserve(bob, "0.4", now=NOW + LIFETIME)

    assert held() == [Decimal("0.1"), Decimal("0.4")]


def test_both_budgets_hold(alice, bob, carol):
    set_budgets(bob, own="1", organization="3")
    alice.refresh_from_db()

    reserve(bob, "1")
    with pytest.raises(BudgetExceeded) as own:
        reserve(bob, "0.01")
    reserve(alice, "2")
    with pytest.raises(BudgetExceeded) as everybodys:
        reserve(alice, "0.01")
    reserve(carol, "1000")

    assert (own.value.of, everybodys.value.of) == ("you", "organisation")
    assert held() == [Decimal(1), Decimal(2)]


def test_what_is_settled_counts_as_it_was_charged(bob):
    set_budgets(bob, own="1")
    key = new_id()
    reserve(bob, "0.9", key=key)

    spend(bob, "0.25")
    budgets.release(key)

    reserve(bob, "0.75")
    with pytest.raises(BudgetExceeded):
        reserve(bob, "0.01")


def test_a_call_of_unknown_price_is_refused_only_when_the_budget_is_used_up(bob):
    set_budgets(bob, own="1")
    reserve(bob, "1")

    reserve(bob, "0")
    spend(bob, "1")
    with pytest.raises(BudgetExceeded) as refused:
        reserve(bob, "0")

    assert refused.value.is_used_up


def test_a_budget_of_nothing_allows_nothing(bob):
    set_budgets(bob, own="0")

    with pytest.raises(BudgetExceeded):
        reserve(bob, "0")

    budget = budgets.budget_of(bob, NOW)
    assert (budget.share, budget.is_exhausted) == (Decimal(1), True)


def test_a_budget_begins_anew_at_the_first_moment_of_a_month_in_utc(bob):
    set_budgets(bob, own="1")
    last = DECEMBER - timedelta(milliseconds=1)
    spend(bob, "1", now=last)

    with pytest.raises(BudgetExceeded) as refused:
        reserve(bob, "1", now=last)
    reserve(bob, "1", now=DECEMBER)

    assert refused.value.resets_at == DECEMBER
    assert budgets.budget_of(bob, last).spent_usd == Decimal(1)
    assert budgets.budget_of(bob, DECEMBER).spent_usd == Decimal(0)


@pytest.mark.parametrize(
    ("now", "first"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2027, 1, 31, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
        (DECEMBER, datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_next_month(now, first):
    assert budgets.next_month(now) == first


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"of": "you", "is_used_up": True},
            "Your monthly budget of $1,250.00 is used up. It begins anew on 1 December 2026.",
        ),
        (
            {"of": "you", "is_used_up": False},
            "Too little is left of your monthly budget of $1,250.00 for this."
            " It begins anew on 1 December 2026.",
        ),
        (
            {"of": "organisation", "is_used_up": True},
            "Your organisation's monthly budget is used up. It begins anew on 1 December 2026.",
        ),
        (
            {"of": "organisation", "is_used_up": False},
            "Too little is left of your organisation's monthly budget for this."
            " It begins anew on 1 December 2026.",
        ),
    ],
)
def test_a_refusal_is_a_sentence_that_keeps_the_organisations_figures(fields, sentence):
    refusal = BudgetExceeded(**fields, limit_usd=Decimal("1250.0000000000"), resets_at=DECEMBER)

    assert str(refusal) == sentence


def test_a_budget_with_a_fraction_of_a_cent_is_told_in_full():
    refusal = BudgetExceeded(
        "you", limit_usd=Decimal("0.1250000000"), resets_at=DECEMBER, is_used_up=True
    )

    assert str(refusal).startswith("Your monthly budget of $0.125 is used up.")


@pytest.mark.parametrize(
    ("spent", "is_warned", "is_exhausted"),
    [
        ("7.9999999999", False, False),
        ("8", True, False),
        ("9.9999999999", True, False),
        ("10", True, True),
        ("12", True, True),
    ],
)
def test_a_person_is_warned_at_eighty_percent(bob, spent, is_warned, is_exhausted):
    set_budgets(bob, own="10")
    spend(bob, spent)

    budget = budgets.budget_of(bob, NOW)

    assert (budget.is_warned, budget.is_exhausted) == (is_warned, is_exhausted)
    assert budget.share == Decimal(spent) / 10


def test_of_two_budgets_the_one_of_which_less_is_left_is_told(alice, bob):
    set_budgets(bob, own="10", organization="100")
    reserve(bob, "3")

    spend(bob, "5")
    own = budgets.budget_of(bob, NOW)
    spend(alice, "85")
    everybodys = budgets.budget_of(bob, NOW)

    assert (own.of, own.limit_usd, own.spent_usd) == ("you", Decimal(10), Decimal(5))
    assert (own.reserved_usd, own.resets_at) == (Decimal(3), DECEMBER)
    assert (everybodys.of, everybodys.share) == ("organisation", Decimal("0.9"))


def test_an_estimate_is_of_the_prompt_and_an_answer_of_a_page(monkeypatch):
    asked = []

    def price_of(*args, **kwargs):
        asked.append((args, kwargs))
        return prices.Price(Decimal("0.0125"))

    monkeypatch.setattr(prices, "price_of", price_of)

    estimate = budgets.estimate_of("openai", "gpt-test", 4_001, NOW, "http://localhost:11434/v1")

    (provider, model, tokens, moment), named = asked[0]
    assert estimate == Decimal("0.0125")
    assert (provider, model, moment) == ("openai", "gpt-test", NOW)
    assert (tokens.input, tokens.output, tokens.total) == (1_001, 1_000, 2_001)
    assert named == {"api_url": "http://localhost:11434/v1"}


def test_the_estimate_of_a_model_without_a_price_is_nothing():
    assert budgets.estimate_of("nobody", "no-such-model", 4_000, NOW) == Decimal(0)


def test_two_hundred_at_once_do_not_together_pass_the_budget(bob):
    set_budgets(bob, own="10", organization="1")
    limits = budgets.limits_of(bob.pk, bob.organization_id)
    refused = []

    def work(_number: int) -> None:
        for _ in range(10):
            try:
                reserve(bob, "0.03", limits=limits)
            except BudgetExceeded:
                refused.append(1)

    at_once(20, work)

    assert held() == [Decimal("0.03")] * 33
    assert len(refused) == 200 - 33


def test_two_that_read_the_same_sums_do_not_both_hold(bob, monkeypatch):
    """As two processes would, which know nothing of each other's line."""
    set_budgets(bob, own="1")
    monkeypatch.setattr(budgets, "in_line", lambda *_args: nullcontext())
    refused = []

    def work(_number: int) -> None:
        try:
            reserve(bob, "0.6")
        except BudgetExceeded:
            refused.append(1)

    at_once(4, work)

    assert (held(), len(refused)) == ([Decimal("0.6")], 3)


def test_many_that_reserve_and_settle_at_once_leave_the_sum_right(bob):
    set_budgets(bob, organization="2")
    limits = budgets.limits_of(bob.pk, bob.organization_id)
    settled = []

    def work(_number: int) -> None:
        for _ in range(12):
            key = new_id()
            try:
                reserve(bob, "0.1", key=key, limits=limits)
            except BudgetExceeded:
                continue
            for _ in range(2):
                recording.record_usage(an_entry(bob, cost_usd=Decimal("0.05"), created_at=NOW))
            budgets.release(key)
            settled.append(key)

    at_once(4, work)
    recording.drain_spool()

    month = SpendingMonth.objects.get(subject_id=bob.organization_id)
    assert month.spent_usd == Decimal("0.1") * len(settled)
    assert month.spent_usd <= Decimal(2)
    assert not Reservation.objects.exists()


def test_an_organisation_is_not_named_by_the_id_of_a_person(bob, carol):
    set_budgets(carol, organization="1")

    reserve(bob, "5")

    assert not Reservation.objects.exists()
    assert Organization.objects.get(pk=bob.organization_id).monthly_budget_usd is None
