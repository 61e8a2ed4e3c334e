"""Links as their owners make, renew, list and end them: the API, the page and the admin."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import ApiToken, User
from chatcore import clock
from chatcore.env import Rate
from conversations import sharing
from conversations.models import Conversation, Message, SharedLink
from tests.at_once import at_once
from tests.conversations.api import PATH, Api, say

pytestmark = pytest.mark.django_db(transaction=True)

SHARE = f"{PATH}/share"
NEVER_HERE = "00000000-0000-7000-8000-000000000000"


class Sharer(Api):
    """A person's requests about links."""

    def share(self, conversation_id="c1", **fields):
        return self.post({"id": conversation_id, **fields}, path=SHARE)

    def renew(self, conversation_id="c1", **fields):
        return self.send("PATCH", {"id": conversation_id, **fields}, path=SHARE)

    def links(self, **query):
        return self._answer(self.client.get(SHARE, query))

    def stop(self, conversation_id="c1"):
        return self._answer(self.client.delete(SHARE, query_params={"id": conversation_id}))


def with_chat(user, conversation_id="c1", title="The answer") -> Sharer:
    api = Sharer(user)
    messages = [say("q1"), say("a1", role="assistant")]
    api.post({"id": conversation_id, "title": title, "messages": messages})
    return api


@pytest.fixture
def api(bob) -> Sharer:
    return with_chat(bob)


def opens(client, path) -> bool:
    return client.get(path).status_code == 200


# --- The API ------------------------------------------------------------------------------------
def test_a_chat_is_shared_once_renewed_and_ended(api, alice, client):
    client.force_login(alice)
    status, made = api.share()
    made_at = made["createdAt"]

    assert (status, made) == (
        201,
        {
            "id": "c1",
            "title": "The answer",
            "path": f"/s/{SharedLink.objects.get().token}",
            "messageId": "a1",
            "isInTrash": False,
            "createdAt": made_at,
            "sharedAt": made_at,
        },
    )
    assert re.fullmatch(r"/s/[0-9a-f]{32}", made["path"])
    assert "no-store" in api.last["Cache-Control"]
    assert opens(client, made["path"])

    api.patch({"id": "c1", "messages": [say("q1"), say("a1", role="assistant"), say("q2")]})
    assert api.share() == (200, made)
    status, renewed = api.renew()
    assert status == 200
    assert renewed == {**made, "messageId": "q2", "sharedAt": renewed["sharedAt"]}
    assert renewed["sharedAt"] >= made_at
    assert api.renew(messageId="q1")[1]["messageId"] == "q1"

    assert api.stop() == (200, {"success": True, "id": "c1"})
    assert api.stop()[0] == 200
    assert not opens(client, made["path"])
    assert api.renew()[0] == 404
    again = api.share()[1]
    assert again["path"] != made["path"]
    assert (opens(client, again["path"]), opens(client, made["path"])) == (True, False)


def test_links_are_listed_the_last_one_first_or_that_of_one_chat(api, bob, carol):
    with_chat(bob, "c2", "Another")
    with_chat(bob, "c3")
    with_chat(carol).share()
    api.share()
    api.share("c2")
    Conversation.objects.get(client_id="c2").soft_delete(clock.now())

    def listed(**query):
        status, body = api.links(**query)
        assert status == 200
        return [(each["id"], each["title"], each["isInTrash"]) for each in body["links"]]

    assert listed() == [("c2", "Another", True), ("c1", "The answer", False)]
    assert listed(id="c1") == [("c1", "The answer", False)]
    assert listed(id="c3") == []


@pytest.mark.parametrize("person", ["alice", "dave", "carol"])
def test_somebody_elses_chat_cannot_be_shared_nor_its_link_be_had(person, api, request):
    api.share()
    other = Sharer(request.getfixturevalue(person))

    assert other.share()[0] == 404
    assert other.renew()[0] == 404
    assert other.stop()[0] == 404
    assert other.links(id="c1")[0] == 404
    assert other.links() == (200, {"links": []})
    assert SharedLink.objects.count() == 1


def test_a_stranger_is_refused_and_a_session_needs_its_csrf_token(api, bob):
    nobody = Sharer()
    assert [nobody.share()[0], nobody.renew()[0], nobody.stop()[0], nobody.links()[0]] == [401] * 4

    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    response = client.post(SHARE, {"id": "c1"}, "application/json")

    assert response.status_code == 403
    assert response.json()["error"]["code"] == "csrf_failed"
    assert not SharedLink.objects.exists()


