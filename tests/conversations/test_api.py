"""/api/assistant/conversations over HTTP, on SQLite and on MongoDB."""

import json
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chatcore import clock
from chatcore.env import Rate
from conversations.models import Conversation, Message
from tests.at_once import at_once
from tests.conversations.api import PATH, Api, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(bob) -> Api:
    return Api(bob)


def make(user, count, *, prefix="c", **fields) -> None:
    """Conversations c1, c2 ... each a minute newer than the one before."""
    now = clock.now()
    Conversation.objects.bulk_create(
        Conversation(
            client_id=f"{prefix}{n}",
            user=user,
            organization=user.organization,
            title=f"Title {n}",
            updated_at=now + timedelta(minutes=n),
            **fields,
        )
        for n in range(1, count + 1)
    )


# --- The examples of the documentation ----------------------------------------------------------
def test_a_conversation_is_made_read_changed_and_deleted(api):
    assert api.post(
        {"id": "conv-12345", "title": "New chat", "messages": [], "metadata": {"totalTokens": 0}}
    ) == (201, {"success": True, "id": "conv-12345"})

    status, read = api.get(id="conv-12345")
    assert status == 200
    key = Conversation.objects.get().pk.hex
    assert api.last.headers["ETag"] == f'"1.{key}"'
    made = read["createdAt"]
    assert read == {
        "id": "conv-12345",
        "title": "New chat",
        "messages": [],
        "nextBefore": None,
        "metadata": {"totalTokens": 0, "totalCost": None, "toolsUsed": []},
        "messageCount": 0,
        "version": 1,
        "createdAt": made,
        "updatedAt": made,
        "deletedAt": None,
    }

    status, changed = api.patch(
        {"id": "conv-12345", "title": "Updated title", "messages": [say("m1", "Hello")]}
    )
    assert (status, changed["success"], changed["id"]) == (200, True, "conv-12345")
    assert api.last.headers["ETag"] == f'"{changed["version"]}.{key}"'
    _, read = api.get(id="conv-12345")
    assert (read["title"], read["version"]) == ("Updated title", changed["version"])
    assert read["messages"] == [
        {
            "id": "m1",
            "parentId": None,
            "role": "user",
            "content": "Hello",
            "parts": [{"type": "text", "text": "Hello"}],
            "model": "",
            "status": "complete",
            "error": None,
            "tokenCount": None,
            "createdAt": read["messages"][0]["createdAt"],
        }
    ]

    assert api.delete(id="conv-12345")[0] == 200
    assert api.get(id="conv-12345")[0] == 404
    assert api.ids() == []


# --- Making -------------------------------------------------------------------------------------
def test_the_same_request_again_is_answered_the_same_and_makes_nothing(api):
    body = {"id": "c1", "title": "T", "messages": [say("m1"), say("m2", role="assistant")]}

    answers = [api.post(body), api.post({**body, "metadata": {}}), api.post(body)]

    assert answers == [(201, {"success": True, "id": "c1"})] * 3
    assert (Conversation.objects.count(), Message.objects.count()) == (1, 2)


def test_the_same_request_again_is_good_after_later_changes(api):
    body = {"id": "c1", "title": "T"}
    api.post(body)
    api.patch({"id": "c1", "title": "Another"})

    assert api.post(body)[0] == 201
    assert api.get(id="c1")[1]["title"] == "Another"


@pytest.mark.parametrize("other", [{"title": "U"}, {"messages": [say("m1")]}])
def test_another_body_for_the_same_id_is_a_conflict(api, other):
    api.post({"id": "c1", "title": "T"})

    status, answer = api.post({"id": "c1", "title": "T", **other})

    assert (status, answer["error"]["code"]) == (409, "conflict")
    assert api.get(id="c1")[1]["title"] == "T"


def test_a_chat_of_the_page_is_not_taken_over(api, bob):
    make(bob, 1)

    assert api.post({"id": "c1"})[0] == 409


def test_the_same_request_at_the_same_moment_makes_one(bob):
    apis = [Api(bob) for _ in range(8)]
    statuses = []

    at_once(8, lambda n: statuses.append(apis[n].post({"id": "c1", "messages": [say("m1")]})[0]))

    assert statuses == [201] * 8
    assert (Conversation.objects.count(), Message.objects.count()) == (1, 1)


