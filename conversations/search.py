"""Search in a person's own chats: titles and the text of messages, without regard to case.

A look through what there is, newest first, and no index of words: it finds parts of words and every
language, on both stores alike. The texts are compared here, where the time is in proportion to
their length whatever is looked for; the stores' own comparisons have inputs for which it is not.
One request looks through LOOKED_THROUGH chats and CHARACTERS of text, and gives a cursor to go on.
"""

import re
from collections.abc import Iterator
from itertools import accumulate, takewhile
from uuid import UUID

from chatcore import rows
from conversations import pages
from conversations.models import Message

LOOKED_THROUGH = 2_000
BATCH = 500
CHARACTERS = 10_000_000
# Of one query, but for a chat that has more by itself.
MESSAGES = 1_000
# Of a message that has the text, what a list shows: characters before and behind where it begins.
BEFORE, BEHIND = 40, 160


def search(
    user_id: UUID, text: str, *, deleted: bool, after: pages.Key | None, limit: int
) -> tuple[list[rows.Row], pages.Key | None]:
    """Chats with the text in their title or a message, and the key to go on behind them.

    The row of one with the text in a message has a `snippet` of it, and of a title's None.
    There may be fewer than `limit`, even none, and still a key: then there is more to look through.
    """
    needle = text.casefold()
    found: list[rows.Row] = []
    characters = 0
    for _ in range(LOOKED_THROUGH // BATCH):
        batch, following = pages.chats(user_id, deleted=deleted, after=after, limit=BATCH)
        for group in _groups(batch):
            matching, read = _look_through(group, needle)
            for chat in group:
                if chat["id"] not in matching:
                    continue
                if len(found) == limit:
                    return found, pages.key_of(found[-1], deleted=deleted)
                found.append({**chat, "snippet": matching[chat["id"]]})
            characters += read
            if characters > CHARACTERS:
                return found, pages.key_of(group[-1], deleted=deleted)
        after = following
        if after is None:
            break
    return found, after


def _groups(batch: list[rows.Row]) -> Iterator[list[rows.Row]]:
    """Neighbours with MESSAGES messages together, or one chat with more."""
    group: list[rows.Row] = []
    messages = 0
    for chat in batch:
        if group and messages + chat["message_count"] > MESSAGES:
            yield group
            group, messages = [], 0
        group.append(chat)
        messages += chat["message_count"]
    if group:
        yield group


def _look_through(group: list[rows.Row], needle: str) -> tuple[dict[UUID, str | None], int]:
    """Those that match, each with a snippet or, by its title, None; and the characters read."""
    matching: dict[UUID, str | None] = {
        chat["id"]: None for chat in group if needle in chat["title"].casefold()
    }
    rest = [chat["id"] for chat in group if chat["id"] not in matching]
    said = Message.objects.filter(conversation_id__in=rest).values_list(
        "conversation_id", "content"
    )
    characters = 0
    for conversation, content in said.iterator(chunk_size=MESSAGES):
        characters += len(content)
        if conversation not in matching and (at := content.casefold().find(needle)) >= 0:
            matching[conversation] = _snippet(content, at)
    return matching, characters


def _snippet(content: str, at: int) -> str:
    """The words around position `at` of the folded content, on one line."""
    begin = _unfolded(content, at)
    first, last = max(0, begin - BEFORE), begin + BEHIND
    before = content[first:begin]
    if first:
        # From a word on, unless all of it is one.
        before = f"…{before.split(maxsplit=1)[-1] if ' ' in before.strip() else before}"
    behind = content[begin:last] + ("…" if last < len(content) else "")
    return re.sub(r"\s+", " ", before + behind).strip()


def _unfolded(content: str, at: int) -> int:
    """Which character of the content is at `at` when it is folded: "ß" is two there."""
    lengths = accumulate(len(character.casefold()) for character in content)
    return sum(1 for end in takewhile(lambda end: end <= at, lengths))
