"""People and organisations in Django's admin, on both stores."""

import pytest

from accounts.models import Organization, Role, User
from conversations.models import Conversation

NEW = {
    "email": "Erin@Acme.example",
    "name": "Erin",
    "usable_password": "true",
    "password1": "correct horse battery",
    "password2": "correct horse battery",
    "role": "member",
}


@pytest.fixture
def admin(client, alice):
    client.force_login(alice)
    return client


@pytest.mark.parametrize(
    "page",
    [
        "/admin/",
        "/admin/accounts/user/",
        "/admin/accounts/user/?q=bob&role__exact=member",
        "/admin/accounts/user/add/",
        "/admin/accounts/organization/",
        "/admin/accounts/organization/add/",
    ],
)
def test_the_pages_open(page, admin, bob):
    response = admin.get(page)

    assert response.status_code == 200
    assert "unsafe" not in response["Content-Security-Policy"]


def test_an_administrator_makes_and_changes_a_person(admin, acme):
    admin.post("/admin/accounts/user/add/", {**NEW, "organization": acme.pk})
    erin = User.objects.get(email="erin@acme.example")
    change = {
        "email": erin.email,
        "name": "Erin E.",
        "organization": acme.pk,
        "role": "manager",
        "is_active": "on",
    }

    response = admin.post(f"/admin/accounts/user/{erin.pk}/change/", change)

    assert response.status_code == 302
    erin.refresh_from_db()
    assert (erin.name, erin.role) == ("Erin E.", Role.MANAGER)
    assert erin.check_password("correct horse battery")


def test_an_address_that_is_taken_is_told(admin, acme, bob):
    response = admin.post(
        "/admin/accounts/user/add/", {**NEW, "email": "BOB@acme.example", "organization": acme.pk}
    )

    assert response.status_code == 200
    assert "already exists" in response.text


def test_the_last_administrator_cannot_step_down(admin, alice, acme):
    change = {
        "email": alice.email,
        "name": alice.name,
        "organization": acme.pk,
        "role": "member",
        "is_active": "on",
    }

    response = admin.post(f"/admin/accounts/user/{alice.pk}/change/", change)

    assert "last active administrator" in response.text
    alice.refresh_from_db()
    assert alice.role == Role.ADMIN


def test_nobody_deletes_themselves(admin, alice, bob):
    admin.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})
    admin.post(
        "/admin/accounts/user/",
        {"action": "delete_selected", "_selected_action": [str(alice.pk)], "post": "yes"},
    )

    assert User.objects.filter(pk=alice.pk).exists()


def test_an_administrator_deletes_a_person(admin, bob):
    admin.post(f"/admin/accounts/user/{bob.pk}/delete/", {"post": "yes"})

    assert not User.objects.filter(pk=bob.pk).exists()


def test_deleting_a_person_shows_none_of_their_words(admin, bob):
    Conversation.objects.create(
        client_id="c1", user=bob, organization=bob.organization, title="Secret plans"
    )

    page = admin.get(f"/admin/accounts/user/{bob.pk}/delete/").text

    assert "c1" in page
    assert "Secret plans" not in page


def test_a_new_person_belongs_where_the_administrator_does(admin, acme):
    page = admin.get("/admin/accounts/user/add/").text

    assert f'<option value="{acme.pk}" selected>Acme</option>' in page


def test_an_organisation_is_made_and_renamed(admin):
    admin.post("/admin/accounts/organization/add/", {"name": "Initech"})
    initech = Organization.objects.get(name="Initech")

    admin.post(f"/admin/accounts/organization/{initech.pk}/change/", {"name": "Initrode"})

    initech.refresh_from_db()
    assert initech.name == "Initrode"


def test_an_organisation_with_people_is_not_deleted(admin, acme):
    admin.post(f"/admin/accounts/organization/{acme.pk}/delete/", {"post": "yes"})

    assert Organization.objects.filter(pk=acme.pk).exists()


@pytest.mark.parametrize("who", ["bob", "dave"])
def test_only_administrators_get_in(who, client, request):
    client.force_login(request.getfixturevalue(who))

    assert client.get("/admin/accounts/user/").status_code == 302
    assert client.get("/admin/login/").status_code == 403


def test_the_admins_log_in_is_ours_with_its_lock(client, alice):
    response = client.get("/admin/", follow=True)

    assert response.redirect_chain[-1][0] == "/login?next=/admin/"
    assert client.post("/admin/login/", {"username": "x", "password": "y"}).status_code == 302
