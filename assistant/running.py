"""One answer in the making: it reads its provider, notes its calls, and saves how it ended."""

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from django.conf import settings

from analytics.budgets import BudgetExceeded
from analytics.entries import UsageEntry
from assistant import engine, saving, titles, turns
from assistant.answer_log import AnswerLog
from assistant.engine import DELTAS
from assistant.events import CallBegan, CallEnded, Decision, Event, Failed, ToolCall, Usage
from assistant.metering import CallState, Meter, Outcome
from assistant.models import Generation, GenerationStatus
from assistant.providers.base import Prompt, Provider
from assistant.providers.errors import AnswerTooSlow
from assistant.relay import NO_STREAM
from assistant.saving import Progress
from assistant.services import services
from assistant.tools.toolbox import Toolbox
from chatcore import clock
from chatcore.db import in_thread, is_write_conflict, store_is_away

logger = logging.getLogger("chatcore.generations")

# While the store is away an answer waits in memory, tried again after 1, 2, 4 ... 30 seconds.
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


class RunningGeneration(AnswerLog):
    """One answer in the making."""

    def __init__(
        self,
        record: Generation,
        provider: Provider,
        prompt: Prompt,
        begins_with: tuple[Event, ...] = (),
        tools: Toolbox | None = None,
    ) -> None:
        super().__init__(record.pk)
        self.record = record
        self.tools = tools
        # How much of the log stands in Redis; the relay's.
        self.published = NO_STREAM
        # Of a chat whose title is to be made when this is there; the registry's.
        self.wants_title: titles.Wanted | None = None
        self._provider = provider
        self._prompt = prompt
        self._failure: dict[str, Any] | None = None
        self._stop_asked = False
        self.add(begins_with)
        self._payer = turns.payer_of(record)
        began = CallState(1, record.created_at, prompt.characters, self.written)
        self._meter = Meter(self._payer, began)
        # Calls that are over and not in the ledger yet.
        self._unrecorded: list[UsageEntry] = []
        self._reader = asyncio.create_task(self._read())

    async def run(self) -> None:
        """Wait for the provider's last word, save, and then tell the followers."""
        try:
            await self._reader
            status = GenerationStatus.FAILED if self._failure else GenerationStatus.DONE
        except asyncio.CancelledError:
            # Somebody asked to stop, or this process is going down; what was written stays.
            status = GenerationStatus.STOPPED if self._stop_asked else GenerationStatus.INTERRUPTED
        except Exception:
            logger.exception("A generation failed")
            status = GenerationStatus.FAILED
            self._failure = _error("internal", "Something went wrong here. Try again.")
        self._end_call(status)
        self.end(await self._save(status), self._failure)

    def progress(self) -> Progress:
        return replace(super().progress(), call=self._meter.state)

    def stop(self) -> None:
        """Close the provider's connection at once and keep what was written."""
        self._stop_asked = True
        self.interrupt()

    def decide(self, call_id: str, decision: Decision) -> str | None:
        """What the person says of a tool call; the tool's name, None if nobody waits for it."""
        return self.tools.decide(call_id, decision) if self.tools else None

    def interrupt(self) -> None:
        """End it without anybody having asked: this process is going down."""
        self._reader.cancel()

    async def _read(self) -> None:
        try:
            # Around the reader, whose every wait is for the engine: nothing at each piece.
            async with (
                asyncio.timeout(settings.ANSWER_DEADLINE_SECONDS),
                aclosing(engine.run(self._provider, self._prompt, self.tools)) as events,
            ):
                async for event in events:
                    if isinstance(event, DELTAS):
                        if self._meter.hear_piece():
                            services.answered(self._provider)
                        self.add((event,))
                    elif isinstance(event, CallBegan | CallEnded):
                        await self._between_calls(event)
                    else:
                        self._take(event)
        except TimeoutError:
            logger.warning("%s: an answer was not at its end in time", self._provider.label)
            self._take(engine.failed(AnswerTooSlow(self._provider.label)))
        except BudgetExceeded as error:
            self._take(Failed(turns.BUDGET_EXCEEDED, str(error), retryable=False))

    def _take(self, event: Event) -> None:
        match event:
            case Usage():
                event = self._meter.count(event)
            case Failed():
                self._note_failure(event.code)
                self._failure = _error(
                    event.code,
                    event.message,
                    retryable=event.retryable,
                    retry_after=event.retry_after,
                )
            case ToolCall():
                if self._meter.hear_piece():
                    services.answered(self._provider)
        self.add((event,))

    def _note_failure(self, code: str) -> None:
        if not self._meter.has_heard:
            services.failed(self._provider, code, clock.now())

    def _whole(self, *, is_refused: bool) -> Progress:
        """What is to be saved; without what others wrote, if the store would not take it."""
        progress = self.progress()
        return replace(progress, tools=()) if is_refused else progress

    # --- The calls of the provider --------------------------------------------------------------
    async def _between_calls(self, event: CallBegan | CallEnded) -> None:
        """Record what is over, and hold back what is next. The first call began with the turn."""
        try:
            if isinstance(event, CallEnded):
                self._note_failure(event.error)
                outcome: Outcome = "failed" if event.error else "done"
                entry = self._meter.end(outcome, event.error, self.written)
                assert entry is not None  # it was running
                # Should the process die or the answer be stopped here, it is recorded once more.
                self._unrecorded.append(entry)
                await in_thread(saving.end_call, entry, self._meter.state)
                self._unrecorded.remove(entry)
            elif event.step == 1:
                # With what the tools take of it.
                self._meter.state.prompt_characters = event.prompt_characters
            else:
                now = clock.now()
                began = CallState(event.step, now, event.prompt_characters, self.written)
                await in_thread(saving.begin_call, self._payer, began, now)
                self._meter.begin(began)
        except Exception as error:
            if isinstance(error, BudgetExceeded) or not store_is_away(error):
                raise
            logger.warning("A call could not be noted (%s); the answer goes on", _name(error))
            if isinstance(event, CallBegan):
                self._meter.begin(began)

    def _end_call(self, status: GenerationStatus) -> None:
        code = self._failure["code"] if self._failure else ""
        if entry := self._meter.end(_OUTCOMES[status], code, self.written):
            self._unrecorded.append(entry)

    async def _save(self, status: GenerationStatus) -> GenerationStatus:
        """Save the answer as it ended. While the store is away this waits for it.

        Returns how it ended for the store: FAILED if it would not take the answer as it was.
        """
        pause, is_refused = SHORTEST_PAUSE_SECONDS, False
        while True:
            try:
                await in_thread(
                    saving.finish,
                    self._whole(is_refused=is_refused),
                    status,
                    error=self._failure,
                    calls=self._unrecorded,
                    now=clock.now(),
                )
                return status
            except Exception as error:
                # A conflict that outlasts all attempts is no refusal: a process that was killed in
                # a transaction holds what it wrote there for up to a minute.
                if not (store_is_away(error) or is_write_conflict(error)):
                    logger.exception("An answer could not be saved")
                    status = GenerationStatus.FAILED
                    self._failure = _error("not_saved", "This answer could not be saved whole.")
                    if is_refused:
                        return status
                    # Once more without what it may be about: the text matters most.
                    is_refused = True
                    continue
                logger.warning(
                    "An answer waits to be saved (%s); next try in %.0f s", _name(error), pause
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


_OUTCOMES: dict[GenerationStatus, Outcome] = {
    GenerationStatus.DONE: "done",
    GenerationStatus.STOPPED: "stopped",
    GenerationStatus.FAILED: "failed",
    GenerationStatus.INTERRUPTED: "interrupted",
}


def _name(error: Exception) -> str:
    """The class alone: the driver's own words may hold the address with its password."""
    return type(error).__name__


def _error(
    code: str, message: str, *, retryable: bool = True, retry_after: float | None = None
) -> dict[str, Any]:
    """What is stored and sent of a failure."""
    return {"code": code, "message": message, "retryable": retryable, "retryAfter": retry_after}
