"""manage.py purge_deleted, on both stores."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from assistant.models import Generation
from chatcore import clock
from conversations.models import Conversation, Message

pytestmark = pytest.mark.django_db


def make(user, client_id, *, deleted_days_ago=None) -> Conversation:
    age = None if deleted_days_ago is None else clock.now() - timedelta(days=deleted_days_ago)
    conversation = Conversation.objects.create(
        client_id=client_id, user=user, organization=user.organization, deleted_at=age
    )
    for number in (1, 2):
        conversation.append(Message(client_id=f"m{number}", role="user"), clock.now())
    return conversation


def purge(*arguments: str) -> str:
    out = StringIO()
    call_command("purge_deleted", *arguments, stdout=out)
    return out.getvalue()


def left() -> list[str]:
    return sorted(Conversation.objects.values_list("client_id", flat=True))


@pytest.fixture
def chats(bob) -> None:
    make(bob, "kept")
    make(bob, "young", deleted_days_ago=29)
    make(bob, "old", deleted_days_ago=31)
    generation = make(bob, "older", deleted_days_ago=99)
    Generation.objects.create(conversation=generation, user=bob, request_id="r", parent_id="m1")


def test_what_is_old_in_the_trash_is_gone_with_its_messages(chats):
    said = purge("--older-than", "30d")

    assert left() == ["kept", "young"]
    assert (Message.objects.count(), Generation.objects.count()) == (4, 0)
    assert said.startswith("Deleted 2 conversations with 4 messages, in the trash since before ")
    assert purge("--older-than", "30d").startswith("Deleted 0 conversations with 0 messages")


def test_a_dry_run_says_the_same_and_deletes_nothing(chats):
    said = purge("--older-than", "30d", "--dry-run")

    assert said.startswith("Would delete 2 conversations with 4 messages, ")
    assert left() == ["kept", "old", "older", "young"]


def test_many_are_deleted_in_batches(bob, monkeypatch):
    monkeypatch.setattr("conversations.management.commands.purge_deleted.BATCH", 2)
    for number in range(5):
        make(bob, f"c{number}", deleted_days_ago=40)

    assert purge("--older-than", "4w", "--dry-run").startswith("Would delete 5 ")
    assert purge("--older-than", "4w").startswith("Deleted 5 conversations with 10 messages")
    assert left() == []


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "1y", "1.5d", "999999d"])
def test_an_age_that_is_none_is_refused(chats, age):
    with pytest.raises(CommandError, match="such as 30d"):
        purge(f"--older-than={age}")

    assert len(left()) == 4
