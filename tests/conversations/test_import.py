"""Imports as a program asks for them, on both stores: what is made, and what is not made twice."""

import json
from datetime import UTC, datetime
from io import BytesIO

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client

from accounts.models import ApiToken
from analytics.models import ActivityRecord, PersonBucket, UsageBucket, UsageRecord
from assistant.shown import shown
from chatcore import clock, writes
from chatcore.env import Rate
from chatcore.ids import new_id
from conversations import exporting, signals
from conversations.importing import prompts, running
from conversations.models import Conversation, Message
from prompts.models import Prompt, add, listed
from tests.at_once import at_once
from tests.conversations.api import Api, say
from tests.conversations.chatgpt import NOON, answer, as_zip, chat, node, simple
from tests.conversations.test_export import body_of

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "/api/assistant/import"
NOTHING = {
    "imported": 0,
    "alreadyThere": 0,
    "alreadyInTrash": 0,
    "skipped": 0,
    "messages": 0,
    "inTrash": 0,
    "shortenedMessages": 0,
    "prompts": 0,
    "promptsAlreadyThere": 0,
    "skippedPrompts": 0,
    "skippedChats": [],
    "problem": None,
}


def send(user, given, kind: str = "application/json", **headers):
    """Status and JSON of the answer; `given` is the body or what makes it."""
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    return result_of(client.generic("POST", ADDRESS, body, kind, headers=headers))


def result_of(response):
    body = body_of(response) if response.streaming else response.content
    return response.status_code, json.loads(body)


def form(user, *files: bytes, field: str = "file"):
    client = Client(raise_request_exception=False)
    client.force_login(user)
    given = [BytesIO(each) for each in files]
    for number, each in enumerate(given):
        each.name = f"../../{number}.exe"
    return result_of(client.post(ADDRESS, {field: given}))


def export_of(user) -> bytes:
    chats = exporting.array("conversations", exporting.chats(user.pk))
    return b"".join(exporting.document(clock.now(), [chats]))


# --- What is made -------------------------------------------------------------------------------
def test_chats_of_chatgpt_are_there_as_they_were(bob):
    status, report = send(bob, [simple("Cats"), simple("Dogs", update_time=NOON + 90)])

    assert (status, report) == (200, {**NOTHING, "imported": 2, "messages": 4})
    _, listed = Api(bob).get()
    assert [(each["title"], each["messageCount"]) for each in listed["conversations"]] == [
        ("Dogs", 2),
        ("Cats", 2),
    ]
    _, found = Api(bob).get(id=listed["conversations"][1]["id"])
    assert found["createdAt"] == "2024-05-14T12:00:00Z"
    assert found["updatedAt"] == "2024-05-14T12:01:00Z"
    assert found["metadata"] == {"totalTokens": 0, "totalCost": None, "toolsUsed": []}
    assert [(each["role"], each["content"], each["model"]) for each in found["messages"]] == [
        ("user", "q1", ""),
        ("assistant", "a1", "chatgpt:gpt-4o"),
    ]


def test_the_page_shows_the_branch_that_chatgpt_showed(bob):
    given = chat(
        *(node("q1", None, at=NOON), answer("a1", "q1", at=NOON + 1)),
        *(answer("a2", "q1", at=NOON + 2), node("q2", "a2", at=NOON + 3)),
        current="a1",
    )
    send(bob, [given])

    found = shown(Conversation.objects.get())

    assert [(each["id"], each["siblings"]) for each in found["messages"]] == [
        ("q1", ["q1"]),
        ("a1", ["a2", "a1"]),
    ]


def test_a_zip_is_opened_and_all_its_parts_are_read(bob):
    given = as_zip(
        {
            "user.json": {"id": "user-1", "email": "bob@acme.example"},
            "message_feedback.json": [],
            "shared_conversations.json": [{"id": "x", "conversation_id": "y", "title": "Shared"}],
            "chat.html": b"<html></html>",
            "file-1-cat.png": b"\x89PNG",
            "conversations-000.json": [simple("Cats")],
            "deep/conversations-001.json": [simple("Dogs")],
        }
    )

    status, report = send(bob, given, "application/zip")

    assert (status, report["imported"], report["skipped"]) == (200, 2, 0)


