"""API tokens: the page, the command, the admin, and what they open, on both stores."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts.authentication import TokenAuthentication
from accounts.models import ApiToken, TooManyTokens
from chatcore import clock

NEVER_HERE = "00000000-0000-7000-8000-000000000000"


class WhoAmI(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"email": request.user.email, "token": request.auth.name})


def call(authorization):
    headers = {} if authorization is None else {"HTTP_AUTHORIZATION": authorization}
    return WhoAmI.as_view()(APIRequestFactory().get("/", **headers))


def issue(user, name="Nightly export", *, lifetime=None, now=None) -> str:
    return ApiToken.objects.issue(user, name, lifetime=lifetime, now=now or clock.now())


@pytest.fixture
def page(client, bob):
    client.force_login(bob)
    return client


def make(client, name="Nightly export", lifetime="90"):
    return client.post("/tokens", {"name": name, "lifetime": lifetime})


def shown(response) -> str | None:
    found = re.search(r'id="new-token" value="(\w+)"', response.text)
    return found[1] if found else None


# --- At the API ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "Token", "bearer", "TOKEN"])
def test_a_token_acts_as_its_person(scheme, bob):
    response = call(f"{scheme} {issue(bob)}")

    assert response.status_code == 200
    assert response.data == {"email": "bob@acme.example", "token": "Nightly export"}


@pytest.mark.parametrize(
    ("authorization", "sentence"),
    [
        ("Bearer cc_unknown", "This token is not valid."),
        ("Bearer " + "a" * 5000, "This token is not valid."),
        ("Bearer \u00ff\u00fe", "This token is not valid."),  # on the wire: bytes, and not UTF-8
        ("Bearer", "Send one token"),
        ("Bearer ", "Send one token"),
        ("Bearer two words", "Send one token"),
    ],
)
def test_what_is_no_token_is_refused(authorization, sentence, bob):
    issue(bob)

    response = call(authorization)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.data["error"]["message"].startswith(sentence)


@pytest.mark.parametrize("authorization", [None, "", "Basic Ym9iOmJvYg==", "Digest x"])
def test_what_is_not_meant_for_tokens_is_left_to_others(authorization, db):
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=authorization or "")

    assert TokenAuthentication().authenticate(request) is None
    assert call(authorization).status_code == 401


def test_a_token_ends_at_its_time_and_not_before(bob):
    now = clock.now()
    alive = issue(bob, lifetime=timedelta(days=1), now=now - timedelta(hours=23))
    dead = issue(bob, lifetime=timedelta(days=1), now=now - timedelta(days=1))

    assert call(f"Bearer {alive}").status_code == 200
    response = call(f"Bearer {dead}")
    assert response.status_code == 401
    assert response.data["error"]["message"].startswith("This token has expired.")
    assert ApiToken.objects.count() == 2


def test_a_token_of_somebody_deactivated_is_refused(bob):
    token = issue(bob)
    bob.is_active = False
    bob.save()

    response = call(f"Bearer {token}")

    assert response.status_code == 401
    assert response.data["error"]["message"].startswith("This token is not valid.")


def test_a_token_outlives_the_password(bob):
    token = issue(bob)
    bob.set_password("another horse battery")
    bob.save()

    assert call(f"Bearer {token}").status_code == 200


def test_the_store_has_a_digest_and_not_the_token(bob):
    token = issue(bob)

    row = ApiToken.objects.values().get()
    assert re.fullmatch(r"cc_[0-9a-f]{64}", token)
    assert row["token_key"] == token[:15]
    assert re.fullmatch(r"[0-9a-f]{128}", row["digest"])
    assert token not in str(row)


@pytest.mark.skipif(connection.vendor == "mongodb", reason="counts statements of SQL")
def test_a_use_costs_two_look_ups_and_a_write_in_each_minute(bob, django_assert_num_queries):
    token = issue(bob)

    with django_assert_num_queries(3):  # the token, its person, and the use noted
        call(f"Bearer {token}")
    with django_assert_num_queries(2):
        call(f"Bearer {token}")
    with django_assert_num_queries(1):
        call("Bearer cc_unknown")


def test_the_last_use_is_noted_once_a_minute(bob):
    issue(bob)
    noon = clock.now()

    def used_after(seconds) -> float:
        ApiToken.objects.get().note_use(noon + timedelta(seconds=seconds))
        return (ApiToken.objects.get().last_used_at - noon).total_seconds()

    assert [used_after(each) for each in (0, 59, 60, 100, 121)] == [0, 0, 60, 60, 121]


def test_a_use_that_cannot_be_noted_is_a_use(bob, monkeypatch, caplog):
    token = issue(bob)

    def fail(*_):
        raise DatabaseError("mongodb://user:password@host")

    monkeypatch.setattr(ApiToken, "note_use", fail)

    assert call(f"Bearer {token}").status_code == 200
    assert caplog.messages == ["The use of an API token was not noted: DatabaseError"]


def test_knox_makes_no_table_of_its_own(db):
    assert [name for name in connection.introspection.table_names() if "knox" in name] == []


# --- The page -----------------------------------------------------------------------------------


def test_a_new_token_is_shown_once_and_opens_the_api(page):
    response = make(page)

    token = shown(response)
    assert call(f"Bearer {token}").data["email"] == "bob@acme.example"
    assert "no-store" in response["Cache-Control"]
    assert token not in str(response.cookies)
    assert token not in str(dict(page.session))
    again = page.get("/tokens").text
    assert token not in again
    assert "Nightly export" in again


@pytest.mark.parametrize(("lifetime", "days"), [("30", 30), ("90", 90), ("365", 365)])
def test_a_token_is_valid_as_long_as_was_chosen(lifetime, days, page):
    make(page, lifetime=lifetime)

    token = ApiToken.objects.get()
    assert token.expiry - token.created == timedelta(days=days)


def test_a_token_may_have_no_end(page):
    make(page, lifetime="never")

    assert ApiToken.objects.get().expiry is None
    assert "never expires" in page.get("/tokens").text


def test_ninety_days_are_proposed(page):
    assert '<option value="90" selected>' in page.get("/tokens").text


@pytest.mark.parametrize(
    ("name", "lifetime"),
    [("", "90"), ("   ", "90"), ("n" * 61, "90"), ("a\0b", "90"), ("n", ""), ("n", "36500")],
)
def test_a_form_with_a_fault_makes_no_token(name, lifetime, page):
    response = make(page, name, lifetime)

    assert shown(response) is None
    assert "field-error" in response.text
    assert not ApiToken.objects.exists()


def test_a_name_is_text_and_not_markup(page):
    make(page, "<b>" + "n" * 57)

    assert "&lt;b&gt;nnn" in page.get("/tokens").text


def test_the_list_tells_use_and_end(page, bob):
    now = clock.now()
    issue(bob, "Old", lifetime=timedelta(days=30), now=now - timedelta(days=31))
    used = now.replace(year=2026, month=3, day=4, hour=5, minute=6)
    ApiToken.objects.update(last_used_at=used)

    text = page.get("/tokens").text

    assert "last used 4 Mar 2026, 05:06 UTC" in text
    assert re.search(r"expired \d+ \w{3} \d{4}", text)


def test_fifty_tokens_are_the_most(page, bob, carol):
    for number in range(ApiToken.MOST_PER_PERSON):
        issue(bob, f"n{number}")

    response = make(page)

    assert "You have 50 tokens, which is the most." in response.text
    assert ApiToken.objects.for_user(bob).count() == 50
    with pytest.raises(TooManyTokens):
        issue(bob)
    issue(carol)


def test_the_newest_token_stands_first(page, bob):
    now = clock.now()
    for hours, name in ((2, "older"), (1, "newer")):
        issue(bob, name, now=now - timedelta(hours=hours))

    assert [each.name for each in page.get("/tokens").context["tokens"]] == ["newer", "older"]


def test_a_revoked_token_is_refused_from_then_on(page, bob):
    token = issue(bob)

    response = page.post(f"/tokens/{ApiToken.objects.get().pk}/revoke", follow=True)

    assert "“Nightly export” is revoked." in response.text
    assert not ApiToken.objects.exists()
    assert call(f"Bearer {token}").status_code == 401


def test_somebody_elses_token_is_not_there(page, carol):
    issue(carol, "Carol's")

    assert "Carol" not in page.get("/tokens").text
    assert page.post(f"/tokens/{ApiToken.objects.get().pk}/revoke").status_code == 404
    assert page.post(f"/tokens/{NEVER_HERE}/revoke").status_code == 404
    assert ApiToken.objects.count() == 1


def test_to_look_at_the_address_of_a_revocation_revokes_nothing(page, bob):
    issue(bob)

    response = page.get(f"/tokens/{ApiToken.objects.get().pk}/revoke")

    assert (response.status_code, response["Location"]) == (302, "/tokens")
    assert ApiToken.objects.count() == 1


def test_a_token_opens_no_page_and_makes_no_token(client, bob):
    header = {"HTTP_AUTHORIZATION": f"Bearer {issue(bob)}"}

    listed = client.get("/tokens", **header)
    made = client.post("/tokens", {"name": "More", "lifetime": "never"}, **header)

    assert [each["Location"] for each in (listed, made)] == ["/login?next=/tokens"] * 2
    assert ApiToken.objects.count() == 1


# --- The command --------------------------------------------------------------------------------


def create_token(*arguments, **options) -> str:
    out = StringIO()
    call_command("create_token", *arguments, stdout=out, **options)
    return out.getvalue()


def test_the_command_prints_the_token_alone(bob):
    printed = create_token("Bob@acme.example", name=" Nightly export ", days=7)

    assert re.fullmatch(r"cc_[0-9a-f]{64}\n", printed)
    assert call(f"Bearer {printed.strip()}").status_code == 200
    token = ApiToken.objects.get()
    assert (token.name, token.expiry - token.created) == ("Nightly export", timedelta(days=7))


def test_without_days_a_token_of_the_command_has_no_end(bob):
    create_token(bob.email, name="Nightly export")

    assert ApiToken.objects.get().expiry is None


@pytest.mark.parametrize(
    ("email", "options", "sentence"),
    [
        ("nobody@acme.example", {"name": "n"}, "There is no account nobody@acme.example. Make it"),
        ("bob@acme.example", {"name": " "}, "--name: This field cannot be blank."),
        ("bob@acme.example", {"name": "n" * 61}, "--name: Ensure this value has at most 60"),
        ("bob@acme.example", {"name": "n", "days": 0}, "--days: give a number from 1 to 3650."),
        ("bob@acme.example", {"name": "n", "days": 10**9}, "--days: give a number from 1 to"),
    ],
)
def test_the_command_says_what_is_wrong(email, options, sentence, bob):
    with pytest.raises(CommandError, match=re.escape(sentence)):
        create_token(email, **options)

    assert not ApiToken.objects.exists()


def test_the_command_makes_none_for_somebody_deactivated(bob):
    bob.is_active = False
    bob.save()

    with pytest.raises(CommandError, match="is deactivated"):
        create_token(bob.email, name="n")


def test_the_command_stops_at_fifty(bob):
    for number in range(ApiToken.MOST_PER_PERSON):
        issue(bob, f"n{number}")

    with pytest.raises(CommandError, match="has 50 tokens, which is the most"):
        create_token(bob.email, name="n")


# --- The admin ----------------------------------------------------------------------------------


def test_an_administrator_sees_tokens_without_their_digests(client, alice, bob):
    token = issue(bob)
    row = ApiToken.objects.get()
    client.force_login(alice)

    addresses = ("", "?q=bob", f"?q={token[:15]}", f"{row.pk}/change/")
    pages = [client.get(f"/admin/accounts/apitoken/{address}").text for address in addresses]

    assert all("Nightly export" in each and "bob@acme.example" in each for each in pages)
    assert not any(row.digest in each or token in each for each in pages)
    assert "Nightly export" not in client.get("/admin/accounts/apitoken/?q=carol").text


def test_an_administrator_deletes_a_token_and_cannot_make_or_change_one(client, alice, bob):
    issue(bob)
    address = f"/admin/accounts/apitoken/{ApiToken.objects.get().pk}"
    client.force_login(alice)

    assert client.get("/admin/accounts/apitoken/add/").status_code == 403
    assert client.post(f"{address}/change/", {"name": "Mine"}).status_code == 403
    client.post(f"{address}/delete/", {"post": "yes"})
    assert not ApiToken.objects.exists()


def test_a_persons_tokens_are_deleted_with_the_person(client, alice, bob):
    issue(bob)
    client.force_login(alice)

    client.post(f"/admin/accounts/user/{bob.pk}/delete/", {"post": "yes"})

    assert not ApiToken.objects.exists()
