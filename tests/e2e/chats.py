"""Chats of a person over a year, put into the store of a server that runs."""

import subprocess
import sys

from tests.server import ROOT, Server

TITLES = (
    *("Plan the launch of the spring catalogue", "Why does the import stop at row 4,096?"),
    *("A polite letter to the landlord about the heating", "Ideas for the offsite in Lisbon"),
    *("Translate the contract into German", "What did we decide about pricing?"),
)


def add_chats(server: Server, count: int, *, hours_apart: float = 0.0, deleted: int = 0) -> None:
    """Of Alice: numbered from 1, the newest first, `hours_apart`; and so many more in the trash."""
    _inside(server, f"make_chats({count}, {hours_apart}, {deleted})")


def add_long_chat(server: Server, count: int) -> None:
    """Of Alice: the chat "long-400", if it is to have 400 messages; an even number."""
    _inside(server, f"make_long_chat({count})")


def add_every_kind(server: Server) -> None:
    """Of Alice: the chat `every-kind`, with a message of each kind there is."""
    _inside(server, "make_every_kind()")


def _inside(server: Server, call: str) -> None:
    """Call a function of this module inside the server's Django."""
    command = [
        *(sys.executable, "manage.py", "shell", "-c"),
        f"from tests.e2e import chats; chats.{call}",
    ]
    subprocess.run(command, cwd=ROOT, env=server.environment, check=True, capture_output=True)


def make_chats(count: int, hours_apart: float, deleted: int) -> None:
    """Inside the server's Django. Chat 3 says "a needle" in its message."""
    from datetime import timedelta

    from accounts.models import User
    from chatcore import clock
    from conversations.models import Conversation, Message

    alice = User.objects.get(email="alice@acme.example")
    now = clock.now()
    for number in range(1, count + deleted + 1):
        at = now - timedelta(hours=hours_apart * (number - 1), seconds=number)
        chat = Conversation.objects.create(
            client_id=f"chat-{number}",
            user=alice,
            organization=alice.organization,
            title=f"{TITLES[number % len(TITLES)]} {number}",
            message_count=1,
            updated_at=at,
            deleted_at=now if number > count else None,
        )
        needle = " There is a needle in this hay." if number == 3 else ""
        Message.objects.create(
            conversation=chat,
            client_id="m1",
            seq=1,
            role="user",
            content=f"Tell me more of number {number}.{needle}",
            created_at=at,
        )


def make_long_chat(count: int) -> None:
    """Inside the server's Django: "Question 1", its answer, "Question 3" and so on.

    The first answer and the last one have a formula.
    """
    from accounts.models import User
    from conversations.models import Conversation, Message, as_text_part

    alice = User.objects.get(email="alice@acme.example")
    chat = Conversation.objects.create(
        client_id=f"long-{count}",
        user=alice,
        organization=alice.organization,
        title="A long chat",
        message_count=count,
    )
    kinds = (
        ("user", "Question {}: what comes next?"),
        ("assistant", "Answer {}\n\n" + "Some **strong** words and `code` in a paragraph. " * 8),
    )
    messages = []
    for number in range(1, count + 1):
        role, text = kinds[1 - number % 2]
        text = text.format(number) + (" $x^2$" if number in (2, count) else "")
        messages.append(
            Message(
                conversation=chat,
                client_id=f"m{number}",
                parent_id=f"m{number - 1}" if number > 1 else None,
                seq=number,
                role=role,
                content=text,
                parts=[as_text_part(text)],
                model="openai:gpt-test" if role == "assistant" else "",
            )
        )
    Message.objects.bulk_create(messages, batch_size=500)


def make_every_kind() -> None:
    """Inside the server's Django."""
    from accounts.models import User
    from assistant import samples
    from conversations.models import Conversation, Message

    alice = User.objects.get(email="alice@acme.example")
    chat = Conversation.objects.create(
        client_id="every-kind", user=alice, organization=alice.organization, title="Every kind"
    )
    shown = samples.messages()
    earlier = shown[2].copy()
    earlier["id"] = "sample-3-earlier"
    for seq, each in enumerate([*shown[:2], earlier, *shown[2:]], start=1):
        Message.objects.create(
            conversation=chat,
            client_id=each["id"],
            parent_id=each["parentId"],
            seq=seq,
            role=each["role"],
            content="".join(part.get("text", "") for part in each["parts"]),
            parts=each["parts"],
            model=each["model"],
            status=each["status"],
            error=each["error"],
        )