def test_several_files_of_a_form_are_one_import(bob):
    status, report = form(
        bob, json.dumps([simple("Cats")]).encode(), as_zip({"x.json": [simple("Dogs")]})
    )

    assert (status, report["imported"]) == (200, 2)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/octet-stream"])
def test_a_body_is_recognised_by_what_is_in_it(kind, bob):
    assert send(bob, [simple()], kind)[1]["imported"] == 1


def test_our_own_export_is_the_same_in_another_account(bob, carol):
    tool = {"type": "dynamic-tool", "toolName": "x", "toolCallId": "t", "output": {"n": [1, 1.5]}}
    thought = {"type": "reasoning", "text": "Hm."}
    messages = [
        say("q1", "What?"),
        {
            **say("a1", "It is 42.", "assistant", model="openai:gpt-test", tokenCount=7),
            "parts": [thought, tool, {"type": "text", "text": "It is 42."}],
        },
        say("a2", "Dunno", "assistant", parentId="q1", status="failed", error={"message": "No"}),
    ]
    api = Api(bob)
    api.post({"id": "c1", "title": "One", "messages": messages, "metadata": {"totalCost": 3}})
    api.post({"id": "c2", "title": "Two", "metadata": {"toolsUsed": ["x"], "totalTokens": 99}})
    api.delete(id="c2")
    Conversation.objects.filter(client_id="c1").update(allowed_tools=["x"])
    exported = export_of(bob)

    status, report = send(carol, exported)

    assert (status, report) == (200, {**NOTHING, "imported": 2, "messages": 3, "inTrash": 1})
    _, before = Api(bob).get(id="c1")
    _, after = Api(carol).get(id="c1")
    ignored = {"version": None, "metadata": None}
    assert {**after, **ignored} == {**before, **ignored}
    assert after["metadata"] == {"totalTokens": 0, "totalCost": None, "toolsUsed": []}
    hers = Conversation.objects.for_user(carol).get(client_id="c1")
    assert hers.allowed_tools == []
    two = Conversation.objects.for_user(carol).get(client_id="c2")
    assert two.deleted_at is not None
    assert two.metadata == {"toolsUsed": ["x"]}
    assert (two.organization_id, two.message_count) == (carol.organization_id, 0)


def test_one_chat_exported_from_its_menu_can_be_imported(client, bob, carol):
    Api(bob).post({"id": "c1", "title": "One", "messages": [say("q1")]})
    client.force_login(bob)
    exported = body_of(client.get("/c/c1/export.json"))

    assert send(carol, exported)[1]["imported"] == 1


def test_the_export_of_everything_goes_back_into_its_account_and_makes_nothing(client, bob):
    Api(bob).post({"id": "c1", "title": "One", "messages": [say("q1")]})
    client.force_login(bob)
    exported = body_of(client.post("/settings/data/export"))

    assert send(bob, exported) == (200, {**NOTHING, "alreadyThere": 1})


# --- Prompts ------------------------------------------------------------------------------------
def of_prompts(*given) -> dict:
    return {"format": "chatcore-export", "version": 1, "prompts": given, "conversations": []}


def a_prompt(name: str, text: str = "Sum this up.") -> dict:
    return {"id": str(new_id()), "name": name, "text": text, "createdAt": "2026-01-01T00:00:00Z"}


def prompts_of(user) -> list[tuple[str, str]]:
    return [(each.name, each.text) for each in listed(user)]


def test_the_prompts_of_an_export_are_in_another_account_once(client, bob, carol):
    add(bob, "Summary", "Sum this up.", is_shared=False)
    add(bob, "Ours", "Of everybody", is_shared=True)
    client.force_login(bob)
    exported = body_of(client.post("/settings/data/export"))

    assert send(carol, exported) == (200, {**NOTHING, "prompts": 1})
    assert send(carol, exported) == (200, {**NOTHING, "promptsAlreadyThere": 1})
    assert prompts_of(carol) == [("Summary", "Sum this up.")]


