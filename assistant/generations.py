"""The answers that are being made in this process.

A generation is a task of its own, held by the registry and not by any socket: a tab that closes
ends nothing. What happens is appended to the generation's log, whose length is the sequence number.
A follower is a position in that log, so it can neither miss an event nor see one twice, and a slow
one costs no memory: it finds more to read the next time it looks.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import cache
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import DatabaseError, DataError, IntegrityError, NotSupportedError

from assistant import engine, turns
from assistant.events import Event, Failed, ReasoningDelta, TextDelta, Usage
from assistant.models import Generation, GenerationStatus
from assistant.providers.base import Prompt, Provider
from chatcore import clock

logger = logging.getLogger("chatcore.generations")

SAVE_SECONDS = 1.0
REAP_EVERY_SAVES = 5
# While the store is away an answer waits in memory, tried again after 1, 2, 4 ... 30 seconds.
LONGEST_PAUSE_SECONDS = 30.0
# What a store says for good: the same again would be refused again.
HOPELESS = (DataError, IntegrityError, NotSupportedError)


class RunningGeneration:
    """One answer in the making: its log of events, and whoever waits for the next one."""

    def __init__(self, record: Generation, provider: Provider, prompt: Prompt) -> None:
        self.record = record
        self.log: list[Event] = []
        self.status = GenerationStatus.RUNNING
        self.error: dict[str, Any] | None = None
        self.usage: Usage | None = None
        self._provider = provider
        self._prompt = prompt
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._stop_asked = False
        self._news: set[asyncio.Event] = set()
        self._reader = asyncio.create_task(self._read())

    @property
    def id(self) -> UUID:
        return self.record.pk

    @property
    def seq(self) -> int:
        return len(self.log)

    @property
    def is_running(self) -> bool:
        return self.status == GenerationStatus.RUNNING

    def progress(self) -> turns.Progress:
        return turns.Progress(self.id, self.seq, "".join(self._text), "".join(self._reasoning))

    async def run(self) -> None:
        """Wait for the provider's last word, save, and then tell the followers. Never raises."""
        try:
            await self._reader
            status = GenerationStatus.FAILED if self.error else GenerationStatus.DONE
        except asyncio.CancelledError:
            # Somebody asked to stop, or this process is going down; what was written stays.
            status = GenerationStatus.STOPPED if self._stop_asked else GenerationStatus.INTERRUPTED
        except Exception:
            logger.exception("A generation failed")
            status = GenerationStatus.FAILED
            self.error = _error("internal", "Something went wrong here. Try again.")
        if not await self._save(status):
            status = GenerationStatus.FAILED
            self.error = _error("not_saved", "This answer could not be saved. Copy what you need.")
        self.status = status
        self._tell()

    def stop(self) -> None:
        """Close the provider's connection at once and keep what was written."""
        self._stop_asked = True
        self.interrupt()

    def interrupt(self) -> None:
        """End it without anybody having asked: this process is going down."""
        self._reader.cancel()

    async def _read(self) -> None:
        async for event in engine.run(self._provider, self._prompt):
            match event:
                case TextDelta(text=text):
                    self._text.append(text)
                case ReasoningDelta(text=text):
                    self._reasoning.append(text)
                case Usage():
                    self.usage = event
                case Failed():
                    self.error = _error(
                        event.code,
                        event.message,
                        retryable=event.retryable,
                        retry_after=event.retry_after,
                    )
            self.log.append(event)
            self._tell()

    async def _save(self, status: GenerationStatus) -> bool:
        """Whether the answer is in the store. While the store is away this waits for it."""
        pause = SAVE_SECONDS
        while True:
            try:
                await database_sync_to_async(turns.finish)(
                    self.progress(), status, error=self.error, usage=self.usage, now=clock.now()
                )
                return True
            except Exception as error:
                if not isinstance(error, DatabaseError) or isinstance(error, HOPELESS):
                    logger.exception("An answer could not be saved")
                    return False
                # The store is away; the answer waits here. The class is enough to say so.
                name = type(error).__name__
                logger.warning("An answer waits to be saved (%s); next try in %.0f s", name, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _tell(self) -> None:
        for news in self._news:
            news.set()

    async def follow(self, after: int) -> AsyncIterator[list[Event]]:
        """The events behind position `after`, in batches as they come; ends with the generation."""
        news = asyncio.Event()
        self._news.add(news)
        try:
            while True:
                news.clear()
                # Before the log: what is appended after this look sets `news` again.
                is_running = self.is_running
                if batch := self.log[after:]:
                    after += len(batch)
                    yield batch
                elif not is_running:
                    return
                else:
                    await news.wait()
        finally:
            self._news.discard(news)


def _error(
    code: str, message: str, *, retryable: bool = True, retry_after: float | None = None
) -> dict[str, Any]:
    """What is stored and sent of a failure."""
    return {"code": code, "message": message, "retryable": retryable, "retryAfter": retry_after}


class Registry:
    """The running generations of this process, and the one timer that saves them all."""

    def __init__(self) -> None:
        self._running: dict[UUID, RunningGeneration] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Task[None] | None = None
        self._store_is_away = False

    def start(self, record: Generation, provider: Provider, prompt: Prompt) -> RunningGeneration:
        generation = RunningGeneration(record, provider, prompt)
        self._running[generation.id] = generation
        # The loop holds its tasks weakly; without this set one could be collected in mid-answer.
        task = asyncio.create_task(self._run(generation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.start_timer()
        return generation

    async def _run(self, generation: RunningGeneration) -> None:
        try:
            await generation.run()
        finally:
            del self._running[generation.id]

    def find(self, generation_id: UUID) -> RunningGeneration | None:
        """The generation, if it runs in this process."""
        return self._running.get(generation_id)

    def start_timer(self) -> None:
        """Begin to save and to reap, once for each process."""
        if self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        saves = 0
        while True:
            if saves % REAP_EVERY_SAVES == 0:
                await self._quietly(self._reap)
            await asyncio.sleep(SAVE_SECONDS)
            await self._quietly(self._save_all)
            saves += 1

    async def _quietly(self, work: Callable[[], Any]) -> None:
        try:
            await work()
        except Exception as error:
            # The answers are in memory, and the next tick tries again: one line is enough.
            if not self._store_is_away:
                logger.warning("The store is away (%s); answers are kept in memory", error)
            self._store_is_away = True
        else:
            if self._store_is_away:
                logger.warning("The store is back")
            self._store_is_away = False

    async def _save_all(self) -> None:
        if progress := [each.progress() for each in self._running.values() if each.is_running]:
            await database_sync_to_async(turns.save_progress)(progress, clock.now())

    async def _reap(self) -> None:
        if interrupted := await database_sync_to_async(turns.interrupt_silent)(clock.now()):
            logger.warning("%d answers had lost their process and were interrupted", interrupted)

    async def close(self) -> None:
        """Stop the timer and end what runs, saving it as interrupted."""
        if self._timer is not None:
            self._timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._timer
            self._timer = None
        for generation in list(self._running.values()):
            generation.interrupt()
        await asyncio.gather(*self._tasks, return_exceptions=True)


registry = Registry()


@cache
def owner() -> str:
    """This process by name, for whoever looks into the store."""
    return f"{socket.gethostname()}:{os.getpid()}"