def test_a_token_shares_as_its_person(api, bob, client):
    token = ApiToken.objects.issue(bob, "Sharer", lifetime=None, now=clock.now())
    headers = {"Authorization": f"Bearer {token}"}

    response = client.post(SHARE, {"id": "c1"}, "application/json", headers=headers)

    assert response.status_code == 201
    # A token opens the API, and no page.
    assert client.get(response.json()["path"], headers=headers).status_code == 302


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"id": "c1", "messageId": "nope"}, 400, "invalid"),
        ({"id": "c1", "messageId": {"$gt": ""}}, 400, "invalid"),
        ({"id": "c1", "messageId": None}, 400, "invalid"),
        ({"id": "c1", "token": "mine"}, 400, "invalid"),
        ({}, 400, "invalid"),
        ({"id": "c9"}, 404, "not_found"),
        ({"id": "empty"}, 409, "conflict"),
    ],
)
def test_what_cannot_be_shared_is_told(body, status, code, api):
    api.post({"id": "empty"})
    for answered, found in (api.post(body, path=SHARE), api.send("PATCH", body, path=SHARE)):
        assert (answered, found["error"]["code"]) == (status, code)
    assert not SharedLink.objects.exists()


def test_what_is_in_the_trash_cannot_be_shared_but_its_link_be_ended(api):
    api.share()
    api.delete(id="c1")

    assert (api.share()[0], api.renew()[0]) == (404, 404)
    assert api.stop()[0] == 200
    assert not SharedLink.objects.exists()


def test_where_sharing_is_off_links_are_only_listed_and_ended(api, settings):
    api.share()
    settings.SHARING = "off"

    for status, body in (api.share(), api.renew()):
        assert (status, body["error"]["code"]) == (404, "sharing_off")
    assert len(api.links()[1]["links"]) == 1
    assert api.stop()[0] == 200


def test_two_tabs_at_once_make_one_link(api, bob):
    made = []
    at_once(4, lambda _number: made.append(sharing.share(bob, "c1", None, clock.now())))

    assert sorted(is_new for _, is_new in made) == [False, False, False, True]
    assert {link.token for link, _ in made} == {SharedLink.objects.get().token}


def test_a_person_has_so_many_links_and_no_more(api, bob, carol, monkeypatch):
    monkeypatch.setattr(SharedLink, "MOST_PER_PERSON", 2)
    for name in ("c2", "c3"):
        with_chat(bob, name).share(name)

    status, body = api.share()

    assert (status, body["error"]["code"]) == (409, "conflict")
    assert api.share("c2")[0] == 200
    assert with_chat(carol).share()[0] == 201
    api.stop("c2")
    assert api.share()[0] == 201


def test_changes_are_counted_with_the_others(api, settings):
    settings.API_WRITE_LIMIT = Rate(1, 60)
    api.share()

    assert api.share()[0] == 429
    assert api.links()[0] == 200


def test_a_link_goes_with_its_person(api, bob):
    api.share()

    bob.delete()

    assert not SharedLink.objects.exists()


# --- The page of links --------------------------------------------------------------------------
@pytest.fixture
def page(client, bob) -> Client:
    client.force_login(bob)
    return client


def test_the_page_lists_ones_links_with_what_they_show(api, page, carol):
    with_chat(carol, title="Hers").share()
    assert "You share no chats." in page.get("/settings/links").text
    _, link = api.share()
    at = clock.now().replace(year=2026, month=3, day=4, hour=5, minute=6)
    SharedLink.objects.filter(user=api_user(api)).update(shared_at=at)

    response = page.get("/settings/links")

    text = response.text
    assert "The answer" in text
    assert "Hers" not in text
    assert "as of 4 Mar 2026, 05:06 UTC" in text
    assert f'href="{link["path"]}"' in text
    assert "belongs to Acme can read" in text
    assert "no-store" in response["Cache-Control"]


def api_user(api) -> User:
    return User.objects.get(email="bob@acme.example")


def test_a_link_is_ended_on_the_page(api, page):
    _, link = api.share()

    response = page.post(f"/settings/links/{SharedLink.objects.get().pk}/stop", follow=True)

    assert "“The answer” is no longer shared." in response.text
    assert not opens(page, link["path"])


def test_a_title_is_text_and_not_markup(bob, page):
    with_chat(bob, title='"><script>').share()

    text = page.get("/settings/links").text
    stopped = page.post(f"/settings/links/{SharedLink.objects.get().pk}/stop", follow=True).text

    assert "&quot;&gt;&lt;script&gt;" in text
    assert '"><script>' not in text + stopped


