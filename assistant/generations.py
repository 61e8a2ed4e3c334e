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
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from channels.db import database_sync_to_async

from assistant import engine, turns
from assistant.events import Event, Failed, ReasoningDelta, TextDelta, Usage
from assistant.models import Generation, GenerationStatus
from assistant.providers.base import Prompt, Provider
from chatcore import clock
from chatcore.db import report_away, store_breaker, store_is_away

logger = logging.getLogger("chatcore.generations")

Result = TypeVar("Result")

SAVE_SECONDS = 1.0
REAP_EVERY_SAVES = 5
# While the store is away an answer waits in memory, tried again after 1, 2, 4 ... 30 seconds.
LONGEST_PAUSE_SECONDS = 30.0


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
        """Wait for the provider's last word, save, and then tell the followers."""
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
        self.status = await self._save(status)
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

    async def _save(self, status: GenerationStatus) -> GenerationStatus:
        """Save the answer as it ended. While the store is away this waits for it.

        Returns how it ended for the store: FAILED if it would not take the answer as it was.
        """
        pause, is_refused = SAVE_SECONDS, False
        while True:
            try:
                await database_sync_to_async(turns.finish)(
                    self.progress(), status, error=self.error, usage=self.usage, now=clock.now()
                )
                return status
            except Exception as error:
                if not store_is_away(error):
                    logger.exception("An answer could not be saved")
                    status = GenerationStatus.FAILED
                    self.error = _error("not_saved", "This answer could not be saved whole.")
                    if is_refused:
                        return status
                    # Once more without what it may be about: the text matters most.
                    is_refused, self.usage = True, None
                    continue
                logger.warning(
                    "An answer waits to be saved (%s); next try in %.0f s", _name(error), pause
                )
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


def _name(error: Exception) -> str:
    """The class alone: the driver's own words may hold the address with its password."""
    return type(error).__name__


def _error(
    code: str, message: str, *, retryable: bool = True, retry_after: float | None = None
) -> dict[str, Any]:
    """What is stored and sent of a failure."""
    return {"code": code, "message": message, "retryable": retryable, "retryAfter": retry_after}


class Registry:
    """The running generations of this process, and the one timer that saves them all."""

    def __init__(self) -> None:
        self._running: dict[UUID, RunningGeneration] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.Task[None] | None = None

    def start(self, record: Generation, provider: Provider, prompt: Prompt) -> RunningGeneration:
        generation = RunningGeneration(record, provider, prompt)
        self._running[generation.id] = generation
        self._hold(self._run(generation))
        self.start_timer()
        return generation

    async def to_the_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` returns. It runs to its end even if the caller is cancelled meanwhile."""
        return await asyncio.shield(self._hold(work))

    def _hold(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        # The loop holds its tasks weakly; without this set one could be collected in mid-answer.
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)
        return task

    def _let_go(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        # Whoever waited has the error; if they were cancelled, nobody wants it any more.
        if not task.cancelled():
            task.exception()

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
        ticks = 0
        while True:
            await self._tick(reap=ticks % REAP_EVERY_SAVES == 0)
            await asyncio.sleep(SAVE_SECONDS)
            ticks += 1

    async def _tick(self, *, reap: bool) -> None:
        """Save first: what was saved a moment ago is not found silent."""
        running = [each for each in self._running.values() if each.is_running]
        if not running and not reap:
            return
        try:
            await database_sync_to_async(turns.save_progress)(
                [each.progress() for each in running], clock.now()
            )
            if reap:
                await self._reap()
        except Exception as error:
            if not store_is_away(error):
                logger.exception("Running answers could not be saved or looked after")
                return
            # The answers are in memory, and the next tick tries again.
            report_away(error)
        else:
            store_breaker.answered()

    async def _reap(self) -> None:
        interrupted = await database_sync_to_async(turns.interrupt_silent)(
            clock.now(), ours=list(self._running)
        )
        if interrupted:
            logger.warning("Answers whose process was gone, now interrupted: %d", interrupted)

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
