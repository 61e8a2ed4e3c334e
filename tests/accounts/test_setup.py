"""The first administrator, new accounts, and accounts made by command."""

import pytest
from django.core.management import call_command

from accounts.models import Installation, Organization, Role, SetupClosed, User
from accounts.setup import setup_path
from tests.at_once import at_once

FORM = {
    "name": "Alice",
    "organization": "Acme",
    "email": "Alice@Acme.example",
    "password": "correct horse battery",
}


def test_the_link_makes_the_first_administrator_and_logs_them_in(client, db):
    response = client.post(setup_path(), FORM)

    assert (response.status_code, response["Location"]) == (302, "/")
    alice = User.objects.get()
    assert (alice.email, alice.name, alice.role) == ("alice@acme.example", "Alice", Role.ADMIN)
    assert alice.organization.name == "Acme"
    assert client.get("/").status_code == 200


def test_the_link_works_once(client, db):
    link = setup_path()
    client.post(link, FORM)
    client.logout()

    again = client.post(link, {**FORM, "email": "mallory@acme.example"})

    assert (again.status_code, again["Location"]) == (302, "/login")
    assert User.objects.count() == 1
    assert setup_path() is None


@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong", "?token=%00", "?token=é"])
def test_without_the_token_nobody_makes_an_account(token, client, db):
    assert client.get(f"/setup{token}").status_code == 403
    response = client.post(f"/setup{token}", FORM)

    assert response.status_code == 403
    assert "Make the first account" in response.text
    assert User.objects.count() == 0


def test_the_front_door_of_an_empty_installation_says_where_the_link_is(client, db):
    response = client.get("/", follow=True)

    assert response.status_code == 403
    assert "Look at the terminal" in response.text


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_moment_one_becomes_administrator():
    outcomes: list[str] = []

    def set_up(number: int) -> None:
        try:
            User.objects.create_first_administrator(
                f"admin{number}@acme.example", "correct horse", organization_name=f"Acme {number}"
            )
            outcomes.append("made")
        except SetupClosed:
            outcomes.append("closed")

    at_once(2, set_up)

    assert sorted(outcomes) == ["closed", "made"]
    assert (User.objects.count(), Organization.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "no address", "Enter a valid email address."),
        ("email", "", "This field is required."),
        ("password", "short", "This password is too short."),
        ("password", "1234567890123", "This password is entirely numeric."),
        ("password", "alice@acme.example", "The password is too similar to the e-mail."),
        ("organization", "", "This field is required."),
        ("organization", "x" * 121, "at most 120 characters"),
        ("name", "a\x00b", "Null characters are not allowed."),
    ],
)
def test_a_wrong_entry_is_explained_and_nothing_is_made(field, value, message, client, db):
    response = client.post(setup_path(), {**FORM, field: value})

    assert response.status_code == 200
    assert message in response.text.replace("&#x27;", "'")
    assert (User.objects.count(), Organization.objects.count()) == (0, 0)
    assert not Installation.is_set_up()


def test_sign_up_is_closed_unless_it_is_opened(client, alice, settings):
    assert client.get("/signup").status_code == 404
    assert "Make an account" not in client.get("/login").text

    settings.ALLOW_SIGNUP = True
    assert client.get("/signup").status_code == 200
    assert "Make an account" in client.get("/login").text


def test_who_signs_up_is_a_member_of_the_first_organisation(client, alice, settings):
    settings.ALLOW_SIGNUP = True
    Organization.objects.create(name="Zeta")

    client.post(
        "/signup", {"name": "Bob", "email": "bob@acme.example", "password": "correct horse battery"}
    )

    bob = User.objects.get(email="bob@acme.example")
    assert (bob.role, bob.organization.name) == (Role.MEMBER, "Acme")


def test_an_address_that_is_taken_is_told_in_any_case(client, alice, settings):
    settings.ALLOW_SIGNUP = True
    form = {"name": "A", "email": "ALICE@acme.example", "password": "correct horse battery"}

    response = client.post("/signup", form)

    assert "There is an account with this address" in response.text
    assert User.objects.count() == 1


def test_sign_up_waits_for_the_first_administrator(client, db, settings):
    settings.ALLOW_SIGNUP = True

    assert client.get("/signup")["Location"] == "/setup"


def test_createsuperuser_works_from_the_environment_alone(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "Root@Acme.example")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")

    call_command("createsuperuser", interactive=False, verbosity=0)

    root = User.objects.get()
    assert (root.email, root.role) == ("root@acme.example", Role.ADMIN)
    assert root.check_password("correct horse battery")
    assert Organization.objects.count() == 1
    assert setup_path() is None