def test_a_prompt_that_was_changed_is_left_alone_and_a_deleted_one_comes_back_once(client, bob):
    changed = add(bob, "Changed", "Before", is_shared=False)
    deleted = add(bob, "Deleted", "Here", is_shared=False)
    client.force_login(bob)
    exported = body_of(client.post("/settings/data/export"))
    changed.change(clock.now(), text="After")
    deleted.delete()

    _, first = send(bob, exported)
    _, second = send(bob, exported)

    assert first == {**NOTHING, "prompts": 1, "promptsAlreadyThere": 1}
    assert second == {**NOTHING, "promptsAlreadyThere": 2}
    assert prompts_of(bob) == [("Changed", "After"), ("Deleted", "Here")]


def test_what_is_no_prompt_or_one_too_many_is_skipped_and_counted(bob, monkeypatch):
    monkeypatch.setattr(Prompt, "MOST", 2)
    odd = [
        *("nothing", None, [], {"id": "1", "name": "No id", "text": "x"}),
        *(a_prompt(""), a_prompt(" \x00 "), a_prompt("x" * 61), a_prompt("Long", "x" * 8_001)),
        *(a_prompt("No text", ""), {**a_prompt("Number"), "text": 7}),
    ]
    many = [a_prompt(" One\x00 "), a_prompt("Two"), a_prompt("Three"), a_prompt("Four")]

    status, report = send(bob, of_prompts(*odd, *many))

    assert (status, report) == (200, {**NOTHING, "prompts": 2, "skippedPrompts": len(odd) + 2})
    assert prompts_of(bob) == [("One", "Sum this up."), ("Two", "Sum this up.")]


def test_prompts_of_a_full_account_that_are_there_are_told_as_such(bob, monkeypatch):
    monkeypatch.setattr(Prompt, "MOST", 2)
    one, two = a_prompt("One"), a_prompt("Two")
    send(bob, of_prompts(one, two))

    report = send(bob, of_prompts(a_prompt("Three"), one, a_prompt("Four"), two, two))[1]

    assert report == {**NOTHING, "promptsAlreadyThere": 3, "skippedPrompts": 2}


def test_prompts_that_come_back_from_another_account_are_there(client, bob, carol):
    add(bob, "Summary", "Sum this up.", is_shared=False)
    for person, other in ((bob, carol), (carol, bob)):
        client.force_login(person)
        exported = body_of(client.post("/settings/data/export"))

        report = send(other, exported)[1]

    assert report == {**NOTHING, "promptsAlreadyThere": 1}
    assert prompts_of(bob) == [("Summary", "Sum this up.")]


@pytest.mark.parametrize("given", [None, {}, "x", 1])
def test_prompts_that_are_no_list_are_none(given, bob):
    body = {**of_prompts(), "prompts": given, "conversations": [None]}

    assert send(bob, body) == (200, NOTHING)


def test_a_prompt_that_two_imports_make_at_once_is_there_once(bob, monkeypatch):
    given = of_prompts(a_prompt("One"))
    send(bob, given)
    # As the second one has read it, before the first one has written.
    key = Prompt.objects.get().pk
    monkeypatch.setattr(prompts, "_missing", lambda _user, found: {key: found[0]})

    report = send(bob, given)[1]

    assert report == {**NOTHING, "promptsAlreadyThere": 1}
    assert Prompt.objects.count() == 1


def test_what_is_imported_is_no_activity_and_no_usage(bob):
    send(bob, [simple("Cats")])
    send(bob, [simple("Dogs")])

    assert Conversation.objects.count() == 2
    for counted in (ActivityRecord, UsageRecord, PersonBucket, UsageBucket):
        assert counted.objects.count() == 0


