"""Search in a person's own chats: titles and the text of messages, without regard to case.

A look through what there is, newest first, and no index of words: it finds parts of words and every
language, on both stores alike. The texts are compared here, where the time is in proportion to
their length whatever is looked for; the stores' own comparisons have inputs for which it is not.
One request looks through LOOKED_THROUGH chats and CHARACTERS of text, and gives a cursor to go on.
"""

from collections.abc import Iterator
from uuid import UUID

from chatcore import rows
from conversations import pages
from conversations.models import Message

LOOKED_THROUGH = 2_000
BATCH = 500
CHARACTERS = 10_000_000
# Of one query, but for a chat that has more by itself.
MESSAGES = 1_000


def search(
    user_id: UUID, text: str, *, deleted: bool, after: pages.Key | None, limit: int
) -> tuple[list[rows.Row], pages.Key | None]:
    """Chats with the text in their title or a message, and the key to go on behind them.

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
                found.append(chat)
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


def _look_through(group: list[rows.Row], needle: str) -> tuple[set[UUID], int]:
    """The keys of those that match, and how many characters were read."""
    matching = {chat["id"] for chat in group if needle in chat["title"].casefold()}
    rest = [chat["id"] for chat in group if chat["id"] not in matching]
    said = Message.objects.filter(conversation_id__in=rest).values_list(
        "conversation_id", "content"
    )
    characters = 0
    for conversation, content in said.iterator(chunk_size=MESSAGES):
        characters += len(content)
        if conversation not in matching and needle in content.casefold():
            matching.add(conversation)
    return matching, characters
