"""The pages of reports: who may see them, what they say, and how tables are searched and sorted."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, unquote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role, User
from analytics import activity, amounts, recording
from analytics.entries import TokenCounts
from chatcore import clock
from chatcore.db import in_transaction
from chatcore.ids import new_id
from tests.analytics.test_recording import an_entry
from tests.server import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/analytics/"


@pytest.fixture
def admin(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def manager(client, dave):
    client.force_login(dave)
    return client


def used(user: User, **fields) -> None:
    recording.write(an_entry(user, **fields))


def wrote(user: User, chats: int, messages: int) -> None:
    in_transaction(
        lambda: activity.note(
            user_id=user.pk,
            organization_id=user.organization_id,
            chats=chats,
            messages=messages,
            at=clock.now(),
        )
    )


def page_of(person: User | None = None) -> str:
    return f"{PAGE}users/{person.pk}/" if person else PAGE


def table(page: str, name: str) -> str:
    return page.split(f'id="{name}"', 1)[1].split("</section>", 1)[0]


def heads(page: str, name: str) -> list[str]:
    """The names in the first column of a table."""
    rows = re.findall(r'<th scope="row">(.*?)</th>', table(page, name), re.S)
    return [re.findall(r">([^<]+)</", row)[0] for row in rows]


def numbers(page: str, name: str) -> list[list[str]]:
    rows = table(page, name).split("<tbody>")[1].split("<tr>")[1:]
    return [re.findall(r'<td class="number"[^>]*>(?:<a[^>]*>)?([^<]*)<', row) for row in rows]


def cards(page: str) -> dict[str, list[str]]:
    found = re.findall(r'<div class="stat">(.*?)</div>', page, re.S)
    texts = [re.findall(r">([^<>]*\S[^<>]*)</d[td]>", each) for each in found]
    return {label: rest for label, *rest in texts}


# --- who may see what -----------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["/admin/analytics", "/admin/analytics/"])
def test_an_administrator_sees_everybody_with_slash_and_without(admin, bob, carol, address):
    used(bob)
    used(carol)

    response = admin.get(address)

    assert response.status_code == 200
    assert heads(response.text, "ai") == ["Bob", "Carol"]
    assert "unsafe" not in response["Content-Security-Policy"]


def test_a_manager_sees_their_own_organisation_and_nothing_of_the_admin(manager, bob, carol):
    used(bob)
    used(carol)

    page = manager.get(PAGE).text

    assert heads(page, "ai") == ["Bob"]
    assert "Globex" not in page
    assert '<select name="orgId">' not in page
    assert set(re.findall(r'href="(/admin/[^"?#]*)', page)) == {PAGE, page_of(bob)}
    assert manager.get("/admin/").status_code == 302
    assert manager.get("/admin/analytics/usagerecord/").status_code == 302


@pytest.mark.parametrize("address", [PAGE, "/admin/analytics", PAGE + "?period=soon"])
def test_a_member_is_refused(client, bob, address):
    client.force_login(bob)

    response = client.get(address)

    assert response.status_code == 403
    assert "Not for this account" in response.text
    assert client.get(page_of(bob)).status_code == 403


def test_a_stranger_logs_in_first_and_comes_back(client, bob):
    for address in (PAGE + "?period=7d", page_of(bob)):
        response = client.get(address)
        assert response.status_code == 302
        assert unquote(response["Location"]) == f"/login?next={address}"


def test_whom_the_viewer_may_not_see_is_not_there(manager, bob, carol):
    used(carol)

    assert manager.get(page_of(bob)).status_code == 200
    assert manager.get(page_of(carol)).status_code == 404
    assert manager.get(f"{PAGE}users/{new_id()}/").status_code == 404


def test_another_organisation_is_not_a_managers_to_ask_for(manager, carol):
    response = manager.get(PAGE, {"orgId": str(carol.organization_id)})

    assert response.status_code == 404
    assert "not yours to see" in response.text
    assert "Globex" not in response.text


def test_an_administrator_picks_an_organisation(admin, bob, carol):
    used(bob)
    used(carol)

    page = admin.get(PAGE, {"orgId": str(carol.organization_id)}).text

    assert heads(page, "ai") == ["Carol"]
    assert f'<option value="{carol.organization_id}" selected>Globex</option>' in page


def test_the_admin_leads_to_the_reports(admin):
    for address in ("/admin/", "/admin/accounts/user/"):
        assert '<a href="/admin/analytics/">Usage reports</a>' in admin.get(address).text
    assert 'aria-current="page">Usage reports</a>' in admin.get(PAGE).text


@pytest.mark.parametrize(("who", "is_linked"), [("alice", True), ("dave", True), ("bob", False)])
def test_the_chat_page_links_to_them_for_whoever_may_see_them(client, request, who, is_linked):
    client.force_login(request.getfixturevalue(who))

    assert ('href="/admin/analytics/"' in client.get("/").text) is is_linked


# --- what is asked for ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("period=soon", "period: is one of 24h, 7d, 30d."),
        ("period=7d&period=30d", "period: may be there only once."),
        ("from=yesterday", "from: is a time with its zone"),
        ("from=2026-02-31", "from: is a time with its zone"),
        ("from=9999-12-31", "from: is a time with its zone"),
        ("to=2026-11-01", "from: is needed beside to."),
        ("from=2026-11-02&to=2026-11-01", "from: has to be before to, and before now."),
        ("orgId=acme", "orgId: is the id of an organisation."),
        ("tz=Mars", "tz: is the name of a time zone"),
        ("tz=../../etc/passwd", "tz: is the name of a time zone"),
        ("sort=1", "sort: is not a known field."),
        ("models_sort=price", "models_sort: is one of name, calls, errors, tokens, cost, p50_ms"),
        ("models_page=x", "models_page: is a number from 1 on."),
        ("models_page=0", "models_page: is a number from 1 on."),
        ("models_page=%C2%B2", "models_page: is a number from 1 on."),
        ("period=%00", "period: is one of"),
        ("%3Cscript%3E=1", "&lt;script&gt;: is not a known field."),
    ],
)
@pytest.mark.parametrize("whose", ["everybody", "bob"])
def test_a_wrong_query_is_told_with_links_to_right_ones(admin, bob, query, told, whose):
    response = admin.get(f"{page_of(bob if whose == 'bob' else None)}?{query}")

    assert response.status_code == 400
    assert told in response.text
    assert 'href="/admin/analytics/?period=7d"' in response.text


def test_days_are_those_of_the_zone_up_to_the_end_of_the_last(admin, bob):
    # In Berlin the first of November begins at 23:00 UTC, and the second ends at 23:00.
    for hour, tokens in ((22, 1), (23, 10)):
        at = datetime(2026, 10, 31, hour, 30, tzinfo=UTC)
        used(bob, created_at=at, tokens=TokenCounts(input=tokens))
        used(bob, created_at=at + timedelta(days=2), tokens=TokenCounts(input=10 * tokens))

    page = admin.get(PAGE + "?from=2026-11-01&to=2026-11-02&tz=Europe/Berlin").text

    assert cards(page)["AI tokens"][0] == "20"
    assert "1 Nov 2026, 00:00 to 3 Nov 2026, 00:00" in page
    assert 'name="from" max=' in page
    assert 'value="2026-11-01"' in page
    assert 'value="2026-11-02"' in page
    csv = re.search(r'href="/api/admin/analytics\?([^"]*table=ai[^"]*)"', page)
    assert csv is not None
    assert parse_qs(csv[1].replace("&amp;", "&")) == {
        "format": ["csv"],
        "table": ["ai"],
        "from": ["2026-10-31T23:00:00Z"],
        "to": ["2026-11-02T23:00:00Z"],
    }


def test_a_day_that_is_not_over_ends_now(admin, bob):
    used(bob)
    today = clock.now().date().isoformat()

    response = admin.get(PAGE, {"from": today, "to": today})

    assert response.status_code == 200
    assert response.context["end"] == response.context["as_of"]


@pytest.mark.parametrize(("cookie", "zone"), [("Asia/Tokyo", "Asia/Tokyo"), ("Mars", "UTC")])
def test_the_zone_is_the_browsers_where_it_is_known(admin, cookie, zone):
    admin.cookies["tz"] = cookie

    page = admin.get(PAGE).text

    assert f"Times are in {zone}." in page
    assert "Times are in Europe/Paris." in admin.get(PAGE + "?tz=Europe/Paris").text


def test_what_a_form_leaves_empty_is_not_asked_for(admin):
    response = admin.get(PAGE + "?period=7d&from=&to=&orgId=&ai_q=&ai_page=")

    assert response.status_code == 200
    assert '?period=7d" aria-current="true">7 days</a>' in response.text


def test_links_to_periods_keep_how_tables_are_sorted_but_no_page(admin, bob):
    used(bob)

    page = admin.get(PAGE + "?period=7d&ai_sort=name&ai_page=2&models_q=gpt").text

    assert '<a href="?period=24h&amp;ai_sort=name&amp;models_q=gpt">24 hours</a>' in page


# --- cards ----------------------------------------------------------------------------------------
def test_cards_stand_beside_the_window_before(admin, bob):
    earlier = clock.now() - timedelta(hours=30)
    used(bob, cost_usd=Decimal("1.00"), tokens=TokenCounts(input=10_000))
    used(bob, cost_usd=Decimal("2.00"), tokens=TokenCounts(input=14_500), created_at=earlier)
    wrote(bob, chats=2, messages=5)

    page = admin.get(PAGE + "?period=24h").text

    assert cards(page) == {
        "AI cost": ["$1.00", "-50% from $2.00"],
        "AI tokens": ["10k", "-31% from 14.5k"],
        "AI calls": ["1", "±0% from 1"],
        "RocketReach calls": ["0", "no figure before"],
        "Chats": ["2", "no figure before"],
        "Messages": ["5", "no figure before"],
        "People": ["2", "accounts there are now"],
    }


@pytest.mark.parametrize(("who", "is_linked"), [("alice", True), ("dave", False)])
def test_unpriced_calls_are_counted_apart(client, request, bob, who, is_linked):
    used(bob, cost_usd=None, model="gpt-own/1")
    client.force_login(request.getfixturevalue(who))

    page = client.get(PAGE).text

    assert cards(page)["AI cost"] == ["unpriced", "no figure before"]
    assert "1 call of models has no price and is not in the cost." in page
    assert ('<a href="/admin/analytics/modelprice/add/">Set a price</a>' in page) is is_linked
    link = "/admin/analytics/modelprice/add/?pattern=gpt-own%2F1&amp;provider=openai"
    assert (f'<a href="{link}">unpriced</a>' in table(page, "models")) is is_linked
    assert numbers(page, "ai") == [["15", "1", "0", "unpriced"]]


def test_where_nothing_was_used_the_page_says_so(admin):
    page = admin.get(PAGE).text

    assert "Nobody has used a model in this window." in table(page, "ai")
    assert "Nobody has looked up a contact in this window." in table(page, "rocketreach")
    assert "Nobody has written anything in this window." in table(page, "conversations")
    assert "No model and no tool was called in this window." in table(page, "models")
    assert "chart-data" not in page


# --- tables ---------------------------------------------------------------------------------------
@pytest.fixture
def team(acme) -> list[User]:
    """Thirty people; number n used n + 1 tokens, of which the last ten have no price."""
    people = [
        User.objects.create_user(
            f"p{number:02}@acme.example", organization=acme, name=f"Person {number:02}"
        )
        for number in range(30)
    ]
    for number, each in enumerate(people):
        used(
            each,
            tokens=TokenCounts(input=number + 1),
            cost_usd=None if number >= 20 else Decimal(number + 1) / 100,
        )
    return people


def names(*found: int) -> list[str]:
    return [f"Person {number:02}" for number in found]


def test_tables_come_in_pages_the_dearest_first_and_the_unpriced_last(admin, team):
    first = admin.get(PAGE).text
    second = admin.get(PAGE + "?ai_page=2").text

    assert heads(first, "ai") == names(*range(19, -1, -1), *range(29, 24, -1))
    assert heads(second, "ai") == names(*range(24, 19, -1))
    assert "1–25 of 30" in table(first, "ai")
    assert 'rel="next" href="?ai_page=2#ai"' in first
    assert 'rel="prev" href="?ai_page=1#ai"' in second
    assert 'rel="next"' not in table(second, "ai")
    assert admin.get(PAGE + "?ai_page=99").text.count("26–30 of 30") == 1


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("tokens", 0, 24),
        ("-tokens", 29, 5),
        ("name", 0, 24),
        ("-name", 29, 5),
        ("cost", 0, 25),
        ("-cost", 19, 25),
    ],
)
def test_tables_are_sorted_by_each_column(admin, team, sort, first, last):
    page = admin.get(PAGE, {"ai_sort": sort}).text

    found = heads(page, "ai")
    assert (found[0], found[-1]) == (names(first)[0], names(last)[0])
    direction = "descending" if sort.startswith("-") else "ascending"
    assert table(page, "ai").count("aria-sort=") == 1
    assert f'aria-sort="{direction}"' in table(page, "ai")


def test_a_header_sorts_by_it_and_then_the_other_way_round(admin, team):
    page = table(admin.get(PAGE + "?period=7d&ai_page=2").text, "ai")
    by_tokens = table(admin.get(PAGE + "?period=7d&ai_sort=-tokens").text, "ai")

    assert '<a href="?period=7d&amp;ai_sort=-tokens#ai">Tokens</a>' in page
    assert '<a href="?period=7d&amp;ai_sort=name#ai">Person</a>' in page
    assert '<a href="?period=7d&amp;ai_sort=cost#ai">Cost</a>' in page
    assert '<a href="?period=7d&amp;ai_sort=tokens#ai">Tokens</a>' in by_tokens
    assert '<a href="?period=7d#ai">Cost</a>' in by_tokens


@pytest.mark.parametrize(
    ("words", "found"),
    [("PERSON 07", [7]), ("p12@", [12]), (" 03 ", [3]), ("nobody", []), ("%", []), (".*", [])],
)
def test_people_are_found_by_name_and_e_mail(admin, team, words, found):
    page = admin.get(PAGE, {"ai_q": words}).text

    assert heads(page, "ai") == names(*found)
    assert "Show all 30" in table(page, "ai")
    if not found:
        assert "Nothing is found for" in table(page, "ai")


def test_each_table_has_its_own_search_sort_and_page(admin, team, bob):
    wrote(bob, chats=1, messages=4)

    page = admin.get(PAGE + "?ai_q=p01&models_sort=calls").text

    assert heads(page, "ai") == names(1)
    assert heads(page, "conversations") == ["Bob"]
    assert '<input type="hidden" name="ai_q" value="p01">' in table(page, "conversations")
    assert '<input type="hidden" name="ai_q"' not in table(page, "ai")


def test_every_table_says_what_the_ledger_says(admin, bob):
    used(bob, tokens=TokenCounts(input=12_000, output=345), duration_ms=1200, ttft_ms=400)
    used(bob, status="error", error="overloaded", cost_usd=Decimal(0), tokens=TokenCounts())
    for status in ("success", "success", "error"):
        used(
            bob,
            provider="rocketreach",
            endpoint="person_lookup",
            model="",
            tokens=TokenCounts(),
            cost_usd=None,
            is_paid_in_credits=True,
            credits=1,
            status=status,
        )
    wrote(bob, chats=2, messages=5)

    page = admin.get(PAGE).text

    assert numbers(page, "ai") == [["12.3k", "2", "1", "$0.01"]]
    assert numbers(page, "rocketreach") == [["3", "0", "3", "66.6%", "3"]]
    assert numbers(page, "conversations") == [["2", "5", "2.5"]]
    model, tool = numbers(page, "models")
    assert model[:4] == ["2", "1", "12.3k", "$0.01"]
    assert tool[:4] == ["3", "1", "0", "3 credits"]
    assert 'title="12,345 tokens"' in page
    assert 'title="$0.0125"' in page


def test_who_has_left_is_marked(admin, bob, carol):
    used(bob)
    used(carol)
    key = bob.pk
    bob.delete()
    User.objects.filter(pk=carol.pk).update(is_active=False)

    page = admin.get(PAGE).text

    assert table(page, "ai").count('<span class="left">left</span>') == 2
    assert str(key) in heads(page, "ai")
    assert admin.get(f"{PAGE}users/{key}/").status_code == 200


def test_a_hostile_name_is_only_text(admin, acme):
    hostile = '<script>alert("1")</script>'
    mallory = User.objects.create_user("m@acme.example", organization=acme, name=hostile)
    used(mallory, model="</script><b>", error="<img src=x>", status="error")

    for address in (PAGE, PAGE + "?ai_q=%3Cscript%3E", page_of(mallory)):
        page = admin.get(address).text
        assert hostile not in page
        assert "</script><b>" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert" in page


# --- one person -----------------------------------------------------------------------------------
def test_a_person_is_opened_with_the_same_window(admin, bob):
    used(bob)

    page = admin.get(PAGE + "?period=7d&ai_sort=name").text

    assert f'<a href="{page_of(bob)}?period=7d" dir="auto">Bob</a>' in page


def test_a_persons_page_has_their_models_days_and_errors(admin, bob, carol):
    used(bob, model="gpt-one", tokens=TokenCounts(input=2500), cost_usd=Decimal("0.5"))
    used(bob, model="gpt-two", status="error", error="The provider is overloaded")
    used(carol, model="claude-other", status="error", error="Not Bob's")
    wrote(bob, chats=1, messages=3)

    page = admin.get(page_of(bob) + "?period=24h").text

    assert cards(page) == {
        "AI cost": ["$0.51"],
        "AI tokens": ["2.5k"],
        "AI calls": ["2"],
        "RocketReach calls": ["0"],
        "Chats": ["1"],
        "Messages": ["3"],
    }
    assert heads(page, "models") == ["gpt-one", "gpt-two"]
    assert "The provider is overloaded" in page
    assert "claude-other" not in page
    assert f'<a href="/admin/accounts/user/{bob.pk}/change/">Account</a>' in page
    assert '<a href="/admin/analytics/?period=24h">All people</a>' in page


def test_a_manager_sees_what_somebody_used_in_their_organisation_before_they_moved(
    manager, bob, carol
):
    used(bob, model="gpt-here")
    User.objects.filter(pk=bob.pk).update(organization=carol.organization)
    bob.refresh_from_db()
    used(bob, model="gpt-there")

    page = manager.get(page_of(bob)).text

    assert heads(page, "models") == ["gpt-here"]


# --- numbers in words -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (12_345, "12.3k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (4_500_000, "4.5M"),
        (999_500_000, "1B"),
        (1_234_000_000_000, "1,234B"),
    ],
)
def test_tokens_are_short(count, text):
    assert amounts.in_tokens(count) == text


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, "unpriced"),
        ("0", "$0.00"),
        ("0.0001", "<$0.01"),
        ("0.01", "$0.01"),
        ("1234.565", "$1,234.57"),
        ("-2.5", "-$2.50"),
    ],
)
def test_dollars_have_cents(cost, text):
    assert amounts.in_dollars(None if cost is None else Decimal(cost)) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [(112, 100, "+12%"), (50, 100, "-50%"), (100, 100, "±0%"), (5000, 1, "over +999%")],
)
def test_a_change_is_in_percent(now, before, text):
    assert amounts.change(now, before) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (1, "100%"), (0.9999, "99.9%"), (0.29, "29%"), (0.5, "50%")]
)
def test_all_is_said_only_of_all(share, text):
    assert amounts.in_percent(share) == text


# --- cost of a page -------------------------------------------------------------------------------
def test_a_page_takes_the_same_queries_however_many_people_there_are(admin, acme, bob):
    used(bob)
    with CaptureQueriesContext(connection) as of_one:
        admin.get(PAGE)
    for number in range(10):
        each = User.objects.create_user(
            f"n{number}@acme.example", PASSWORD, organization=acme, role=Role.MEMBER
        )
        used(each)

    with CaptureQueriesContext(connection) as of_many:
        assert len(heads(admin.get(PAGE).text, "ai")) == 11

    assert len(of_many) == len(of_one) < 60
