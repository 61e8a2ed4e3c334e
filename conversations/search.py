"""Search in a person's own chats: titles and the text of messages, without regard to case.

A look through what there is, newest first, and no index of words: it finds parts of words and every
language, on both stores alike. One request looks through LOOKED_THROUGH chats at most and gives a
cursor to go on, so that a rare word in very many chats cannot hold a thread.
"""

import re
from collections.abc import Iterable
from uuid import UUID

from django.db import connection
from django.db.models import Q

from chatcore import rows
from conversations import pages
from conversations.models import Message

LOOKED_THROUGH = 2_000
BATCH = 500


def search(
    user_id: UUID, text: str, *, deleted: bool, after: pages.Key | None, limit: int
) -> tuple[list[rows.Row], pages.Key | None]:
    """Chats with the text in their title or a message, and the key to go on behind them.

    There may be fewer than `limit`, even none, and still a key: then there is more to look through.
    """
    found: list[rows.Row] = []
    for _ in range(LOOKED_THROUGH // BATCH):
        batch, after = pages.chats(user_id, deleted=deleted, after=after, limit=BATCH)
        for chat in _matching(batch, text):
            if len(found) == limit:
                return found, pages.key_of(found[-1], deleted=deleted)
            found.append(chat)
        if after is None:
            break
    return found, after


def _matching(batch: list[rows.Row], text: str) -> Iterable[rows.Row]:
    needle = text.casefold()
    titled = {chat["id"] for chat in batch if needle in chat["title"].casefold()}
    rest = [chat["id"] for chat in batch if chat["id"] not in titled]
    said = Message.objects.filter(_contains(text), conversation_id__in=rest)
    matching = titled.union(said.values_list("conversation_id", flat=True).distinct())
    return (chat for chat in batch if chat["id"] in matching)


def _contains(text: str) -> Q:
    """SQLite's own comparison knows the case of ASCII letters only."""
    if connection.vendor == "mongodb" or text.isascii():
        return Q(content__icontains=text)
    return Q(content__iregex=re.escape(text))
