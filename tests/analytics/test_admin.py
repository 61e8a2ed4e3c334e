"""Prices and records of usage in Django's admin, on both stores."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from analytics import admin as usage_admin
from analytics import prices, recording
from analytics.entries import TokenCounts
from analytics.models import ModelPrice, UsageRecord
from tests.analytics.test_recording import an_entry

pytestmark = pytest.mark.django_db(transaction=True)

PRICES = "/admin/analytics/modelprice/"
RECORDS = "/admin/analytics/usagerecord/"
GIVEN = {
    "pattern": "gpt-own*",
    "provider": "",
    "starts_at_0": "2026-11-01",
    "starts_at_1": "00:00:00",
    "input_usd": "2.5",
    "output_usd": "10",
}


@pytest.fixture
def admin(client, alice):
    client.force_login(alice)
    return client


def unpriced(user, **fields):
    entry = an_entry(user, **{"cost_usd": None, "model": "gpt-own/1", **fields})
    recording.write(entry)
    return entry


def test_the_pages_open(admin, bob):
    entry = unpriced(bob)
    admin.post(PRICES + "add/", GIVEN)
    price = ModelPrice.objects.get()

    for page in (
        "/admin/",
        "/admin/analytics/",
        PRICES,
        PRICES + "?q=own",
        PRICES + "?q=gpt-own*",
        PRICES + "?q=(",
        PRICES + "add/",
        f"{PRICES}{price.pk}/change/",
        f"{PRICES}{price.pk}/history/",
        RECORDS,
        f"{RECORDS}{entry.id}/change/",
        RECORDS + "?provider=openai&status__exact=success&usage_source__exact=provider",
        RECORDS + "?price=unpriced",
        RECORDS + "?price=credits",
        RECORDS + "?created_at__gte=2026-11-01+00:00:00%2B00:00",
        RECORDS + "?p=2&o=1",
    ):
        response = admin.get(page, follow=True)
        assert response.status_code == 200, page
        assert "unsafe" not in response["Content-Security-Policy"]


@pytest.mark.parametrize("who", ["bob", "dave"])
@pytest.mark.parametrize("page", [PRICES, PRICES + "add/", RECORDS])
def test_only_administrators_get_in(who, page, client, request):
    client.force_login(request.getfixturevalue(who))

    assert client.get(page).status_code == 302
    assert client.post(page, GIVEN).status_code == 302
    assert not ModelPrice.objects.exists()


# --- prices ---------------------------------------------------------------------------------------
def test_a_price_is_added_and_used(admin):
    assert prices.price_of("openai", "gpt-own", TokenCounts(input=1), recording.clock.now()) == (
        prices.UNPRICED
    )

    response = admin.post(PRICES + "add/", {**GIVEN, "provider": " OpenAI "})

    assert response.status_code == 302
    row = ModelPrice.objects.get()
    assert (row.pattern, row.provider) == ("gpt-own*", "openai")
    assert row.starts_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert (row.input_usd, row.output_usd, row.cache_read_usd) == (Decimal("2.5"), 10, None)
    price = prices.price_of("openai", "gpt-own", TokenCounts(input=1), recording.clock.now())
    assert price.cost_usd == Decimal("0.0000025")


def test_what_was_set_and_what_before_is_noted(admin, alice):
    admin.post(PRICES + "add/", GIVEN)
    lower = {"pattern": "GPT-own*", "input_usd": "2", "cache_read_usd": "0.2"}
    admin.post(PRICES + "add/", {**GIVEN, "pattern": "gpt-own", "input_usd": "1"})
    admin.post(PRICES + "add/", {**GIVEN, **lower})

    newest, _, first = LogEntry.objects.order_by("-action_time", "-pk")

    assert {newest.user_id, first.user_id} == {alice.pk}
    assert first.get_change_message() == (
        "any provider, USD for a million: input 2.5, output 10 (no price of ours before)"
    )
    assert newest.get_change_message() == (
        "any provider, USD for a million: input 2, output 10, cache read 0.2"
        " (before: input 2.5, output 10)"
    )
    page = admin.get(f"{PRICES}{newest.object_id}/history/").text
    assert "before: input 2.5, output 10" in page


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"pattern": " "}, "This field is required."),
        ({"pattern": "x" * 201}, "at most 200 characters"),
        ({"provider": "x" * 65}, "at most 64 characters"),
        ({"input_usd": "-1"}, "greater than or equal to 0"),
        ({"output_usd": "10000.01"}, "less than or equal to 10000"),
        ({"cache_read_usd": "cheap"}, "Enter a number."),
        ({"reasoning_usd": "0.00000000001"}, "no more than 10 decimal places"),
        ({"input_usd": ""}, "This field is required."),
        ({"starts_at_0": "soon"}, "Enter a valid date."),
    ],
)
def test_a_wrong_price_is_told(admin, wrong, told):
    response = admin.post(PRICES + "add/", {**GIVEN, **wrong})

    assert response.status_code == 200
    assert told in response.text
    assert not ModelPrice.objects.exists()
    assert not LogEntry.objects.exists()


def test_a_link_fills_in_the_model(admin):
    page = admin.get(PRICES + "add/?pattern=gpt-%22x&provider=openai&starts_at=x&input_usd=x").text

    assert 'name="pattern" value="gpt-&quot;x"' in page
    assert 'name="provider" value="openai"' in page


@pytest.mark.parametrize(
    ("words", "found"), [("OWN", True), ("gpt-own*", True), ("own(", False), ("g.t", False)]
)
def test_prices_are_searched(admin, words, found):
    admin.post(PRICES + "add/", GIVEN)

    assert ("gpt-own*</a>" in admin.get(PRICES, {"q": words}).text) is found


def test_prices_are_listed_without_zeros_at_their_end(admin):
    admin.post(PRICES + "add/", {**GIVEN, "cache_read_usd": "0.0125"})

    page = admin.get(PRICES).text

    assert '<td class="field-provider_or_any">any</td>' in page
    assert '<td class="field-input">2.5</td>' in page
    assert '<td class="field-output">10</td>' in page
    assert '<td class="field-cache_read">0.0125</td>' in page


def test_no_price_is_changed_or_deleted(admin):
    admin.post(PRICES + "add/", GIVEN)
    row = ModelPrice.objects.get()

    changed = admin.post(f"{PRICES}{row.pk}/change/", {**GIVEN, "input_usd": "0"})
    deleted = admin.post(f"{PRICES}{row.pk}/delete/", {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    admin.post(PRICES, chosen)

    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert ModelPrice.objects.get().input_usd == Decimal("2.5")


# --- records of usage -----------------------------------------------------------------------------
def test_a_record_is_listed_with_its_person_tokens_and_cost(admin, bob):
    created_at = datetime(2026, 11, 5, 12, 30, 15, tzinfo=UTC)
    recording.write(an_entry(bob, created_at=created_at, tokens=TokenCounts(input=1200, output=34)))

    page = admin.get(RECORDS).text

    assert ">2026-11-05 12:30:15</a>" in page
    assert '<td class="field-person">bob@acme.example</td>' in page
    assert '<td class="field-tokens">1,234</td>' in page
    assert '<td class="field-cost">$0.0125</td>' in page
    assert '<td class="field-source">provider</td>' in page


def test_the_record_of_a_person_who_is_gone_shows_their_id(admin, bob):
    recording.write(an_entry(bob))
    key = bob.pk
    bob.delete()

    assert f'<td class="field-person">{key}</td>' in admin.get(RECORDS).text


def test_an_unpriced_record_leads_to_where_its_model_gets_a_price(admin, bob):
    unpriced(bob)

    link = f"{PRICES}add/?pattern=gpt-own%2F1&amp;provider=openai"

    assert f'<td class="field-cost"><a href="{link}">unpriced</a></td>' in admin.get(RECORDS).text


def test_a_record_paid_in_credits_shows_them(admin, bob):
    unpriced(bob, is_paid_in_credits=True, credits=3)

    assert '<td class="field-cost">3 credits</td>' in admin.get(RECORDS).text


def test_an_adjustment_is_marked_and_linked(admin, bob):
    entry = unpriced(bob, usage_source="estimated")
    recording.write(an_entry(bob, id=entry.id, cost_usd=Decimal("0.02")))
    adjustment = UsageRecord.objects.exclude(adjusts=None).get()

    page = admin.get(RECORDS).text
    of_the_row = admin.get(f"{RECORDS}{entry.id}/change/").text
    of_the_adjustment = admin.get(f"{RECORDS}{adjustment.pk}/change/").text

    assert '<td class="field-source">estimated</td>' in page
    assert '<td class="field-source">adjustment, provider</td>' in page
    assert '<td class="field-cost">see adjustment</td>' in page
    assert f'<a href="{RECORDS}{adjustment.pk}/change/">$0.02</a>' in of_the_row
    assert f'<a href="{RECORDS}{entry.id}/change/">{entry.id}</a>' in of_the_adjustment


def test_unpriced_records_and_those_of_a_provider_can_be_picked(admin, bob):
    unpriced(bob)
    recording.write(an_entry(bob, provider="groq", model="priced"))

    of_groq = admin.get(RECORDS + "?provider=groq").text
    without_price = admin.get(RECORDS + "?price=unpriced").text

    assert 'href="?provider=groq"' in admin.get(RECORDS).text
    assert ("gpt-own/1" in of_groq, "priced</td>" in of_groq) == (False, True)
    assert '<td class="field-model">gpt-own/1</td>' in without_price
    assert '<td class="field-model">priced</td>' not in without_price


def test_a_page_of_records_takes_the_same_few_queries(admin, bob, carol):
    unpriced(bob)
    with CaptureQueriesContext(connection) as of_one:
        admin.get(RECORDS)
    for user in (bob, carol) * 5:
        unpriced(user)

    with CaptureQueriesContext(connection) as of_eleven:
        page = admin.get(RECORDS).text

    assert (page.count("bob@acme.example"), page.count("carol@globex.example")) == (6, 5)
    assert len(of_eleven) == len(of_one) <= 8


def test_a_large_ledger_is_not_counted_to_its_end(admin, bob, monkeypatch):
    monkeypatch.setattr(usage_admin, "MOST_COUNTED", 3)
    for _ in range(5):
        unpriced(bob)

    assert "3 usage records" in admin.get(RECORDS).text


def test_no_record_is_added_changed_or_deleted(admin, bob):
    entry = unpriced(bob)

    answers = [
        admin.post(RECORDS + "add/", {}),
        admin.post(f"{RECORDS}{entry.id}/change/", {"units": "0"}),
        admin.post(f"{RECORDS}{entry.id}/delete/", {"post": "yes"}),
    ]
    chosen = {"action": "delete_selected", "_selected_action": [str(entry.id)], "post": "yes"}
    admin.post(RECORDS, chosen)

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert UsageRecord.objects.get().units == 15