def test_other_tabs_get_one_hint_with_the_newest_chat(bob):
    heard = []

    def note(conversation, **_):
        heard.append(conversation.title)

    signals.changed.connect(note)
    send(bob, [simple("Cats"), simple("Newest", update_time=NOON + 99), simple("Dogs")])
    send(bob, [simple("Cats")])
    signals.changed.disconnect(note)

    assert heard == ["Newest"]


def test_the_list_that_was_cached_has_what_was_imported(bob):
    assert Api(bob).ids() == []

    send(bob, [simple()])

    assert len(Api(bob).ids()) == 1


# --- Nothing twice ------------------------------------------------------------------------------
def test_the_same_file_again_makes_nothing(bob):
    given = [simple("Cats"), simple("Dogs")]
    send(bob, given)

    assert send(bob, given) == (200, {**NOTHING, "alreadyThere": 2})
    assert Message.objects.count() == 4


def test_a_chat_that_was_changed_or_is_in_the_trash_is_left_alone(bob):
    given = [simple("Cats"), simple("Dogs")]
    send(bob, given)
    cats, dogs = Conversation.objects.order_by("title")
    cats.change(title="Renamed")
    dogs.soft_delete(clock.now())

    report = send(bob, given)[1]

    assert report == {**NOTHING, "alreadyThere": 2, "alreadyInTrash": 1}
    assert Api(bob).get()[1]["conversations"][0]["title"] == "Renamed"
    assert len(Api(bob).ids(deleted=True)) == 1


def test_a_chat_that_is_twice_in_a_file_is_made_once(bob):
    report = send(bob, [simple("Cats"), simple("Cats")])[1]

    assert (report["imported"], report["alreadyThere"]) == (1, 1)


def test_the_same_chats_of_two_people_are_their_own(bob, carol):
    given = [simple("Cats")]

    assert send(bob, given)[1]["imported"] == send(carol, given)[1]["imported"] == 1
    ids = set(Conversation.objects.values_list("client_id", flat=True))
    assert len(ids) == 2


def test_two_at_once_make_nothing_twice(bob):
    from conversations.importing.files import Budget, recognise
    from conversations.importing.keeping import Import

    body = json.dumps([simple(f"Chat {number}") for number in range(20)]).encode()
    reports = []

    def work(_number: int) -> None:
        files = recognise([BytesIO(body)], Budget(10**9))
        work = Import(bob, files, Budget(10**9), clock.now())
        reports.append(work.run(lambda: None))

    at_once(2, work)

    assert [each.problem for each in reports] == [None, None]
    assert sum(each.imported for each in reports) == 20
    assert sum(each.already_there for each in reports) == 20
    assert (Conversation.objects.count(), Message.objects.count()) == (20, 40)


def test_a_second_import_while_one_runs_is_refused(bob, carol):
    cache.add(running.lock_key(bob.pk), 1, 60)

    status, body = send(bob, [simple()])

    assert (status, body["error"]["code"]) == (409, "import_running")
    assert send(carol, [simple()])[0] == 200


def test_an_import_whose_process_dies_in_its_middle_is_brought_to_its_end_by_another(
    bob, monkeypatch
):
    given = [simple("Cats"), simple("Dogs"), simple("Mice")]
    insert, calls = writes.insert_each, []

    def die(model, rows):
        calls.append(rows)
        insert(model, rows)
        if len(calls) == 2:
            raise OperationalError("gone")

    monkeypatch.setattr(writes, "insert_each", die)
    first = send(bob, given)[1]
    monkeypatch.undo()

    assert (first["imported"], first["problem"]) == (
        1,
        "The database could not be reached any more.",
    )
    assert (Conversation.objects.count(), Message.objects.count()) == (1, 2)
    assert send(bob, given)[1] == {**NOTHING, "imported": 2, "messages": 4, "alreadyThere": 1}


