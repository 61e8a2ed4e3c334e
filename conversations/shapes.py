"""What the API takes and gives, as types: they check each request, and the schema is made of them.

Names in JSON are camelCase, as in the store.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chatcore.validation import Shape
from conversations.models import CLIENT_ID_PATTERN, MAX_TITLE_CHARACTERS

MAX_CONTENT_CHARACTERS = 200_000
# Of its parts and its error. In MongoDB's own format it may be six times as large, of 16 MB.
MAX_MESSAGE_BYTES = 500_000
MAX_MESSAGES = 5_000
MAX_PARTS = 500
MAX_TYPE_CHARACTERS = 64
MAX_QUERY_CHARACTERS = 200

LIST_LIMIT, MAX_LIST_LIMIT = 50, 100
MESSAGES_LIMIT, MAX_MESSAGES_LIMIT = 200, 500

# JSON Schema knows no `\Z`; its `$` is the very end already.
ClientId = Annotated[
    str,
    Meta(
        pattern=CLIENT_ID_PATTERN,
        description="1 to 64 letters, digits, hyphens and underscores.",
        extra_json_schema={"pattern": "^[A-Za-z0-9_-]{1,64}$"},
    ),
]
Title = Annotated[str, Meta(max_length=MAX_TITLE_CHARACTERS)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Version = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Moment = Annotated[datetime, Meta(tz=True)]
Part = Annotated[
    dict[str, Any],
    Meta(
        description="A part in the shape of the AI SDK's UI messages. `text` and `reasoning` have"
        " a `text`; other types are kept as they are.",
        extra_json_schema={
            "required": ["type"],
            "properties": {
                "type": {"type": "string", "minLength": 1, "maxLength": MAX_TYPE_CHARACTERS},
                "text": {"type": "string", "maxLength": MAX_CONTENT_CHARACTERS},
            },
        },
    ),
]


class Metadata(Shape):
    """What a conversation has cost. `totalCost` is in USD, null if it is not known."""

    total_tokens: Annotated[int, Meta(ge=0, le=2**53)] | UnsetType = UNSET
    total_cost: Annotated[float, Meta(ge=0, le=1e12)] | UnsetType | None = UNSET
    tools_used: (
        Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=200)] | UnsetType
    ) = UNSET


class Message(Shape):
    """One message. `parentId` names the one before it; another answer is another branch.

    Left out, `parentId` is the message before it in the list, `content` the text of the parts, and
    `parts` one text part of the content.
    """

    id: ClientId
    role: Literal["user", "assistant"]
    content: Annotated[str, Meta(max_length=MAX_CONTENT_CHARACTERS)] | UnsetType = UNSET
    parts: Annotated[list[Part], Meta(max_length=MAX_PARTS)] | UnsetType = UNSET
    parent_id: ClientId | UnsetType | None = UNSET
    model: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    status: Literal["complete", "stopped", "failed", "interrupted"] | UnsetType = UNSET
    error: dict[str, Any] | UnsetType | None = UNSET
    token_count: Count | UnsetType | None = UNSET
    created_at: Moment | UnsetType = UNSET


Messages = Annotated[list[Message], Meta(max_length=MAX_MESSAGES)]


class NewConversation(Shape):
    """Without a title the first question gives one."""

    id: ClientId
    title: Title | UnsetType = UNSET
    messages: Messages = []
    metadata: Metadata = msgspec.field(default_factory=Metadata)


class ConversationChange(Shape):
    """What is named is changed. `messages` takes the place of the whole list.

    `version`, or the header If-Match, says which version is meant. Only a change that adds messages
    or sets the title or the metadata needs none.
    """

    id: ClientId
    title: Title | UnsetType = UNSET
    messages: Messages | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    version: Version | UnsetType = UNSET


class Which(Shape):
    """One conversation by its id."""

    id: ClientId


class WhichMessage(Shape):
    """One message of a conversation, both by their ids."""

    conversation_id: ClientId
    message_id: ClientId


class Listing(Shape):
    """The query of GET: with `id` one conversation, else the list."""

    id: ClientId | UnsetType = UNSET
    cursor: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_MESSAGES_LIMIT)] | UnsetType = UNSET
    q: Annotated[str, Meta(min_length=1, max_length=MAX_QUERY_CHARACTERS)] | UnsetType = UNSET
    deleted: bool = False
    before: ClientId | UnsetType = UNSET
    format: Literal["json", "api"] | UnsetType = UNSET


class Done(Shape):
    """The change is saved. `version` is the one that it made."""

    success: Literal[True]
    id: str
    version: int


class Created(Shape):
    success: Literal[True]
    id: str


class SavedMetadata(Shape):
    total_tokens: int
    total_cost: float | None
    tools_used: list[str]


class SavedMessage(Shape):
    id: str
    parent_id: str | None
    role: Literal["user", "assistant"]
    content: str
    parts: list[Any]
    model: str
    status: Literal["complete", "stopped", "failed", "interrupted"]
    error: dict[str, Any] | None
    token_count: int | None
    created_at: datetime


class Summary(Shape):
    """A conversation without its messages."""

    id: str
    title: str
    metadata: SavedMetadata
    message_count: int
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class Listed(Summary):
    """A conversation of a list. `snippet`, of a search alone, are the words around the first hit in
    a message; it is left out where the title is the hit."""

    snippet: str | UnsetType = UNSET


class SavedConversation(Summary):
    """`messages` are the newest ones, the oldest of them first.

    `nextBefore` is what to pass as `before` for the page before it, null at the beginning.
    """

    messages: list[SavedMessage]
    next_before: str | None


class ConversationList(Shape):
    """`nextCursor` is what to pass as `cursor` for the next page, null at the end."""

    conversations: list[Listed]
    next_cursor: str | None


class WhatToShare(Shape):
    """A conversation, down to the message `messageId`, or to the newest one if it is left out."""

    id: ClientId
    message_id: ClientId | UnsetType = UNSET


class LinkListing(Shape):
    """The query of GET: with `id` the link of one conversation alone."""

    id: ClientId | UnsetType = UNSET
    format: Literal["json", "api"] | UnsetType = UNSET


class SavedLink(Shape):
    """A link to a conversation. `path` is its address on this server.

    It shows the conversation down to `messageId`, as of `sharedAt`. In the trash it opens nothing.
    """

    id: str
    title: str
    path: str
    message_id: str
    is_in_trash: bool
    created_at: datetime
    shared_at: datetime


class LinkList(Shape):
    """The one that was shared last first."""

    links: list[SavedLink]


class StoppedSharing(Shape):
    success: Literal[True]
    id: str