def test_fifty_writers_at_once_all_get_through(bob, settings):
    apis = [Api(bob) for _ in range(50)]
    statuses = []

    at_once(50, lambda n: statuses.append(apis[n].post({"id": f"c{n}"})[0]))

    assert statuses == [201] * 50
    assert Conversation.objects.count() == 50


def test_without_a_title_the_first_question_gives_one(api):
    api.post({"id": "c1", "messages": [say("a", "Hi", "assistant"), say("b", "What  is it?")]})
    api.post({"id": "c2"})

    assert api.get(id="c1")[1]["title"] == "What is it?"
    assert api.get(id="c2")[1]["title"] == "New chat"


def test_parts_give_the_content_and_content_gives_the_parts(api):
    parts = [
        {"type": "reasoning", "text": "hm"},
        {"type": "text", "text": "4"},
        {"type": "tool-search", "input": {"$gt": "", "a.b": [1, 2.5, None, True]}, "n": 2**40},
        {"type": "text", "text": "2"},
    ]
    api.post(
        {
            "id": "c1",
            "messages": [
                {"id": "m1", "role": "assistant", "parts": parts},
                {"id": "m2", "role": "user", "content": "Why?"},
            ],
        }
    )

    messages = api.get(id="c1")[1]["messages"]

    assert (messages[0]["content"], messages[0]["parts"]) == ("42", parts)
    assert messages[1]["parts"] == [{"type": "text", "text": "Why?"}]


def test_what_is_imported_keeps_its_fields(api):
    given = {
        **say("m1", "Hi", "assistant"),
        "parentId": None,
        "model": "openai:gpt-6-luna",
        "status": "failed",
        "error": {"code": "timeout"},
        "tokenCount": 12,
        "createdAt": "2024-02-29T12:00:00.123+02:00",
    }
    api.post({"id": "c1", "messages": [given]})

    read = api.get(id="c1")[1]["messages"][0]

    assert datetime.fromisoformat(read.pop("createdAt")) == datetime.fromisoformat(
        given.pop("createdAt")
    )
    assert read == {**given, "parts": [{"type": "text", "text": "Hi"}]}


# --- Reading ------------------------------------------------------------------------------------
def test_the_list_is_newest_first_and_has_no_messages(api, bob):
    make(bob, 3)

    status, found = api.get()

    assert status == 200
    assert [each["id"] for each in found["conversations"]] == ["c3", "c2", "c1"]
    assert found["nextCursor"] is None
    assert "messages" not in found["conversations"][0]


def test_pages_by_cursor_hold_each_conversation_once(api, bob):
    make(bob, 7)
    # All at one moment: the time alone does not say where a page ends.
    Conversation.objects.filter(client_id__in=["c3", "c4", "c5"]).update(updated_at=clock.now())
    cursor, pages = {}, []

    while cursor is not None:
        _, found = api.get(limit=2, **cursor)
        pages.append([each["id"] for each in found["conversations"]])
        cursor = {"cursor": found["nextCursor"]} if found["nextCursor"] else None

    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert sorted(each for page in pages for each in page) == [f"c{n}" for n in range(1, 8)]
    assert pages[0] == ["c7", "c6"]
    assert pages[1][0] == "c2"


@pytest.mark.parametrize("change", [{"title": "Another"}, {"metadata": {"totalTokens": 7}}])
def test_another_title_leaves_a_chat_in_its_place_and_is_seen_everywhere(api, bob, change):
    make(bob, 3)
    before = api.get()[1]["conversations"]
    api.get(id="c1")
    tag = api.last.headers["ETag"]

    status, changed = api.patch({"id": "c1", **change})

    assert (status, changed["version"]) == (200, before[2]["version"] + 1)
    after = api.get()[1]["conversations"]
    assert [each["id"] for each in after] == ["c3", "c2", "c1"]
    assert after[2]["updatedAt"] == before[2]["updatedAt"]
    assert after[2] != before[2]
    status, read = api.get(id="c1", headers={"If-None-Match": tag})
    assert (status, read["title"]) == (200, after[2]["title"])


def test_what_is_written_between_two_pages_moves_nothing(api, bob):
    make(bob, 4)
    _, first = api.get(limit=2)

    api.post({"id": "new"})
    api.patch({"id": "c4", "messages": [say("m1")]}, {"If-Match": "*"})
    _, second = api.get(limit=2, cursor=first["nextCursor"])

    assert [each["id"] for each in second["conversations"]] == ["c2", "c1"]


