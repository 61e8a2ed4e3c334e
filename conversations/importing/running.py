"""Imports that run: in a thread of their own, one at a time for each person and in each process.

They take the time of the interpreter that pages and streams need as well, so that several at once
would be no sooner ready and slow everybody. Whoever asked may leave: what was begun goes on.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connections

from accounts.models import User
from chatcore import errors
from conversations.importing.files import RECOGNISED_BYTES, Budget, budget_of, recognise
from conversations.importing.keeping import Import
from conversations.importing.report import ImportReport

# Should a process be killed in the middle, its person may import again after this.
LOCK_SECONDS = 60
BEAT_SECONDS = 10.0
# Each holds its files on the disk.
MOST_WAITING = 10
# Below what proxies wait for something to come.
SIGN_OF_LIFE_SECONDS = 10.0

_turn = threading.Lock()
_waiting = threading.BoundedSemaphore(MOST_WAITING)


def lock_key(user_id: UUID) -> str:
    """There while an import of this person's runs or waits, in whatever process."""
    return f"import:{user_id}"


def begin(user: User, files: Sequence[BinaryIO], now: datetime) -> "Future[ImportReport]":
    """Start an import; the files are closed when it ends, or cannot begin.

    Raises Invalid for files without chats, TooLarge, Conflict while another one runs, and
    Unavailable.
    """
    with ExitStack() as stack:
        for file in files:
            stack.callback(file.close)
        budget = budget_of(files, settings.IMPORT_MAX_MB * 1024 * 1024)
        # Before anything is read: the files of one person keep one thread busy at most.
        if not cache.add(lock_key(user.pk), 1, LOCK_SECONDS):
            raise errors.Conflict(
                "An import of yours is still running. Wait until it has ended.",
                code="import_running",
            )
        stack.callback(cache.delete, lock_key(user.pk))
        sources = recognise(files, Budget(RECOGNISED_BYTES))
        if not _waiting.acquire(blocking=False):
            raise errors.Unavailable(
                "Many people are importing. Try again in a minute.", headers={"Retry-After": "60"}
            )
        stack.callback(_waiting.release)
        work = Import(user, sources, budget, now)
        future: Future[ImportReport] = Future()
        future.set_running_or_notify_cancel()
        held = stack.pop_all()
        heart = _Heart(lock_key(user.pk))
        # A server that stops does not wait for it: a chat is whole or not there.
        thread = threading.Thread(
            target=_run, args=(work, heart, held, future), name="import", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            held.close()
            raise
    return future


class _Heart:
    """Keeps the lock while the import is alive."""

    def __init__(self, key: str) -> None:
        self._key, self._next = key, time.monotonic() + BEAT_SECONDS

    def beat(self) -> None:
        if time.monotonic() >= self._next:
            cache.set(self._key, 1, LOCK_SECONDS)
            self._next = time.monotonic() + BEAT_SECONDS


def _run(work: Import, heart: _Heart, stack: ExitStack, future: "Future[ImportReport]") -> None:
    try:
        with stack:
            while not _turn.acquire(timeout=BEAT_SECONDS):
                heart.beat()
            try:
                report = work.run(heart.beat)
            finally:
                _turn.release()
                connections.close_all()
    except BaseException as error:
        future.set_exception(error)
    else:
        # Behind the lock: whoever reads the report may import again.
        future.set_result(report)


async def ended(future: "Future[ImportReport]") -> AsyncIterator[ImportReport | None]:
    """None now and then as a sign of life, and at last the report."""
    waiting = asyncio.wrap_future(future)
    while not waiting.done():
        await asyncio.wait([waiting], timeout=SIGN_OF_LIFE_SECONDS)
        if not waiting.done():
            yield None
    yield waiting.result()