def test_a_fault_of_ours_in_one_chat_skips_it_and_no_other(bob, monkeypatch):
    insert = writes.insert_each

    def fail(model, rows):
        if rows[0]["content"] == "bad":
            raise ZeroDivisionError
        insert(model, rows)

    monkeypatch.setattr(writes, "insert_each", fail)
    bad = chat(node("q1", None, text="bad"), title="Bad")

    report = send(bob, [simple("Cats"), bad, simple("Dogs")])[1]

    assert (report["imported"], report["skipped"]) == (2, 1)
    assert report["skippedChats"] == [
        {"title": "Bad", "reason": "It could not be imported. The server's log says why."}
    ]
    assert Conversation.objects.filter(title="Bad").count() == 0


# --- What is skipped ----------------------------------------------------------------------------
def test_what_cannot_be_imported_is_named_with_its_reason(bob):
    report = send(bob, [simple("Cats"), chat(title="Empty"), 7, {"title": "Odd"}])[1]

    assert (report["imported"], report["skipped"]) == (1, 3)
    assert report["skippedChats"] == [
        {"title": "Empty", "reason": "It has no messages."},
        {"title": "", "reason": "It has no messages that can be read."},
        {"title": "Odd", "reason": "It has no messages that can be read."},
    ]


def test_no_more_than_a_hundred_are_named(bob):
    report = send(bob, [simple(), *[{"title": "x"}] * 150])[1]

    assert (report["skipped"], len(report["skippedChats"])) == (150, 100)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": "a/b"}, "It has no id that can be used."),
        ({"id": None}, "It has no id that can be used."),
        ({"messages": None}, "It has no list of messages."),
        ({"messages": [{"id": "q1"}]}, "Of message 1, role: is missing."),
        ({"messages": ["odd"]}, "Of message 1, the whole: Expected `object`, got `str`."),
    ],
)
def test_a_chat_of_ours_that_is_broken_is_skipped(fields, reason, bob):
    ours = {"id": "c1", "title": "One", "messages": [], **fields}

    report = send(bob, own(ours, {"id": "c2", "title": "Two", "messages": []}))[1]

    assert report["imported"] == 1
    assert report["skippedChats"] == [{"title": "One", "reason": reason}]


def own(*chats):
    return {"format": "chatcore-export", "version": 1, "conversations": list(chats)}


def test_odd_parts_of_ours_are_left_out_and_the_text_stays(bob):
    deep = {"type": "data-x"}
    for _ in range(50):
        deep = {"type": "data-x", "x": deep}
    odd_parts = [["text"], [{"type": 7}], [deep], [{"type": "text", "text": "a\x00"}], [{}] * 501]
    messages = [
        {"id": f"m{number}", "role": "user", "content": "Text\x00", "parts": parts}
        for number, parts in enumerate(odd_parts)
    ]

    report = send(bob, own({"id": "c1", "title": "One", "messages": messages}))[1]

    assert (report["imported"], report["shortenedMessages"]) == (1, 5)
    assert {(each.content, str(each.parts)) for each in Message.objects.all()} == {
        ("Text", "[{'type': 'text', 'text': 'Text'}]")
    }


def test_parents_and_ids_of_ours_that_lead_nowhere_are_mended(bob):
    messages = [
        say("m1", parentId="m2"),
        say("m2", parentId="m1"),
        say("m2", "again"),
        say("m3", parentId="gone", createdAt="3024-01-01T00:00:00Z"),
    ]
    for each in messages:
        each.setdefault("createdAt", "2024-05-14T12:00:00Z")
    send(bob, own({"id": "c1", "title": "", "createdAt": "no time", "messages": messages}))

    found = Conversation.objects.get()

    assert [(each.client_id, each.parent_id) for each in found.messages.in_order()] == [
        ("m1", None),
        ("m2", "m1"),
        ("m3", None),
    ]
    assert found.updated_at >= found.created_at == datetime(2024, 5, 14, 12, tzinfo=UTC)


def test_a_file_that_breaks_off_brings_what_is_whole(bob):
    body = json.dumps([simple("Cats"), simple("Dogs")]).encode()

    status, report = send(bob, body[:-100])

    assert (status, report["imported"]) == (200, 1)
    assert report["problem"] == (
        "A file could not be read to its end: it is no whole and valid JSON document, or has a"
        " number too large to be read."
    )


