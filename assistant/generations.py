"""The answers that are being made in this process.

A generation is a task of its own, held by the registry and not by any socket: a tab that closes
ends nothing. What happens is appended to its log (assistant/answer_log.py). With Redis the registry
also lets other processes follow, and follows theirs (assistant/relay.py).
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context
from functools import cache
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings

from accounts.models import User
from analytics import recording
from assistant import catalog, frames, rocketreach_desk, saving, titles, toolkit, turns
from assistant.answer_log import AnswerLog
from assistant.events import Decision, Event
from assistant.models import Generation, GenerationStatus
from assistant.providers.base import Prompt, Provider
from assistant.relay import Relay
from assistant.running import RunningGeneration
from assistant.sockets import sockets
from assistant.tools.toolbox import Toolbox
from chatcore import clock
from chatcore.db import in_thread, report_away, store_breaker, store_is_away
from chatcore.ids import new_id
from conversations.models import Conversation

logger = logging.getLogger("chatcore.generations")

Result = TypeVar("Result")

SAVE_SECONDS = 1.0
# Up to so many are saved together. Of more each has its turn within that time: to save hundreds at
# once would be a gap in all of them.
SAVED_TOGETHER = 20
SAVE_PARTS = 10
REAP_EVERY_SAVES = 5
# From the moment that a question is in the store.
STARTS_WITHIN_SECONDS = 0.5
# How much later another process sees a piece, at most; one round trip for all answers.
PUBLISH_SECONDS = 0.05
# For how long a stream outlives the longest answer: what a killed process wrote is read from it.
STREAM_OUTLIVES_SECONDS = 10 * 60


class Registry:
    """The running generations of this process, and the timers that save and look after them."""

    def __init__(self) -> None:
        self._running: dict[UUID, RunningGeneration] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._titles: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timers: list[asyncio.Task[None]] = []
        self._relay: Relay | None = None
        self._is_closing = False

    @property
    def is_open(self) -> bool:
        return any(not timer.done() for timer in self._timers)

    def open(self) -> None:
        """Begin to save and to reap in the loop that calls, once: what was closed stays closed."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop, self._is_closing = loop, False
        self._timers = [
            asyncio.create_task(self._keep()),
            asyncio.create_task(self._look_after()),
        ]
        if settings.REDIS_URL:
            me = str(new_id())
            lifetime = settings.ANSWER_DEADLINE_SECONDS + STREAM_OUTLIVES_SECONDS
            self._relay = Relay(settings.REDIS_URL, me, self._hear, lifetime=lifetime)
            self._timers.append(asyncio.create_task(self._publish(self._relay)))

    # --- Beginning and stopping -----------------------------------------------------------------
    def begin(self, user: User, question: turns.Question, model: str | None) -> turns.Turn:
        """Save a question and start its answer. Called in a thread; raises TurnRefused.

        The answer has started before this returns: whoever waits for it may go away.
        """
        assert self._loop is not None  # opened by whoever serves
        if self._is_closing:
            raise turns.TurnRefused(
                "restarting", "The server is restarting. Try again in a moment."
            )
        return turns.begin(
            user, question, model, owner=owner(), now=clock.now(), on_saved=self._start_soon
        )

    def _start_soon(self, turn: turns.Turn) -> None:
        assert self._loop is not None  # begun in `begin`
        # In a context of its own: this thread's would be the answer's for as long as it runs.
        self._loop.call_soon_threadsafe(self._start, turn, context=Context())

    def _start(self, turn: turns.Turn) -> None:
        record = turn.generation
        provider = catalog.providers()[record.provider]
        running = self.start(
            record, provider, turn.prompt, turn.begins_with, toolkit.tools_for(turn)
        )
        running.wants_title = titles.wanted(turn)
        frame = frames.begun(turn)
        sockets.tell(str(record.user_id), frame)
        if self._relay is not None:
            self._hold(self._announce(self._relay, record, frame))

    async def _announce(self, relay: Relay, record: Generation, frame: frames.Begun) -> None:
        # The stream first: whoever hears of the answer looks for it.
        if running := self.find(record.pk):
            await relay.publish([running])
        await relay.tell({"user": str(record.user_id), "frame": frame})

    def start(
        self,
        record: Generation,
        provider: Provider,
        prompt: Prompt,
        begins_with: tuple[Event, ...] = (),
        tools: Toolbox | None = None,
    ) -> RunningGeneration:
        generation = RunningGeneration(record, provider, prompt, begins_with, tools)
        self._running[generation.id] = generation
        self._hold(self._run(generation))
        if self._is_closing:
            generation.interrupt()
        return generation

    def _hold(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        # The loop holds its tasks weakly; without this set one could be collected in mid-answer.
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)
        return task

    def _let_go(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("A task of an answer failed", exc_info=error)

    async def _run(self, generation: RunningGeneration) -> None:
        try:
            await generation.run()
        finally:
            del self._running[generation.id]
        self._tell(str(generation.record.user_id), frames.ended(generation.id))
        if self._relay is not None:
            await self._relay.publish([generation])
            await self._relay.publish_end(generation.id, generation.status, generation.error)
        wanted = generation.wants_title
        if wanted and generation.status == GenerationStatus.DONE and not self._is_closing:
            task = self._hold(self._give_title(generation, wanted))
            self._titles.add(task)
            task.add_done_callback(self._titles.discard)

    async def _give_title(self, generation: RunningGeneration, wanted: titles.Wanted) -> None:
        try:
            given = await titles.give(wanted, generation.progress().text)
        except Exception as error:
            if not store_is_away(error):
                raise
            given = None
        if given is not None:
            self._tell(str(given.user_id), frames.changed(given))

    def chat_changed(self, sender: object, *, conversation: Conversation, **_: object) -> None:
        """A receiver of `conversations.signals.changed`, in a thread: pages show it."""
        if self._loop is not None and not self._loop.is_closed():
            user, frame = str(conversation.user_id), frames.changed(conversation)
            self._loop.call_soon_threadsafe(self._tell, user, frame, context=Context())

    def _tell(self, user: str, frame: frames.Ended | frames.Changed) -> None:
        """To all sockets of a person, in whatever process."""
        sockets.tell(user, frame)
        if self._relay is not None:
            self._hold(self._relay.tell({"user": user, "frame": frame}))

    async def stop(self, record: Generation) -> None:
        """Stop an answer, in whatever process it is made; elsewhere it takes up to a second."""
        if running := self.find(record.pk):
            running.stop()
            return
        await in_thread(saving.ask_to_stop, record.pk)
        if self._relay is not None:
            await self._relay.tell({"stop": str(record.pk)})

    async def decide(self, record: Generation, call_id: str, decision: Decision) -> None:
        """What the person says of a tool call, in whatever process its answer is made."""
        if (running := self.find(record.pk)) is None:
            await in_thread(saving.decide, record, call_id, decision)
            if self._relay is not None:
                news = {"decided": str(record.pk), "call": call_id, "decision": decision}
                await self._relay.tell(news)
            return
        self._decide(running, call_id, decision)

    def _decide(self, running: RunningGeneration, call_id: str, decision: Decision) -> None:
        name = running.decide(call_id, decision)
        if name is not None and decision == "chat":
            self._hold(in_thread(saving.allow_in_chat, running.record.conversation_id, name))

    def _hear(self, news: dict[str, Any]) -> None:
        if (key := news.get("stop")) and (running := self.find(UUID(key))):
            running.stop()
        elif (key := news.get("decided")) and (running := self.find(UUID(key))):
            self._decide(running, news["call"], news["decision"])
        elif "frame" in news:
            sockets.tell(news["user"], news["frame"])

    # --- Following ------------------------------------------------------------------------------
    def find(self, generation_id: UUID) -> RunningGeneration | None:
        """The generation, if it runs in this process."""
        return self._running.get(generation_id)

    async def log_of(self, record: Generation) -> AnswerLog | None:
        """The log of an answer that runs, here or where Redis reaches; None if there is none."""
        if running := self.find(record.pk) or await self._about_to_start(record):
            return running
        if self._relay is None or record.status != GenerationStatus.RUNNING:
            return None
        return await self._relay.follow(record.pk)

    async def _about_to_start(self, record: Generation) -> RunningGeneration | None:
        """One of this process that is in the store already, and on its way into this loop."""
        if record.status != GenerationStatus.RUNNING or record.owner != owner():
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(STARTS_WITHIN_SECONDS):
                while (running := self.find(record.pk)) is None:  # noqa: ASYNC110  no event here
                    await asyncio.sleep(STARTS_WITHIN_SECONDS / 50)
                return running
        return None

    # --- Looking after --------------------------------------------------------------------------
    async def _publish(self, relay: Relay) -> None:
        while True:
            try:
                await relay.publish(self._running.values())
            except Exception:
                logger.exception("Running answers could not be shown to other processes")
            await asyncio.sleep(PUBLISH_SECONDS)

    async def _keep(self) -> None:
        next_at = time.monotonic()
        for tick in count():
            await self._try(self._save(tick % SAVE_PARTS))
            if tick % SAVE_PARTS == 0:
                await self._try(self._hear_of_the_store())
            # A store that was slow is not asked faster for it.
            next_at = max(next_at + SAVE_SECONDS / SAVE_PARTS, time.monotonic())
            await asyncio.sleep(next_at - time.monotonic())

    async def _look_after(self) -> None:
        """What a killed process or a bad day has left behind. That may take long on a busy store,
        while the hearts of what runs here have to beat: a timer of its own."""
        while True:
            await self._try(self._reap())
            await self._try(in_thread(recording.drain_spool, saving.recount))
            # Behind the spool, which may have what one of them really used.
            await self._try(in_thread(titles.charge_the_abandoned, clock.now()))
            await asyncio.sleep(REAP_EVERY_SAVES * SAVE_SECONDS)

    async def _try(self, work: Coroutine[Any, Any, bool]) -> None:
        """`work` tells whether it asked the store."""
        try:
            if await work:
                store_breaker.answered()
        except Exception as error:
            if not store_is_away(error):
                logger.exception("Running answers could not be saved or looked after")
                return
            # The answers are in memory, and are saved at their next turn.
            report_away(error)

    async def _save(self, part: int) -> bool:
        running = [each for each in self._running.values() if each.is_running]
        # The last bits of an id are random.
        parts = SAVE_PARTS if len(running) > SAVED_TOGETHER else 1
        due = [each for each in running if each.id.int % parts == part]
        if due:
            await in_thread(saving.save_progress, [each.progress() for each in due], clock.now())
        return bool(due)

    async def _hear_of_the_store(self) -> bool:
        running = {key: each for key, each in self._running.items() if each.is_running}
        if running:
            for key in await in_thread(saving.asked_to_stop, set(running)):
                running[key].stop()
        if asking := {key for key, each in running.items() if each.tools and each.tools.is_waiting}:
            for key, decisions in (await in_thread(saving.decisions_on, asking)).items():
                for call_id, decision in decisions.items():
                    self._decide(running[key], call_id, decision)
        return bool(running)

    async def _reap(self) -> bool:
        if silent := await in_thread(saving.silent, clock.now(), ours=set(self._running)):
            await self._interrupt(silent)
        await self._look_at_the_quiet()
        return True

    async def _interrupt(self, silent: set[UUID]) -> None:
        replays = {}
        if self._relay is not None:
            found = [await self._relay.replay(key) for key in silent]
            replays = {log.id: log.progress() for log in found if log is not None}
        interrupted = await in_thread(saving.interrupt, silent, clock.now(), replays=replays)
        if interrupted:
            logger.warning("Answers whose process was gone, now interrupted: %d", len(interrupted))
            for key, user in (await in_thread(saving.people_of, interrupted)).items():
                self._tell(str(user), frames.ended(key))
        if self._relay is not None:
            for key in interrupted:
                await self._relay.publish_end(key, GenerationStatus.INTERRUPTED, None)

    async def _look_at_the_quiet(self) -> None:
        """The end of another process's answer may have been lost on its way."""
        logs = {log.id: log for log in self._relay.quiet()} if self._relay else {}
        if logs:
            for key, (status, error) in (await in_thread(saving.ended, set(logs))).items():
                logs[key].end(status, error)

    async def close(self) -> None:
        """Begin nothing more, end what runs, and save it as interrupted."""
        self._is_closing = True
        for generation in list(self._running.values()):
            generation.interrupt()
        for title in list(self._titles):
            title.cancel()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)
        if self._relay is not None:
            await self._relay.close()
            self._relay = None
        await rocketreach_desk.close()


registry = Registry()


@cache
def owner() -> str:
    """This process by name, for whoever looks into the store."""
    return f"{socket.gethostname()}:{os.getpid()}"