def test_a_long_conversation_is_read_page_by_page(api):
    api.post({"id": "c1", "messages": [say(f"m{n}") for n in range(1, 8)]})
    before, pages = {}, []

    while before is not None:
        _, found = api.get(id="c1", limit=3, **before)
        pages.append([each["id"] for each in found["messages"]])
        before = {"before": found["nextBefore"]} if found["nextBefore"] else None

    assert pages == [["m5", "m6", "m7"], ["m2", "m3", "m4"], ["m1"]]


def test_the_newest_two_hundred_messages_come_first(api):
    api.post({"id": "c1", "messages": [say(f"m{n}") for n in range(1, 251)]})

    _, found = api.get(id="c1")

    assert [each["id"] for each in found["messages"]] == [f"m{n}" for n in range(51, 251)]
    assert (found["nextBefore"], found["messageCount"]) == ("m51", 250)


def test_nothing_is_sent_again_if_nothing_has_changed(api):
    api.post({"id": "c1"})
    api.get(id="c1")
    etag = api.last.headers["ETag"]

    assert api.get(id="c1", headers={"If-None-Match": f"W/{etag}"}) == (304, None)
    api.patch({"id": "c1", "title": "Another"})
    assert api.get(id="c1", headers={"If-None-Match": etag})[0] == 200


# --- Search -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ÜBERRASCHUNG", ["title"]),
        ("straße", ["words"]),
        ("Straße 100%", ["words"]),
        ("rse", ["words"]),
        ("_", ["words"]),
        (".*", []),
        ("nowhere", []),
        ("e", ["words", "title"]),
    ],
)
def test_search_finds_titles_and_words_whatever_their_case(api, text, expected):
    api.post({"id": "title", "title": "Eine überraschung"})
    api.post(
        {
            "id": "words",
            "title": "x",
            "messages": [say("m1", "STRASSE"), say("m2", "In der Straße 100%_ PARSED")],
        }
    )

    assert api.ids(q=text) == expected


@pytest.mark.parametrize(
    ("content", "snippet"),
    [
        ("Where is the Needle?", "Where is the Needle?"),
        ("one\n\n two  needle\tthree", "one two needle three"),
        ("Straße " * 20 + "needle", "…Straße Straße Straße Straße Straße needle"),
        ("x" * 100 + "needle", f"…{'x' * 40}needle"),
        ("needle" + "y" * 200, f"needle{'y' * 154}…"),
    ],
)
def test_what_a_search_finds_in_a_message_comes_with_the_words_around_it(api, content, snippet):
    api.post({"id": "c1", "title": "Hay", "messages": [say("m1", "Hay"), say("m2", content)]})
    api.post({"id": "c2", "title": "A needle", "messages": [say("m1", content)]})

    _, found = api.get(q="NEEDLE")

    assert [(each["id"], each.get("snippet")) for each in found["conversations"]] == [
        ("c2", None),
        ("c1", snippet),
    ]


def test_search_finds_nothing_of_anybody_else(api, alice):
    Api(alice).post({"id": "c1", "title": "Secret plan", "messages": [say("m1", "secret")]})

    assert api.ids(q="secret") == []


def test_search_goes_on_by_its_cursor(api, bob):
    make(bob, 5)
    Conversation.objects.filter(client_id="c3").update(title="other")

    _, first = api.get(q="title", limit=2)
    _, second = api.get(q="title", limit=2, cursor=first["nextCursor"])

    assert [each["id"] for each in first["conversations"]] == ["c5", "c4"]
    assert [each["id"] for each in second["conversations"]] == ["c2", "c1"]
    assert second["nextCursor"] is None


def test_one_search_looks_through_a_bounded_number_and_says_where_to_go_on(api, bob, monkeypatch):
    monkeypatch.setattr("conversations.search.LOOKED_THROUGH", 4)
    monkeypatch.setattr("conversations.search.BATCH", 2)
    make(bob, 5)
    Conversation.objects.filter(client_id="c1").update(title="needle")

    _, first = api.get(q="needle")
    _, second = api.get(q="needle", cursor=first["nextCursor"])

    assert first["conversations"] == []
    assert [each["id"] for each in second["conversations"]] == ["c1"]
    assert second["nextCursor"] is None


