"""Fills a new store, and prints {user: headers that log in} as JSON. The same at every run.

`python -m benchmarks._seed readers 10 1000 10000`, for conversations.py, makes a user for each
number, with that many chats, and a tenth as many in the trash; and the user "reader" with two long
ones. They log in by session, and "10000 by token" by token.

`python -m benchmarks._seed askers 200 6`, for streaming.py, makes 200 users "0", "1" ..., each with
6 chats "chat-0", "chat-1" ... of 20 messages "message-1", "message-2" ...
"""

import gc
import json
import math
import os
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatcore.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from accounts.models import ApiToken, Organization, User  # noqa: E402
from chatcore import clock  # noqa: E402
from conversations.models import (  # noqa: E402
    Conversation,
    Message,
    MessageRole,
    as_text_part,
    title_from,
)

LONG_CHATS = (200, 5_000)
# Messages of a chat in which somebody asks on.
ASKED_CHAT = 20
# In a chat of the users with more of them there is nothing to read; the list does not look there.
MOST_CHATS_WITH_MESSAGES = 10_000
MESSAGES_EACH = 4
# Neither is among WORDS. One is in the messages of three chats, the other in those of each second.
RARE, FREQUENT = "quokka", "invoice"
RARE_CHATS = 3
WORDS = (
    "the of and to a in is that for it as was with be by on not he this are or his from at which"
    " but have an had they you were their one all we can her has there been if more when will would"
    " server budget meeting answer question table column season market letter forest engine window"
    " garden river winter summer number system report market version release module value result"
)
MEAN_CHARACTERS = {MessageRole.USER: 120, MessageRole.ASSISTANT: 900}
# Lengths are log-normal: many short texts, few long ones. The mean is exp(mu + sigma ** 2 / 2).
SIGMA = 0.7
CHATS_AT_ONCE = 2_000
# Django wants a token of this length twice; it need not have made it.
CSRF_TOKEN = "b" * 32

randomly = random.Random(3)
PROSE = " ".join(randomly.choices(WORDS.split(), k=100_000))


def main(kind: str, numbers: list[int]) -> None:
    # Hundreds of thousands of rows come and go, none of them in a circle.
    gc.disable()
    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    organization = Organization.objects.create(name="Acme")
    if kind == "askers":
        logins = _askers(organization, *numbers)
    else:
        logins = _readers(organization, numbers)
    print(json.dumps(logins))


def _askers(organization: Organization, persons: int, chats: int) -> dict[str, dict[str, str]]:
    now = clock.now()
    users = [_user(organization, str(index)) for index in range(persons)]
    _save(_chat(user, f"chat-{index}", ASKED_CHAT, now) for user in users for index in range(chats))
    return {str(index): _session(user) for index, user in enumerate(users)}


def _readers(organization: Organization, sizes: list[int]) -> dict[str, dict[str, str]]:
    now = clock.now()
    users = {}
    for size in sizes:
        users[str(size)] = user = _user(organization, str(size))
        _save(_chats(user, size, now))
    users["reader"] = reader = _user(organization, "reader")
    _save(_chat(reader, f"long-{length}", length, now) for length in LONG_CHATS)
    logins = {name: _session(user) for name, user in users.items()}
    token = ApiToken.objects.issue(users["10000"], "benchmark", lifetime=None, now=now)
    logins["10000 by token"] = {"Authorization": f"Bearer {token}"}
    return logins


def _user(organization: Organization, name: str) -> User:
    return User.objects.create_user(f"{name}@example.org", organization=organization)


def _chats(user: User, size: int, now: datetime) -> Iterator[tuple[Conversation, list[Message]]]:
    """Oldest first. Each eleventh is in the trash."""
    length = MESSAGES_EACH if size <= MOST_CHATS_WITH_MESSAGES else 0
    rare = {size * (2 * part + 1) // (2 * RARE_CHATS) for part in range(RARE_CHATS)}
    kept = 0
    for index in range(size + size // 10):
        is_trash = index % 11 == 10
        word = RARE if kept in rare and not is_trash else FREQUENT if index % 2 else ""
        chat, messages = _chat(
            user, f"chat-{index}", length, now - timedelta(minutes=2 * size - index), word
        )
        chat.deleted_at = now if is_trash else None
        kept += not is_trash
        yield chat, messages


def _chat(
    user: User, client_id: str, length: int, now: datetime, word: str = ""
) -> tuple[Conversation, list[Message]]:
    chat = Conversation(
        client_id=client_id,
        user=user,
        organization_id=user.organization_id,
        title=title_from(_prose(60)),
        metadata={"totalTokens": 260 * length, "totalCost": 0.0026 * length, "toolsUsed": []},
        message_count=length,
        created_at=now,
        updated_at=now,
    )
    messages = [_message(chat, seq, word if seq == 1 else "") for seq in range(1, length + 1)]
    return chat, messages


def _message(chat: Conversation, seq: int, word: str) -> Message:
    """As a turn leaves it: questions and answers in turn, along one branch."""
    role = MessageRole.USER if seq % 2 else MessageRole.ASSISTANT
    mu = _log_mean(MEAN_CHARACTERS[role])
    text = f"{word} {_prose(int(randomly.lognormvariate(mu, SIGMA)))}".strip()
    return Message(
        conversation=chat,
        client_id=f"message-{seq}",
        parent_id=f"message-{seq - 1}" if seq > 1 else None,
        seq=seq,
        role=role,
        content=text,
        parts=[as_text_part(text)],
        model="" if role == MessageRole.USER else "openai:gpt-6.1-sol",
        token_count=None if role == MessageRole.USER else len(text) // 4,
        created_at=chat.created_at,
    )


def _log_mean(mean: int) -> float:
    return math.log(mean) - SIGMA**2 / 2


def _prose(characters: int) -> str:
    begin = randomly.randrange(len(PROSE) - 20_000)
    return PROSE[begin : begin + min(max(characters, 1), 20_000)].strip() or "yes"


def _save(chats: Iterator[tuple[Conversation, list[Message]]]) -> None:
    while some := list(islice(chats, CHATS_AT_ONCE)):
        Conversation.objects.bulk_create(chat for chat, _ in some)
        Message.objects.bulk_create(message for _, messages in some for message in messages)


def _session(user: User) -> dict[str, str]:
    browser = Client()
    browser.force_login(user)
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    return {
        "Cookie": f"sessionid={session}; csrftoken={CSRF_TOKEN}",
        "X-CSRFToken": CSRF_TOKEN,
    }


if __name__ == "__main__":
    main(sys.argv[1], [int(number) for number in sys.argv[2:]])