def test_a_chat_in_the_trash_is_said_to_open_nothing(api, page):
    _, link = api.share()
    api.delete(id="c1")

    text = page.get("/settings/links").text

    assert "in the trash" in text
    assert link["path"] not in text


def test_somebody_elses_link_is_not_there(api, client, carol):
    api.share()
    client.force_login(carol)

    assert client.post(f"/settings/links/{SharedLink.objects.get().pk}/stop").status_code == 404
    assert client.post(f"/settings/links/{NEVER_HERE}/stop").status_code == 404
    assert SharedLink.objects.count() == 1


def test_a_link_is_ended_by_post_with_a_csrf_token_and_by_a_log_in(api, bob):
    api.share()
    address = f"/settings/links/{SharedLink.objects.get().pk}/stop"
    client = Client(enforce_csrf_checks=True)

    assert client.get("/settings/links")["Location"] == "/login?next=/settings/links"
    client.force_login(bob)
    assert client.post(address).status_code == 403
    assert client.get(address)["Location"] == "/settings/links"
    assert SharedLink.objects.count() == 1


@pytest.mark.parametrize(
    ("mode", "in_menu", "sentence"),
    [
        (
            "organization",
            True,
            "Whoever has the link and belongs to <strong>your organisation</strong>",
        ),
        ("anyone", True, "<strong>Anybody</strong> who has the link can read it"),
        ("off", False, ""),
    ],
)
def test_the_pages_offer_what_the_setting_allows(mode, in_menu, sentence, page, api, settings):
    settings.SHARING = mode

    chat, settings_page = page.get("/c/c1").text, page.get("/settings").text

    assert ('data-action="share"' in chat, 'id="share-dialog"' in chat) == (in_menu, in_menu)
    assert sentence in chat
    assert ('href="/settings/links"' in settings_page) is in_menu
    if mode == "off":
        assert "Sharing is switched off" in page.get("/settings/links").text


# --- The admin ----------------------------------------------------------------------------------
def test_an_administrator_sees_who_shares_and_reads_nothing(api, client, alice):
    _, link = api.share()
    token, key = link["path"].removeprefix("/s/"), SharedLink.objects.get().pk
    client.force_login(alice)

    def look(address):
        return client.get(f"/admin/conversations/sharedlink/{address}").text

    pages = [look(each) for each in ("", "?q=bob", f"{key}/change/", f"{key}/delete/")]

    assert all("bob@acme.example" in each for each in pages[:3])
    assert not any("The answer" in each or token in each for each in pages)
    # By a link that somebody has found it is seen whose it is.
    assert "bob@acme.example" in look(f"?q={token}")
    assert "bob@acme.example" not in look(f"?q={token[:-1]}")
    assert "bob@acme.example" not in look("?q=carol")
    assert "Shared links" in client.get("/admin/").text


def test_an_administrator_ends_a_link_and_cannot_make_or_change_one(api, client, alice):
    _, link = api.share()
    address = f"/admin/conversations/sharedlink/{SharedLink.objects.get().pk}"
    client.force_login(alice)

    assert client.get("/admin/conversations/sharedlink/add/").status_code == 403
    assert client.post(f"{address}/change/", {"leaf_id": "q1"}).status_code == 403
    client.post(f"{address}/delete/", {"post": "yes"})

    assert not opens(client, link["path"])
    # Django notes who did it.
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr) == (alice, address.rpartition("/")[2])


@pytest.mark.parametrize("person", ["bob", "dave", "carol"])
def test_nobody_else_sees_the_links_of_others(person, api, client, request):
    api.share()
    client.force_login(request.getfixturevalue(person))

    assert client.get("/admin/conversations/sharedlink/").status_code == 302


# --- What is kept -------------------------------------------------------------------------------
def test_a_message_that_others_can_read_may_still_be_deleted(api, bob):
    api.share()

    Message.objects.filter(client_id="a1").delete()

    assert api.links()[1]["links"][0]["messageId"] == "a1"
    assert api.renew()[1]["messageId"] == "q1"


def test_a_renewed_link_counts_as_shared_last(api, bob):
    with_chat(bob, "c2")
    now = clock.now()
    for minutes, name in enumerate(("c1", "c2")):
        sharing.share(bob, name, None, now + timedelta(minutes=minutes))

    sharing.renew(bob, "c1", None, now + timedelta(minutes=3))

    assert [each["id"] for each in api.links()[1]["links"]] == ["c1", "c2"]
