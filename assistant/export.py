"""All that is kept of a person, as one JSON document (docs/export.md)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models

from accounts.models import User
from analytics.models import ActivityRecord, UsageRecord
from chatcore import rows
from chatcore.rest import encode
from conversations import exporting
from conversations.models import SharedLink
from prompts.models import Prompt

ROWS = 500

_USAGE = tuple(
    field.attname
    for field in UsageRecord._meta.concrete_fields
    if field.attname not in ("user_id", "organization_id")
)
_PROMPT = ("id", "name", "text", "created_at", "updated_at")
_ACTIVITY = ("chats", "messages", "created_at")


def everything(user: User, now: datetime) -> Iterator[bytes]:
    return exporting.document(
        now,
        [
            exporting.member("profile", _profile(user)),
            exporting.member(
                "preferences", {"theme": user.theme, "defaultModel": user.default_model}
            ),
            exporting.member("prompts", _prompts(user)),
            exporting.array("conversations", exporting.chats(user.pk)),
            exporting.member("sharedLinks", _links(user)),
            exporting.array("usage", _pages(UsageRecord, _USAGE, user.pk)),
            exporting.array("activity", _pages(ActivityRecord, _ACTIVITY, user.pk)),
        ],
    )


def _profile(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "organization": user.organization.name,
        "role": str(user.role),
        "createdAt": user.created_at,
        "lastLogin": user.last_login,
    }


def _prompts(user: User) -> list[dict[str, Any]]:
    """The person's own, the oldest first, so few that they are read at once. Those of the
    organisation are not theirs, whoever wrote them."""
    own = Prompt.objects.own(user).order_by("created_at", "id")
    return [_named(row) for row in own.values(*_PROMPT)]


def _links(user: User) -> list[dict[str, Any]]:
    """Which chats are shared, without the tokens: a file is more easily lost than a page."""
    return [
        {
            "id": link.conversation.client_id,
            "messageId": link.leaf_id,
            "createdAt": link.created_at,
            "sharedAt": link.shared_at,
        }
        for link in SharedLink.objects.for_user(user).with_chats()
    ]


def _pages(
    model: type[models.Model], fields: tuple[str, ...], user_id: UUID
) -> Iterator[tuple[bytes]]:
    """A person's rows, newest first, a page of them as one piece.

    The index knows the moments alone, so a page ends between two of them: the last moment of a full
    one is read again, whole, with the next.
    """
    after: tuple[datetime] | None = None
    while page := _page(model, fields, user_id, after, ROWS):
        yield (encode([_named(row) for row in page])[1:-1],)
        after = (page[-1]["created_at"],)


def _page(
    model: type[models.Model],
    fields: tuple[str, ...],
    user_id: UUID,
    after: tuple[datetime] | None,
    limit: int,
) -> list[rows.Row]:
    equal, order = {"user_id": user_id}, (("created_at", -1),)
    found = rows.read(model, fields, equal=equal, order=order, after=after, limit=limit)  # type: ignore[arg-type]
    if len(found) < limit:
        return found
    last = found[-1]["created_at"]
    whole = [row for row in found if row["created_at"] != last]
    # So many of one millisecond: all of them together.
    return whole or _page(model, fields, user_id, after, 2 * limit)


def _named(row: rows.Row) -> dict[str, Any]:
    """With the names of the API."""
    return {_camel(name): value for name, value in row.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)