def test_one_search_reads_a_bounded_number_of_characters(api, bob, monkeypatch):
    monkeypatch.setattr("conversations.search.CHARACTERS", 100)
    monkeypatch.setattr("conversations.search.MESSAGES", 2)
    for name in ("c1", "c2", "c3"):
        api.post({"id": name, "title": "T", "messages": [say("m1", "x" * 80), say("m2", "needle")]})

    pages, cursor = [], {}
    while cursor is not None:
        _, found = api.get(q="needle", **cursor)
        pages.append([each["id"] for each in found["conversations"]])
        cursor = {"cursor": found["nextCursor"]} if found["nextCursor"] else None

    assert pages == [["c3", "c2"], ["c1"]]


# --- Changing -----------------------------------------------------------------------------------
@pytest.fixture
def talk(api) -> dict:
    """c1 with the messages m1 and m2, as read."""
    api.post({"id": "c1", "title": "T", "messages": [say("m1"), say("m2", role="assistant")]})
    return api.get(id="c1")[1]


def test_what_was_read_can_be_sent_back_as_it_is(api, talk):
    status, _ = api.patch({"id": "c1", "messages": talk["messages"], "metadata": talk["metadata"]})

    assert status == 200
    assert api.get(id="c1")[1]["messages"] == talk["messages"]


def test_a_stale_version_changes_nothing_and_is_told_the_current_one(api, talk):
    api.patch({"id": "c1", "title": "First"})
    current = api.get(id="c1")[1]["version"]

    by_body = api.patch({"id": "c1", "title": "Second", "version": talk["version"]})
    by_header = api.patch({"id": "c1", "title": "Second"}, headers={"If-Match": '"1"'})

    assert by_body == by_header
    assert by_body[0] == 412
    assert (by_body[1]["error"]["code"], by_body[1]["error"]["version"]) == ("stale", current)
    assert api.last.headers["ETag"].startswith(f'"{current}.')
    assert api.get(id="c1")[1]["title"] == "First"


def test_of_two_tabs_with_one_version_exactly_one_gets_through(bob, api, talk):
    apis = [Api(bob) for _ in range(6)]
    statuses = []

    def change(n: int) -> None:
        body = {"id": "c1", "messages": [say(f"tab{n}")], "version": talk["version"]}
        statuses.append(apis[n].patch(body)[0])

    at_once(6, change)

    assert sorted(statuses) == [200] + [412] * 5
    assert len(api.get(id="c1")[1]["messages"]) == 1


def test_a_long_list_is_put_into_another_order(api):
    messages = [say(f"m{n}", parentId=None) for n in range(300)]
    api.post({"id": "c1", "messages": messages})

    status, _ = api.patch({"id": "c1", "messages": messages[::-1], "version": 1})

    assert status == 200
    read = api.get(id="c1", limit=500)[1]["messages"]
    assert [each["id"] for each in read] == [f"m{n}" for n in reversed(range(300))]


def test_an_id_that_is_made_anew_is_another_conversation(api):
    api.post({"id": "c1", "title": "Old"})
    api.get(id="c1")
    api.get(id="c1")
    etag = api.last.headers["ETag"]
    Conversation.objects.all().delete()  # as purge_deleted does

    api.post({"id": "c1", "title": "New"})

    assert api.get(id="c1")[1]["title"] == "New"
    assert api.get(id="c1", headers={"If-None-Match": etag})[0] == 200
    assert api.patch({"id": "c1", "title": "U"}, headers={"If-Match": etag})[0] == 412


def test_messages_can_be_added_without_a_version(api, talk):
    status, _ = api.patch({"id": "c1", "messages": [*talk["messages"], say("m3")]})

    assert status == 200
    read = api.get(id="c1")[1]
    assert [(each["id"], each["parentId"]) for each in read["messages"]] == [
        ("m1", None),
        ("m2", "m1"),
        ("m3", "m2"),
    ]
    assert read["messageCount"] == 3


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [say("m1")],
        [say("m1"), say("m2", "other words", "assistant")],
        [say("m2", role="assistant", parentId=None), say("m1")],
        [say("m0"), say("m1"), say("m2", role="assistant")],
    ],
    ids=["all removed", "one removed", "one changed", "another order", "one before"],
)
def test_messages_are_not_lost_or_changed_unless_a_version_is_meant(api, talk, messages):
    body = {"id": "c1", "title": "U", "messages": messages}

    status, answer = api.patch(body)
    assert (status, answer["error"]["code"]) == (428, "precondition_required")
    assert api.get(id="c1")[1] == talk

    assert api.patch({**body, "version": talk["version"]})[0] == 200
    read = api.get(id="c1")[1]
    assert [each["id"] for each in read["messages"]] == [each["id"] for each in messages]


