"""Chats that were found, put into the store: each in a transaction of its own, none twice."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, cast

from django.db import IntegrityError

from accounts.models import User
from chatcore import rows, writes
from chatcore.db import in_transaction, store_is_away
from chatcore.rows import Row
from conversations import pages, signals
from conversations.importing import chatgpt, own, prompts
from conversations.importing.chats import FoundChat, Unusable, is_client_id, title_of
from conversations.importing.files import Budget, Source, opened
from conversations.importing.json_chats import CHAT_BYTES, Damaged, Kind, TooLargeChat
from conversations.importing.report import ImportReport, SkippedChat
from conversations.models import Conversation, Message

MOST_NAMED = 100
_BATCH = 500

logger = logging.getLogger("chatcore.imports")


class _Gone(Exception):
    """The person was deleted or deactivated meanwhile."""


class Import:
    """One import of a person's. `report` says at any moment what has come of it so far.

    What was imported stays, however it ends: the same files again bring what is missing.
    """

    def __init__(
        self, user: User, sources: Sequence[Source], budget: Budget, now: datetime
    ) -> None:
        self.report = ImportReport()
        self._user, self._sources, self._budget, self._now = user, sources, budget, now
        self._newest: Conversation | None = None
        self._has_complained = False

    def run(self, beat: Callable[[], None]) -> ImportReport:
        """`beat` is called between two chats. Raises nothing: the report has what went wrong."""
        try:
            for source in self._sources:
                self._read(source, beat)
        except _Gone:
            self.report.problem = "The account is not active any more."
        except Exception as error:
            if store_is_away(error):
                logger.warning("An import ended early (%s)", type(error).__name__)
                self.report.problem = "The database could not be reached any more."
            else:
                logger.exception("An import ended early")
                self.report.problem = "Something went wrong here, and is in the server's log."
        if self._newest is not None:
            # One hint for all of them: other tabs see that there is something new.
            signals.changed.send_robust(Conversation, conversation=self._newest)
        return self.report

    def _read(self, source: Source, beat: Callable[[], None]) -> None:
        try:
            with opened(source, self._budget) as document:
                if document.prompts:
                    check = partial(_check_person, self._user)
                    prompts.take(self._user, document.prompts, self.report, check)
                for chat in document.chats():
                    self._take(source.kind, chat)
                    beat()
        except Damaged as error:
            self.report.problem = f"A file could not be read to its end: {error}."

    def _take(self, kind: Kind, chat: Any) -> None:
        if chat is None:  # in our own export, what was deleted while it was made
            return
        try:
            # Before it is put into shape, which is most of the work.
            if (there := self._found(kind, chat)) is not None:
                self.report.already_there += 1
                self.report.already_in_trash += there["deleted_at"] is not None
            else:
                self._keep(self._convert(kind, chat))
        except Unusable as error:
            self._skip(chat, str(error))
        except Exception as error:
            if store_is_away(error) or isinstance(error, _Gone):
                raise
            if not self._has_complained:  # once: it may be every chat
                logger.exception("A chat could not be imported")
                self._has_complained = True
            self._skip(chat, "It could not be imported. The server's log says why.")

    def _found(self, kind: Kind, chat: Any) -> Row | None:
        """What is there, changed as it may be. None also for what has no id that can be told."""
        if not isinstance(chat, dict):
            return None
        name = chatgpt.id_of(chat, self._user.pk) if kind == "chatgpt" else chat.get("id")
        return _find(self._user, cast(str, name)) if is_client_id(name) else None

    def _convert(self, kind: Kind, chat: Any) -> FoundChat:
        if isinstance(chat, TooLargeChat):
            raise Unusable(f"It is larger than {CHAT_BYTES // 2**20} MB.")
        if kind == "chatgpt":
            return chatgpt.convert(chat, self._user.pk, self._now)
        return own.convert(chat, self._now)

    def _keep(self, found: FoundChat) -> None:
        conversation = keep(self._user, found, self._now)
        if conversation is None:
            self.report.already_there += 1
            return
        self.report.imported += 1
        self.report.messages += len(found.messages)
        self.report.shortened_messages += found.shortened
        self.report.in_trash += found.is_deleted
        if not found.is_deleted and (
            self._newest is None or self._newest.updated_at < conversation.updated_at
        ):
            self._newest = conversation

    def _skip(self, chat: Any, reason: str) -> None:
        self.report.skipped += 1
        if len(self.report.skipped_chats) < MOST_NAMED:
            title = chat.get("title") if isinstance(chat, dict) else getattr(chat, "title", "")
            self.report.skipped_chats.append(SkippedChat(title_of(title), reason))


def _find(user: User, client_id: str) -> Row | None:
    """In the trash as well."""
    return pages.find(user.pk, client_id, ("id", "deleted_at"))


def keep(user: User, found: FoundChat, now: datetime) -> Conversation | None:
    """The new chat; None if another import, or a program, has made it at this moment.

    Nothing is announced: what was written elsewhere, at other times, is no activity of this
    installation, and reports count none of it.
    """
    conversation = Conversation(
        client_id=found.client_id,
        user=user,
        organization_id=user.organization_id,
        title=found.title,
        metadata={"toolsUsed": found.tools_used} if found.tools_used else {},
        message_count=len(found.messages),
        created_at=found.created_at,
        updated_at=found.updated_at,
        # From now on it stays there as long as anything else does.
        deleted_at=now if found.is_deleted else None,
    )
    messages = _rows(conversation, found.messages)
    try:
        in_transaction(partial(_insert, conversation, messages))
    except IntegrityError:
        if _find(user, found.client_id) is None:
            raise
        return None
    return conversation


def _rows(conversation: Conversation, messages: Sequence[Message]) -> list[dict[str, Any]]:
    for seq, each in enumerate(messages, start=1):
        each.conversation, each.seq = conversation, seq
    return [writes.values_of(each) for each in messages]


def _check_person(user: User) -> None:
    # MongoDB would keep chats of somebody who is not there any more, and nobody would find them.
    if not rows.read(User, ("id",), equal={"id": user.pk, "is_active": True}, limit=1):
        raise _Gone


def _insert(conversation: Conversation, messages: Sequence[dict[str, Any]]) -> None:
    _check_person(conversation.user)
    conversation.save(force_insert=True)
    for begin in range(0, len(messages), _BATCH):
        writes.insert_each(Message, messages[begin : begin + _BATCH])
