"""One chat as a file, on both stores."""

import json
from datetime import UTC, datetime

import pytest
from asgiref.sync import async_to_sync

from chatcore import clock
from conversations.markdown import as_markdown
from conversations.models import Conversation, Message
from conversations.views import file_name
from tests.conversations.api import Api, say

NOW = datetime(2026, 11, 28, 10, 14, tzinfo=UTC)
TIME = "2026-11-27T09:05:00Z"
TOOL = {
    "type": "dynamic-tool",
    "toolName": "look_up",
    "toolCallId": "t1",
    "state": "output-available",
    "input": {"name": "x"},
    "output": "``` inside",
}
ANSWER = {
    **say("a1", "It is 42.", "assistant"),
    "parts": [
        {"type": "reasoning", "text": "Six\ntimes"},
        TOOL,
        {"type": "text", "text": "It is 42."},
    ],
    "model": "openai:gpt-test",
    "createdAt": TIME,
}


def body_of(response) -> bytes:
    if not response.streaming:
        return response.content

    async def collect():
        return b"".join([each async for each in response])

    return async_to_sync(collect)()


@pytest.fixture
def chat(bob) -> Conversation:
    """Two answers to one question; the second one was written to last."""
    messages = [
        say("q1", "What is it?", createdAt=TIME),
        ANSWER,
        say("a2", "No idea.", "assistant", parentId="q1", createdAt=TIME, status="stopped"),
    ]
    api = Api(bob)
    assert api.post({"id": "c1", "title": "The answer", "messages": messages})[0] == 201
    return Conversation.objects.get()


def test_markdown_has_the_branch_that_was_written_to_last(chat):
    assert as_markdown(chat, None, NOW) == (
        "# The answer\n\n*Exported from Chatcore on 28 November 2026, 10:14 UTC.*\n\n"
        "## You\n\n*27 November 2026, 09:05 UTC*\n\nWhat is it?\n\n"
        "## Answer\n\n*27 November 2026, 09:05 UTC*\n\nNo idea.\n\n*This answer was stopped.*\n"
    )


def test_markdown_has_the_branch_that_is_shown_with_reasoning_and_tools(chat):
    text = as_markdown(chat, "a1", NOW)

    assert text.endswith(
        "## Answer – openai:gpt-test\n\n*27 November 2026, 09:05 UTC*\n\n"
        "### Reasoning\n\n> Six\n> times\n\n"
        '### Tool: look_up\n\nAsked for:\n\n```json\n{\n  "name": "x"\n}\n```\n\n'
        "Result:\n\n````\n``` inside\n````\n\nIt is 42.\n"
    )
    assert "No idea." not in text


def test_an_unknown_leaf_is_the_branch_written_to_last(chat):
    assert as_markdown(chat, "$gt", NOW) == as_markdown(chat, None, NOW)


def test_a_chat_without_messages_is_its_title(bob):
    Api(bob).post({"id": "c1", "title": ""})

    text = as_markdown(Conversation.objects.get(), None, NOW)

    assert text == "# Untitled\n\n*Exported from Chatcore on 28 November 2026, 10:14 UTC.*\n"


@pytest.mark.django_db(transaction=True)
def test_json_has_all_branches_in_pages(client, chat, bob, monkeypatch):
    monkeypatch.setattr("conversations.exporting.MESSAGES", 2)
    client.force_login(bob)

    response = client.get("/c/c1/export.json")

    found = json.loads(body_of(response))
    assert (found["format"], found["version"]) == ("chatcore-export", 1)
    (only,) = found["conversations"]
    assert (only["id"], only["title"], only["deletedAt"]) == ("c1", "The answer", None)
    assert [each["id"] for each in only["messages"]] == ["q1", "a1", "a2"]
    assert only["messages"][1]["parts"][1] == TOOL
    assert set(found) == {"format", "version", "exportedAt", "conversations"}


@pytest.mark.parametrize(("kind", "type_"), [("md", "text/markdown"), ("json", "application/json")])
def test_a_file_is_downloaded_and_kept_by_nobody(kind, type_, client, chat, bob):
    client.force_login(bob)

    response = client.get(f"/c/c1/export.{kind}")

    assert response["Content-Type"].startswith(type_)
    assert response["Content-Disposition"] == f'attachment; filename="The answer.{kind}"'
    assert "no-store" in response["Cache-Control"]
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("person", ["alice", "carol", "dave"])
@pytest.mark.parametrize("kind", ["md", "json"])
def test_somebody_elses_chat_is_not_there(person, kind, client, chat, request):
    client.force_login(request.getfixturevalue(person))

    assert client.get(f"/c/c1/export.{kind}").status_code == 404


@pytest.mark.parametrize("kind", ["md", "json"])
def test_a_stranger_is_sent_to_the_log_in(kind, client, chat):
    response = client.get(f"/c/c1/export.{kind}")

    assert (response.status_code, response["Location"]) == (302, f"/login?next=/c/c1/export.{kind}")


def test_neither_another_kind_nor_a_chat_in_the_trash_is_there(client, chat, bob):
    client.force_login(bob)

    assert client.get("/c/c1/export.exe").status_code == 404
    assert client.post("/c/c1/export.md").status_code == 405
    chat.soft_delete(clock.now())
    assert client.get("/c/c1/export.md").status_code == 404
    assert Message.objects.count() == 3


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Plain", "Plain"),
        ("../../etc/passwd", "etc passwd"),
        ('a"b\r\nc: d', "a b c d"),
        ("…", "…"),
        ("...", "chat"),
        ("", "chat"),
        ("x" * 200, "x" * 80),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
    ],
)
def test_a_title_becomes_a_safe_name(title, name):
    assert file_name(title) == name
