"""Prompts over the API and on their page, on both stores."""

import json

import pytest
from django.test import Client

from chatcore import clock
from prompts.models import Prompt, add
from tests.at_once import at_once


def api(user, method, body=None, **query):
    client = Client(raise_request_exception=False)
    client.force_login(user)
    raw = b"" if body is None else json.dumps(body).encode()
    response = client.generic(
        method, "/api/prompts", raw, "application/json", query_params=query or None
    )
    return response.status_code, json.loads(response.content)


def names(user) -> list[str]:
    return [each["name"] for each in api(user, "GET")[1]["prompts"]]


def test_a_prompt_is_made_changed_and_deleted(bob):
    status, made = api(bob, "POST", {"name": " Summary ", "text": "Sum this up."})
    assert (status, made["name"], made["scope"], made["mayChange"]) == (
        201,
        "Summary",
        "personal",
        True,
    )

    status, changed = api(bob, "PATCH", {"id": made["id"], "text": "Be brief."})
    assert (status, changed["name"], changed["text"]) == (200, "Summary", "Be brief.")

    assert api(bob, "DELETE", id=made["id"]) == (200, {"success": True, "id": made["id"]})
    assert names(bob) == []


@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_keep_each_others_fields(bob):
    prompts = [add(bob, "Old", "Old", is_shared=False) for _ in range(10)]
    changes = [{"name": "New"}, {"text": "Newer"}]
    statuses = []

    def change(number: int) -> None:
        for prompt in prompts:
            body = {"id": str(prompt.pk), **changes[number]}
            statuses.append(api(bob, "PATCH", body)[0])

    at_once(2, change)

    assert statuses == [200] * 20
    assert set(Prompt.objects.values_list("name", "text")) == {("New", "Newer")}


def test_a_change_of_what_another_tab_deletes_meanwhile_is_not_found(bob, monkeypatch):
    prompts = [add(bob, "Old", "Old", is_shared=False) for _ in range(2)]
    moment = clock.now()

    def now():
        # Behind the look-up, before the change is written.
        Prompt.objects.all().delete()
        return moment

    client = Client()
    client.force_login(bob)
    api_change = {"id": str(prompts[0].pk), "name": "New"}
    monkeypatch.setattr(clock, "now", now)

    status, answer = api(bob, "PATCH", api_change)
    Prompt.objects.bulk_create(prompts)
    page = client.post(f"/prompts/{prompts[1].pk}", {"name": "New", "text": "Newer"})

    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert page.status_code == 404


def test_ones_own_come_first_and_then_those_of_the_organisation(alice, bob, carol):
    add(alice, "b shared", "Hello", is_shared=True)
    add(alice, "of alice", "Hello", is_shared=False)
    add(bob, "z own", "Hello", is_shared=False)
    add(bob, "A own", "Hello", is_shared=False)

    assert names(bob) == ["A own", "z own", "b shared"]
    assert names(carol) == []


@pytest.mark.parametrize(("who", "status"), [("alice", 201), ("dave", 201), ("bob", 403)])
def test_administrators_and_managers_write_those_of_the_organisation(request, who, status):
    user = request.getfixturevalue(who)

    given = {"name": "Shared", "text": "Hello", "scope": "organization"}

    assert api(user, "POST", given)[0] == status
    assert Prompt.objects.count() == (status == 201)


def test_what_is_not_ones_own_to_change_is_not_there(alice, bob, carol):
    shared = add(alice, "Shared", "Hello", is_shared=True)
    own = add(alice, "Own", "Hello", is_shared=False)

    for user in (bob, carol):
        for prompt in (shared, own):
            assert api(user, "PATCH", {"id": str(prompt.pk), "name": "Mine"})[0] == 404
            assert api(user, "DELETE", id=str(prompt.pk))[0] == 404
    client = Client()
    client.force_login(bob)
    assert client.get(f"/prompts/{shared.pk}").status_code == 404
    assert client.post(f"/prompts/{own.pk}/delete").status_code == 404
    assert sorted(Prompt.objects.values_list("name", flat=True)) == ["Own", "Shared"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "", "text": "t"}, "name"),
        ({"name": "  ", "text": "t"}, "name"),
        ({"name": "n" * 61, "text": "t"}, "name"),
        ({"name": "n", "text": "t" * 8001}, "text"),
        ({"name": "n", "text": {"$gt": ""}}, "text"),
        ({"name": "n"}, "text"),
        ({"name": "n", "text": "t", "scope": "world"}, "scope"),
        ({"name": "n", "text": "t", "more": 1}, "more"),
    ],
)
def test_a_fault_is_named_and_nothing_is_kept(bob, body, field):
    status, answer = api(bob, "POST", body)

    assert (status, list(answer["error"]["fields"])) == (400, [field])
    assert not Prompt.objects.exists()


def test_a_hundred_are_the_most(bob, monkeypatch):
    monkeypatch.setattr(Prompt, "MOST", 2)
    for number in range(2):
        add(bob, f"n{number}", "Hello", is_shared=False)

    assert api(bob, "POST", {"name": "More", "text": "Hello"})[0] == 409
    client = Client()
    client.force_login(bob)
    text = client.post("/prompts", {"name": "More", "text": "Hello"}).text
    assert "There are 2 prompts, which is the most." in text
    assert Prompt.objects.count() == 2


def test_the_page_makes_changes_and_deletes(bob):
    client = Client()
    client.force_login(bob)
    client.post("/prompts", {"name": "<b>Summary", "text": "Sum up."})
    prompt = Prompt.objects.get()

    assert "&lt;b&gt;Summary" in client.get("/prompts").text
    client.post(f"/prompts/{prompt.pk}", {"name": "Brief", "text": "Be brief."})
    prompt.refresh_from_db()
    assert (prompt.name, prompt.text, prompt.user_id) == ("Brief", "Be brief.", bob.pk)
    client.post(f"/prompts/{prompt.pk}/delete")
    assert not Prompt.objects.exists()


def test_a_member_cannot_share_by_the_form(bob):
    client = Client()
    client.force_login(bob)

    client.post("/prompts", {"name": "Shared", "text": "Hello", "is_shared": "on"})

    assert Prompt.objects.get().user_id == bob.pk


def test_a_stranger_is_sent_to_the_log_in(db, client):
    assert client.get("/prompts")["Location"] == "/login?next=/prompts"
    assert client.get("/api/prompts").status_code == 401
