"""Everything that is kept of a person as one file, on both stores."""

import json
from datetime import timedelta

import pytest

from analytics.models import ActivityRecord, UsageRecord
from assistant import export
from chatcore import clock
from chatcore.env import Rate
from conversations import sharing
from conversations.models import Conversation
from prompts.models import add
from tests.conversations.api import Api, say
from tests.conversations.test_export import body_of

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "/settings/data/export"


def use(user, moment, **fields) -> None:
    UsageRecord.objects.create(
        organization_id=user.organization_id,
        user_id=user.pk,
        provider="openai",
        endpoint="chat",
        model="gpt-test",
        status="success",
        created_at=moment,
        **fields,
    )


def exported(client, user):
    client.force_login(user)
    response = client.post(ADDRESS)
    assert response.status_code == 200
    return json.loads(body_of(response))


def test_everything_of_a_person_is_in_it_and_nothing_of_others(client, bob, carol):
    for user, secret in ((bob, "Mine"), (carol, "Hers")):
        Api(user).post({"id": "c1", "title": secret, "messages": [say("q1", secret)]})
        Api(user).post({"id": "c2", "title": f"{secret} too"})
        use(user, clock.now(), cost_usd="0.0000000001", error=secret)
    Conversation.objects.get(user=bob, client_id="c2").soft_delete(clock.now())
    link, _ = sharing.share(bob, "c1", None, clock.now())
    sharing.share(carol, "c1", None, clock.now())

    found = exported(client, bob)

    assert "Hers" not in json.dumps(found)
    assert found["profile"]["email"] == "bob@acme.example"
    assert found["profile"]["organization"] == "Acme"
    assert found["preferences"] == {"theme": "system", "defaultModel": ""}
    assert [(each["title"], each["deletedAt"] is None) for each in found["conversations"]] == [
        ("Mine", True),
        ("Mine too", False),
    ]
    assert [each["content"] for each in found["conversations"][0]["messages"]] == ["Mine"]
    assert [(each["id"], each["messageId"]) for each in found["sharedLinks"]] == [("c1", "q1")]
    assert link.token not in json.dumps(found)
    (row,) = found["usage"]
    assert (row["costUsd"], row["model"], row["error"]) == ("1E-10", "gpt-test", "Mine")
    assert [(each["chats"], each["messages"]) for each in found["activity"]] == [(1, 0), (1, 1)]
    assert "password" not in json.dumps(found)


def test_ones_own_prompts_are_in_it_and_no_others(client, alice, bob):
    add(bob, "z first", "Hello", is_shared=False)
    add(bob, "a second", "Sum up.", is_shared=False)
    add(alice, "Shared", "Hello", is_shared=True)
    add(alice, "Hers", "Hello", is_shared=False)

    found = exported(client, bob)["prompts"]
    hers = exported(client, alice)["prompts"]

    assert [(each["name"], each["text"]) for each in found] == [
        ("z first", "Hello"),
        ("a second", "Sum up."),
    ]
    assert set(found[0]) == {"id", "name", "text", "createdAt", "updatedAt"}
    assert [each["name"] for each in hers] == ["Hers"]


def test_an_empty_account_is_a_whole_document(client, bob):
    found = exported(client, bob)

    assert [found[name] for name in ("prompts", "conversations", "usage", "activity")] == [[]] * 4


def test_each_row_comes_once_also_where_a_page_ends_within_a_moment(client, bob, monkeypatch):
    monkeypatch.setattr(export, "ROWS", 3)
    now = clock.now()
    for number, minutes in enumerate([0, 1, 1, 1, 1, 1, 2, 3, 3]):
        use(bob, now - timedelta(minutes=minutes), units=number)

    found = exported(client, bob)

    assert sorted(row["units"] for row in found["usage"]) == list(range(9))
    moments = [row["createdAt"] for row in found["usage"]]
    assert moments == sorted(moments, reverse=True)


def test_a_file_is_downloaded_and_kept_by_nobody(client, bob):
    client.force_login(bob)

    response = client.post(ADDRESS)

    assert response["Content-Disposition"] == (
        f'attachment; filename="chatcore-{clock.now():%Y-%m-%d}.json"'
    )
    assert "no-store" in response["Cache-Control"]
    body_of(response)


def test_it_is_asked_for_by_post_with_a_csrf_token(bob):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)

    assert client.post(ADDRESS).status_code == 403
    assert client.get(ADDRESS)["Location"] == "/settings/data"


def test_it_is_limited(client, bob, settings):
    settings.EXPORT_LIMIT = Rate(1, 3600)
    exported(client, bob)

    response = client.post(ADDRESS)

    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert "You have exported your data several times." in response.text


@pytest.mark.parametrize("address", ["/settings/data", ADDRESS])
def test_a_stranger_is_sent_to_the_log_in(address, client):
    for send in (client.get, client.post):
        assert send(address)["Location"] == f"/login?next={address}"


def test_what_was_written_is_counted_as_it_was_before(client, bob):
    Api(bob).post({"id": "c1", "messages": [say("q1")]})

    exported(client, bob)

    assert ActivityRecord.objects.count() == 1
