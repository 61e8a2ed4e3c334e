"""The chat page as the server makes it."""

import json
import re

import pytest

from assistant import saving, turns
from assistant.models import GenerationStatus
from chatcore import clock
from conversations.models import Conversation, Message


def page_data(response) -> dict:
    found = re.search(r'id="page-data" type="application/json">(.*?)</script>', response.text)
    assert found is not None
    return json.loads(found[1])


def begin(user, text="Hello", request_id="r1", conversation_id="c1") -> turns.Turn:
    asked = turns.Question(request_id, conversation_id, f"m-{request_id}", None, text)
    return turns.begin(user, asked, None, owner="test:1", now=clock.now())


def finish(turn, text="Hi.", status=GenerationStatus.DONE, error=None) -> None:
    progress = saving.Progress(turn.generation.pk, 1, text, "")
    saving.finish(progress, status, error=error, now=clock.now())


def test_a_stranger_is_sent_to_the_log_in(client, bob):
    response = client.get("/")

    assert (response.status_code, response["Location"]) == (302, "/login?next=/")


def test_a_new_chat_is_empty(client, bob):
    client.force_login(bob)

    data = page_data(client.get("/"))

    assert data == {
        "userId": str(bob.pk),
        "conversationId": None,
        "messages": [],
        "running": None,
        "maxTextCharacters": 200_000,
        "mayAdminister": False,
        "troubles": [],
        "list": {"nextCursor": None, "oldest": None, "running": []},
    }


def test_a_chat_comes_with_its_messages(client, bob):
    turn = begin(bob)
    finish(turn, "", GenerationStatus.FAILED, {"code": "network", "message": "Broken."})
    client.force_login(bob)

    data = page_data(client.get("/c/c1"))

    question, answer = data["messages"]
    assert question.pop("createdAt") < answer.pop("createdAt")
    assert question == {
        "id": "m-r1",
        "parentId": None,
        "role": "user",
        "parts": [{"type": "text", "text": "Hello"}],
        "model": "",
        "status": "complete",
        "error": None,
        "siblings": ["m-r1"],
    }
    assert (answer["status"], answer["error"]["message"]) == ("failed", "Broken.")
    assert answer["parentId"] == "m-r1"


def test_a_running_answer_is_named_so_that_the_page_can_attach(client, bob):
    turn = begin(bob)
    client.force_login(bob)

    data = page_data(client.get("/c/c1"))

    assert data["running"] == {
        "generationId": str(turn.generation.pk),
        "answerId": turn.generation.answer_id,
        "parentId": "m-r1",
        "model": f"{turn.generation.provider}:{turn.generation.model}",
        "siblings": [turn.generation.answer_id],
    }
    assert [message["id"] for message in data["messages"]] == ["m-r1"]


@pytest.mark.parametrize("address", ["/c/c1", "/c/nothing", "/c/%00", "/c/$gt"])
def test_a_chat_that_is_not_ones_own_is_not_there(address, client, alice, bob):
    begin(bob)
    client.force_login(alice)  # not even for an administrator

    assert client.get(address).status_code == 404


def test_a_deleted_chat_is_neither_listed_nor_shown(client, bob):
    turn = begin(bob, "Secret plans")
    turn.conversation.soft_delete(clock.now())
    client.force_login(bob)

    assert "Secret plans" not in client.get("/").text
    assert client.get("/c/c1").status_code == 404


def test_titles_and_texts_are_escaped(client, bob):
    begin(bob, "</script><img src=x onerror=alert(1)>")
    client.force_login(bob)

    text = client.get("/c/c1").text

    assert "<img" not in text.replace('<img src="/static/', "")
    assert page_data(client.get("/c/c1"))["messages"][0]["parts"][0]["text"].startswith("</script>")


def test_the_page_takes_few_queries_however_long_the_list_is(
    client, bob, settings, django_assert_max_num_queries
):
    settings.ASSISTANT_LIMIT = settings.RUNNING_LIMIT = None
    for number in range(30):
        begin(bob, "Hello", f"r{number}", f"c{number}")
    client.force_login(bob)

    # session, person, chat, list, its tree, messages, running in it, running in any
    with django_assert_max_num_queries(8):
        client.get("/c/c1")


def test_the_page_has_fifty_chats_where_answers_run_in_them_and_where_to_go_on(
    client, bob, settings
):
    settings.ASSISTANT_LIMIT = settings.RUNNING_LIMIT = None
    for number in range(51):
        turn = begin(bob, "Hello", f"r{number}", f"c{number}")
        if number != 50:
            finish(turn)
    client.force_login(bob)

    response = client.get("/")

    of_list = page_data(response)["list"]
    listed = re.findall(r'data-id="(\w+)"', response.text)
    assert listed == [f"c{number}" for number in range(50, 0, -1)]
    assert of_list["running"] == [
        {"conversationId": "c50", "generationId": str(turn.generation.pk)}
    ]
    following = client.get(f"/api/assistant/conversations?cursor={of_list['nextCursor']}").json()
    assert [chat["id"] for chat in following["conversations"]] == ["c0"]
    assert client.get("/api/assistant/running").json() == {"running": of_list["running"]}
    # The chat that is shown is there, however far down the list.
    text = client.get("/c/c0").text
    assert re.findall(r'data-id="(\w+)"', text) == [*listed, "c0"]
    assert re.findall(r'data-id="(\w+)"[^>]*aria-current="page"', text) == ["c0"]
    assert re.findall(r'data-id="(\w+)"', client.get("/c/c50").text) == listed


def test_nobody_sees_what_runs_for_somebody_else(client, alice, bob):
    begin(bob)
    client.force_login(alice)

    assert page_data(client.get("/"))["list"]["running"] == []
    assert client.get("/api/assistant/running").json() == {"running": []}


def test_the_policy_lets_nothing_run_that_is_not_ours(client, bob):
    client.force_login(bob)
    response = client.get("/")

    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in f"{policy};"
    assert "style-src 'self';" in f"{policy};"
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=", response.text)
    for tag in re.findall(r"<script[^>]*>", response.text):
        assert "src=" in tag or 'type="application/json"' in tag


def test_a_chat_is_ordered_by_its_last_message(client, bob):
    finish(begin(bob, "First", "r1", "c1"))
    finish(begin(bob, "Second", "r2", "c2"))
    turns.begin(
        bob,
        turns.Question("r3", "c1", "m-r3", None, "Again"),
        None,
        owner="test:1",
        now=clock.now(),
    )
    client.force_login(bob)

    listed = re.findall(r'data-id="(\w+)"', client.get("/").text)

    assert listed == ["c1", "c2"]
    assert Conversation.objects.count() == 2
    assert Message.objects.count() == 5