def test_a_list_that_is_meant_takes_the_place_of_the_other(api, talk):
    messages = [say("m0"), say("m2", "better", "assistant", parentId="m0"), say("m4")]

    status, _ = api.patch({"id": "c1", "messages": messages}, headers={"If-Match": '"1"'})

    assert status == 200
    read = api.get(id="c1")[1]
    assert [(each["id"], each["content"], each["parentId"]) for each in read["messages"]] == [
        ("m0", "m0", None),
        ("m2", "better", "m0"),
        ("m4", "m4", "m2"),
    ]
    assert read["messages"][1]["parts"] == [{"type": "text", "text": "better"}]
    assert read["messageCount"] == 3


def test_after_a_shorter_list_the_next_message_still_comes_last(api, bob, talk):
    api.patch({"id": "c1", "messages": [talk["messages"][0]], "version": 1})
    conversation = Conversation.objects.get(client_id="c1")

    conversation.append(Message(client_id="m9", role="user", content="later"), clock.now())

    assert [each["id"] for each in api.get(id="c1")[1]["messages"]] == ["m1", "m9"]


def test_metadata_is_changed_name_by_name(api, talk):
    api.patch({"id": "c1", "metadata": {"totalTokens": 7, "toolsUsed": ["search"]}})
    api.patch({"id": "c1", "metadata": {"totalCost": 0.25}})

    assert api.get(id="c1")[1]["metadata"] == {
        "totalTokens": 7,
        "totalCost": 0.25,
        "toolsUsed": ["search"],
    }


def test_messages_make_it_the_newest(api, bob):
    make(bob, 2)
    with time_machine.travel(clock.now() + timedelta(hours=1), tick=False):
        api.patch({"id": "c1", "messages": [say("m1")]})

        assert api.ids() == ["c1", "c2"]


@pytest.mark.parametrize(
    ("headers", "body", "field"),
    [
        ({"If-Match": "7"}, {}, "If-Match"),
        ({"If-Match": '"1", "2"'}, {}, "If-Match"),
        ({"If-Match": '"2"'}, {"version": 1}, "version"),
    ],
)
def test_a_version_that_makes_no_sense_is_refused(api, talk, headers, body, field):
    status, answer = api.patch({"id": "c1", "title": "U", **body}, headers=headers)

    assert (status, list(answer["error"]["fields"])) == (400, [field])
    assert api.get(id="c1")[1] == talk


# --- The trash ----------------------------------------------------------------------------------
def test_the_trash_lists_the_last_deleted_first_and_gives_back(api, bob):
    make(bob, 3)
    start = clock.now()
    for minutes, name in enumerate(["c2", "c3"]):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            api.delete(id=name)

    assert (api.ids(), api.ids(deleted="true")) == (["c1"], ["c3", "c2"])
    assert api.get(id="c2", deleted="true")[1]["deletedAt"] is not None
    assert api.ids(deleted="true", q="title 2") == ["c2"]

    assert api.restore("c2")[0] == 200
    assert (api.ids(), api.ids(deleted="true")) == (["c2", "c1"], ["c3"])


def test_the_trash_has_pages(api, bob):
    make(bob, 5, deleted_at=clock.now())

    _, first = api.get(deleted="true", limit=3)
    _, second = api.get(deleted="true", limit=3, cursor=first["nextCursor"])

    ids = [each["id"] for found in (first, second) for each in found["conversations"]]
    assert sorted(ids) == ["c1", "c2", "c3", "c4", "c5"]
    assert second["nextCursor"] is None


def test_to_delete_or_restore_twice_changes_nothing_more(api):
    api.post({"id": "c1"})

    first, second = api.delete(id="c1"), api.delete(id="c1")
    assert first == second == (200, {"success": True, "id": "c1", "version": 2})
    assert (
        api.restore("c1") == api.restore("c1") == (200, {"success": True, "id": "c1", "version": 3})
    )


def test_what_is_in_the_trash_is_not_read_or_changed(api):
    api.post({"id": "c1"})
    api.delete(id="c1")

    assert api.get(id="c1")[0] == 404
    assert api.patch({"id": "c1", "title": "U"})[0] == 404


