"""Conversations and messages in the store, on SQLite and on MongoDB."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError

from chatcore import clock
from chatcore.db import in_transaction
from conversations.models import Conversation, Message, MessageRole, branch, title_from
from tests.at_once import at_once


def make(user, client_id="c1", **fields) -> Conversation:
    return Conversation.objects.create(
        client_id=client_id, user=user, organization=user.organization, **fields
    )


def message(client_id: str, parent_id: str | None = None, **fields) -> Message:
    return Message(
        client_id=client_id, parent_id=parent_id, role=MessageRole.USER, content=client_id, **fields
    )


def test_for_user_finds_nothing_of_anybody_else(alice, bob, carol):
    mine = make(bob)
    make(alice, "c2")
    make(carol, "c3")

    assert list(Conversation.objects.for_user(bob)) == [mine]


def test_active_leaves_out_the_trash(bob):
    kept, deleted = make(bob), make(bob, "c2")
    deleted.soft_delete(clock.now())

    assert list(Conversation.objects.for_user(bob).active()) == [kept]


def test_a_conversation_comes_back_from_the_store_as_it_was(bob):
    made = make(bob, title="Über alles", metadata={"totalTokens": 3, "toolsUsed": ["search"]})

    found = Conversation.objects.get(pk=made.pk)

    assert found.metadata == {"totalTokens": 3, "toolsUsed": ["search"]}
    assert (found.title, found.created_at, found.deleted_at) == (
        "Über alles",
        made.created_at,
        None,
    )


def test_two_people_may_use_one_id_but_nobody_twice(bob, carol):
    make(bob)
    make(carol)

    with pytest.raises(IntegrityError):
        make(bob)


def test_deleting_twice_keeps_the_first_date_and_restoring_brings_back(bob):
    conversation = make(bob)
    first = clock.now()

    conversation.soft_delete(first)
    conversation.soft_delete(first + timedelta(hours=1))
    deleted_at, version = conversation.deleted_at, conversation.version
    conversation.restore()

    assert (deleted_at, version) == (first, 2)
    assert (conversation.deleted_at, conversation.version) == (None, 3)


def test_append_counts_numbers_and_dates(bob):
    conversation = make(bob)
    now = clock.now() + timedelta(minutes=1)

    conversation.append(message("m1"), now)
    second = conversation.append(message("m2", "m1"), now)

    assert second.seq == 2
    conversation.refresh_from_db()
    assert (conversation.message_count, conversation.version, conversation.updated_at) == (
        2,
        3,
        now,
    )


def test_a_message_id_is_there_once_in_a_conversation(bob):
    conversation = make(bob)
    conversation.append(message("m1"), clock.now())

    with pytest.raises(IntegrityError):
        in_transaction(lambda: conversation.append(message("m1"), clock.now()))


@pytest.mark.django_db(transaction=True)
def test_tabs_that_append_at_once_get_numbers_of_their_own(bob):
    conversation = make(bob)

    def append(number: int) -> None:
        for step in range(3):
            mine = Conversation.objects.get(pk=conversation.pk)
            one = message(f"m{number}-{step}")
            in_transaction(partial(mine.append, one, clock.now()))

    at_once(4, append)

    numbers = sorted(Message.objects.values_list("seq", flat=True))
    assert numbers == list(range(1, 13))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("  two\n\nlines ", "two lines"),
        ("word " * 30, "word " * 14 + "word…"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_a_title_is_the_beginning_of_the_first_message(text, title):
    assert title_from(text) == title
    assert len(title_from(text)) <= 80


def test_a_branch_is_the_way_from_the_first_message_to_the_leaf():
    messages = [
        message("q1"),
        message("a1", "q1"),
        message("a1-again", "q1"),
        message("q2", "a1-again"),
    ]

    def ids(leaf):
        return [each.client_id for each in branch(messages, leaf)]

    assert ids("q2") == ["q1", "a1-again", "q2"]
    assert ids("a1") == ["q1", "a1"]
    assert ids(None) == []
    assert ids("nowhere") == []


def test_a_ring_of_parents_ends():
    messages = [message("a", "b"), message("b", "a")]

    assert [each.client_id for each in branch(messages, "a")] == ["b", "a"]
