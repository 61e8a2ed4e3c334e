"""A long chat is shown from its end: what the page has, and GET /api/assistant/earlier."""

import pytest

from assistant import shown
from conversations.models import Conversation, Message
from tests.assistant.test_chat_page import begin, page_data

ADDRESS = "/api/assistant/earlier?conversationId=long&messageId="

pytestmark = pytest.mark.django_db


@pytest.fixture
def long(bob) -> Conversation:
    """Messages m1 to m100 of bob's; a second version of m10, "other", that nothing follows."""
    chat = Conversation.objects.create(
        client_id="long", user=bob, organization=bob.organization, message_count=101
    )
    add(chat, "m1", None, 1)
    add(chat, "m2", "m1", 2)
    # Saved before m10, which so belongs to the branch that was written to last.
    for number in range(3, 10):
        add(chat, f"m{number}", f"m{number - 1}", number)
    add(chat, "other", "m9", 10)
    for number in range(10, 101):
        add(chat, f"m{number}", f"m{number - 1}", number + 1)
    return chat


def add(chat: Conversation, client_id: str, parent_id: str | None, seq: int) -> None:
    Message.objects.create(
        conversation=chat,
        client_id=client_id,
        parent_id=parent_id,
        seq=seq,
        role="user" if seq % 2 else "assistant",
        content=f"This is {client_id}",
        parts=[{"type": "text", "text": f"This is {client_id}"}],
    )


def numbers(first: int, last: int) -> list[str]:
    return [f"m{number}" for number in range(first, last + 1)]


def ids(messages) -> list[str]:
    return [each["id"] for each in messages]


def test_the_page_has_the_end_of_a_long_chat(client, bob, long):
    client.force_login(bob)

    messages = page_data(client.get("/c/long"))["messages"]

    assert ids(messages) == numbers(61, 100)
    assert messages[0]["parentId"] == "m60"
    assert messages[-1]["parts"] == [{"type": "text", "text": "This is m100"}]


def test_what_stands_before_comes_in_pages_up_to_the_beginning(client, bob, long):
    client.force_login(bob)

    first = client.get(ADDRESS + "m61").json()["messages"]
    second = client.get(ADDRESS + first[0]["id"]).json()["messages"]

    assert (ids(first), ids(second)) == (numbers(21, 60), numbers(1, 20))
    assert second[0]["parentId"] is None
    assert second[9]["siblings"] == ["other", "m10"]
    assert client.get(ADDRESS + "m1").json() == {"messages": []}


def test_a_branch_is_shown_from_the_version_that_is_asked_for(bob, long):
    assert ids(shown.shown(long, "m10")["messages"]) == numbers(10, 100)
    assert ids(shown.shown(long, "m99")["messages"]) == numbers(61, 100)
    assert ids(shown.shown(long, "other")["messages"]) == [*numbers(1, 9), "other"]


def test_many_more_than_the_store_is_asked_for_at_once_are_found(bob, long, monkeypatch):
    monkeypatch.setattr(shown, "_READ_AT_ONCE", 7)

    assert ids(shown.shown(long, "m2")["messages"]) == numbers(2, 100)


def test_only_what_is_shown_is_read(bob, long, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):  # what runs, all ids, the messages
        shown.shown(long)


def test_an_answer_that_runs_is_asked_to_the_last_message_that_is_shown(client, bob, long):
    turn = begin(bob, conversation_id="long", request_id="new")
    client.force_login(bob)

    data = page_data(client.get("/c/long"))

    assert data["messages"][-1]["id"] == data["running"]["parentId"] == "m-new"
    assert data["running"]["generationId"] == str(turn.generation.pk)


def test_nobody_else_gets_them(client, alice, carol, long):
    assert client.get(ADDRESS + "m61").status_code == 401
    for other in (alice, carol):
        client.force_login(other)
        assert client.get(ADDRESS + "m61").status_code == 404


def test_a_message_that_is_not_there_is_not_found(client, bob, long):
    client.force_login(bob)

    response = client.get(ADDRESS + "nothing")

    assert response.status_code == 404
    assert response.json()["error"]["message"] == "There is no such message."


def test_what_is_no_id_is_refused(client, bob, long):
    client.force_login(bob)

    response = client.get(ADDRESS + "$gt")

    assert response.status_code == 400
    assert list(response.json()["error"]["fields"]) == ["messageId"]
