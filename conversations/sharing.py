"""Links to chats, as their owners make, renew and end them; shared_chats.py is what they open."""

from datetime import datetime

from django.conf import settings
from django.db import IntegrityError

from accounts.models import User
from chatcore import rows, validation, writes
from chatcore.db import in_transaction
from chatcore.errors import Conflict, NotFound
from conversations import saving
from conversations.models import Conversation, Message, SharedLink

OFF = "off"


def share(
    user: User, conversation_id: str, message_id: str | None, now: datetime
) -> tuple[SharedLink, bool]:
    """The link to a chat, and whether it was made by this. One that is there stays as it is.

    It shows the chat down to this message; without one, to the one written last. Raises NotFound,
    Conflict where there is nothing to share or there are too many links, and Invalid.
    """
    _refuse_if_off()

    def work() -> tuple[SharedLink, bool]:
        chat = saving.find(user, conversation_id)
        if (earlier := rows.one(SharedLink, conversation_id=chat.pk)) is not None:
            return earlier, False
        if SharedLink.objects.for_user(user).count() >= SharedLink.MOST_PER_PERSON:
            raise Conflict(
                f"You share {SharedLink.MOST_PER_PERSON} chats, which is the most."
                " Stop sharing one first."
            )
        leaf_id = _leaf(chat, message_id)
        link = SharedLink(conversation=chat, user=user, leaf_id=leaf_id, created_at=now)
        link.shared_at = now
        writes.insert(link)
        return link, True

    try:
        return in_transaction(work)
    except IntegrityError:
        # Shared in another tab at the same moment, or deleted for good.
        return in_transaction(work)


def renew(user: User, conversation_id: str, message_id: str | None, now: datetime) -> SharedLink:
    """The link to a chat, which shows it down to this message from now on.

    Raises NotFound, also if the chat is not shared, and as `share` does.
    """
    _refuse_if_off()

    def work() -> SharedLink:
        chat = saving.find(user, conversation_id)
        leaf_id = _leaf(chat, message_id)
        values = {"leaf_id": leaf_id, "shared_at": now}
        which = {"conversation_id": chat.pk}
        link = None
        if writes.update(SharedLink, which, values=values) is not None:
            link = rows.one(SharedLink, **which)
        if link is None:
            raise NotFound("This chat is not shared. Share it first.")
        return link

    return in_transaction(work)


def stop(user: User, conversation_id: str) -> None:
    """End the link to a chat, in the trash or not. There may be none. Raises NotFound."""
    chat = saving.find(user, conversation_id, deleted=None)
    SharedLink.objects.filter(conversation=chat).delete()


def _refuse_if_off() -> None:
    if settings.SHARING == OFF:
        raise NotFound("Sharing is switched off on this installation.", code="sharing_off")


def _leaf(chat: Conversation, message_id: str | None) -> str:
    """The id of the message to end with."""
    equal = {"conversation_id": chat.pk}
    if message_id is not None:
        if not rows.read(Message, ("id",), equal={**equal, "client_id": message_id}, limit=1):
            raise validation.invalid("messageId", "names no message of this conversation")
        return message_id
    newest = rows.read(Message, ("client_id",), equal=equal, order=(("seq", -1),), limit=1)
    if not newest:
        raise Conflict("There is nothing to share yet.")
    return str(newest[0]["client_id"])