# --- Whose it is --------------------------------------------------------------------------------
def test_one_persons_id_is_anothers_404(api, alice, carol):
    api.post({"id": "c1", "title": "Bob's"})
    before = api.get(id="c1")

    for person in (alice, carol):
        other = Api(person)
        assert other.get(id="c1")[0] == 404
        assert other.patch({"id": "c1", "title": "Mine"})[0] == 404
        assert other.delete(id="c1")[0] == 404
        assert other.restore("c1")[0] == 404
        assert other.ids() == []
        assert other.post({"id": "c1", "title": "Mine"})[0] == 201

    assert api.get(id="c1") == before


def test_nobody_gets_in_without_a_log_in(db):
    api = Api()
    status, answer = api.get()

    assert (status, answer["error"]["code"]) == (401, "not_authenticated")
    assert api.last.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_needs_its_csrf_token_to_write(bob):
    api = Api(bob)
    api.client.handler.enforce_csrf_checks = True

    status, answer = api.post({"id": "c1"})

    assert (status, answer["error"]["code"]) == (403, "csrf_failed")
    assert Conversation.objects.count() == 0


# --- What is no request of this API -------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path", "kind", "status", "code"),
    [
        ("PUT", PATH, "application/json", 405, "method_not_allowed"),
        ("POST", PATH, "text/plain", 415, "unsupported_media_type"),
        ("POST", PATH, "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
    ],
)
def test_every_refusal_has_the_one_shape(api, method, path, kind, status, code):
    response = api.client.generic(method, path, b"{}", kind)

    assert (response.status_code, json.loads(response.content)["error"]["code"]) == (status, code)


def test_the_pages_for_people_show_an_answer_and_a_form(api):
    api.post({"id": "c1", "title": "<script>"})

    response = api.client.get(PATH, headers={"accept": "text/html"})

    page = response.content.decode()
    assert response.status_code == 200
    assert "&quot;&lt;script&gt;&quot;" in page
    assert page.count("<textarea") == 2
    assert "bob@acme.example" in page


def test_the_pages_for_people_lead_to_the_log_in(db):
    response = Api().client.get(f"{PATH}?limit=7", headers={"accept": "text/html"})

    assert response.status_code == 401
    assert "/login?next=/api/assistant/conversations%3Flimit%3D7" in response.content.decode()


# --- How much -----------------------------------------------------------------------------------
def test_exactly_the_limit_of_changes_passes_however_many_come_at_once(bob, settings):
    settings.API_WRITE_LIMIT = Rate(20, 60)
    apis = [Api(bob) for _ in range(50)]
    statuses = []

    # The window does not end while they come.
    with time_machine.travel(clock.now(), tick=False):
        at_once(50, lambda n: statuses.append(apis[n].post({"id": f"c{n}"})[0]))

    assert sorted(statuses) == [201] * 20 + [429] * 30
    assert Conversation.objects.count() == 20


def test_who_has_changed_too_much_is_told_when_to_come_again(api, bob, carol, settings):
    settings.API_WRITE_LIMIT = Rate(2, 60)
    with time_machine.travel(clock.now(), tick=False) as traveller:
        api.post({"id": "c1"})
        assert api.last.headers["RateLimit-Limit"] == "2"
        assert api.last.headers["RateLimit-Remaining"] == "1"
        api.patch({"id": "c1", "title": "U"})

        status, answer = api.delete(id="c1")

        assert (status, answer["error"]["code"]) == (429, "rate_limited")
        wait = int(api.last.headers["Retry-After"])
        assert api.last.headers["RateLimit-Reset"] == str(wait)
        assert 1 <= wait <= 61
        assert api.ids() == ["c1"]
        assert Api(carol).post({"id": "c1"})[0] == 201
        traveller.shift(wait)
        assert api.delete(id="c1")[0] == 200


# --- What it costs ------------------------------------------------------------------------------
@pytest.mark.skipif(connection.vendor == "mongodb", reason="counts statements of SQL")
@pytest.mark.parametrize(
    ("query", "cold", "warm"),
    [({}, 3, 2), ({"limit": 10}, 3, 3), ({"q": "nowhere"}, 4, 4), ({"id": "c1"}, 5, 3)],
)
def test_queries_are_few_and_do_not_grow(api, bob, query, cold, warm):
    """Session and person are two of them."""
    make(bob, 60)
    conversation = Conversation.objects.get(client_id="c1")
    Message.objects.bulk_create(
        Message(conversation=conversation, client_id=f"m{n}", seq=n, role="user") for n in range(60)
    )

    for expected in (cold, warm):
        with CaptureQueriesContext(connection) as captured:
            api.get(**query)
        assert len(captured) == expected, [each["sql"] for each in captured]