# --- What is refused ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "no_file"),
        (b"hello", "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (b"[", "unreadable"),
        (b"12", "unknown_format"),
        (b"{}", "unknown_format"),
        (b"[]", "unknown_format"),
        (b'[{"title": "x"}]', "unknown_format"),
        (b'{"conversations": []}', "unknown_format"),
        (b'{"format": "chatcore-export", "version": 1}', "unknown_format"),
        (b'{"format": "chatcore-export", "version": 2, "conversations": []}', "newer_format"),
    ],
)
def test_what_has_no_chats_is_refused_and_says_what_is_taken(body, code, bob):
    status, answered = send(bob, body)

    assert (status, answered["error"]["code"]) == (400, code)
    if code != "newer_format":
        assert "conversations.json" in answered["error"]["message"]


def test_a_form_without_a_file_is_refused(bob):
    status, answered = form(bob, b"[]", field="other")

    assert (status, answered["error"]["code"]) == (400, "no_file")


def test_after_a_refusal_one_may_import_at_once(bob):
    send(bob, b"hello")

    assert send(bob, [simple()])[0] == 200


def test_imports_are_limited(bob, settings):
    settings.IMPORT_LIMIT = Rate(1, 3600)
    send(bob, [simple()])

    status, answered = send(bob, [simple()])

    assert (status, answered["error"]["code"]) == (429, "rate_limited")


def test_a_stranger_is_refused():
    assert send(None, [simple()])[0] == 401
    assert send(None, [simple()], Authorization="Bearer cc_wrong")[0] == 401
    assert Conversation.objects.count() == 0


def test_a_token_imports_for_its_person(bob):
    token = ApiToken.objects.issue(bob, "import", lifetime=None, now=clock.now())

    assert send(None, [simple()], Authorization=f"Bearer {token}")[1]["imported"] == 1
    assert Conversation.objects.get().user_id == bob.pk


def test_a_session_needs_a_csrf_token(bob):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)

    response = client.post(ADDRESS, json.dumps([simple()]), "application/json")

    assert (response.status_code, response.json()["error"]["code"]) == (403, "csrf_failed")


def test_an_inactive_person_imports_nothing(bob):
    token = ApiToken.objects.issue(bob, "import", lifetime=None, now=clock.now())
    bob.is_active = False
    bob.save()

    assert send(None, [simple()], Authorization=f"Bearer {token}")[0] == 401


def test_nobody_keeps_the_report(client, bob):
    client.force_login(bob)
    response = client.post(ADDRESS, json.dumps([simple()]), "application/json")
    body_of(response)

    assert "no-store" in response["Cache-Control"]
    assert response["RateLimit-Remaining"] == "9"


def test_a_fault_is_told_in_a_sentence_however_long_what_is_wrong_is(client, bob, carol):
    Api(bob).post({"id": "c1", "title": "One", "messages": [say("q1")]})
    client.force_login(bob)
    exported = body_of(client.get("/c/c1/export.json"))

    report = send(carol, exported.replace(b'"user"', b'"%s"' % (b"x" * 100_000)))[1]

    assert len(report["skippedChats"][0]["reason"]) < 250


@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_import_ends_with_its_person(bob, is_deleted):
    chats, own = [simple("Cats"), simple("Dogs")], of_prompts(a_prompt("One"))
    body = BytesIO(as_zip({"chatcore.json": own, "conversations.json": chats}))
    with running._turn:
        future = running.begin(bob, [body], clock.now())
        if is_deleted:
            type(bob).objects.filter(pk=bob.pk).delete()
        else:
            type(bob).objects.filter(pk=bob.pk).update(is_active=False)

    report = future.result(20)

    assert report.problem == "The account is not active any more."
    assert (report.imported, Conversation.objects.count()) == (0, 0)
    assert (report.prompts, Prompt.objects.count()) == (0, 0)
