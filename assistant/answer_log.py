"""The events of one answer so far, and whoever waits for the next one.

The length of the log is the sequence number. A follower is a position in the log, so it can neither
miss an event nor see one twice, and a slow one costs no memory: it finds more to read the next time
it looks.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from assistant import tool_uses
from assistant.events import Event, ReasoningDelta, TextDelta
from assistant.models import GenerationStatus
from assistant.saving import Progress
from assistant.tool_uses import ToolUse


class AnswerLog:
    """Of an answer that is made here, or of another process's as far as it was heard of."""

    def __init__(self, generation_id: UUID) -> None:
        self.id = generation_id
        self.events: list[Event] = []
        self.status: str = GenerationStatus.RUNNING
        self.error: dict[str, Any] | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._tools: dict[str, ToolUse] = {}
        self._is_cut_off = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._followers = 0

    @property
    def seq(self) -> int:
        return len(self.events)

    @property
    def is_running(self) -> bool:
        return self.status == GenerationStatus.RUNNING

    @property
    def is_followed(self) -> bool:
        return self._followers > 0

    def progress(self) -> Progress:
        # Joined once: the next time only what came since is to be added.
        self._text[:] = ["".join(self._text)]
        self._reasoning[:] = ["".join(self._reasoning)]
        tools = tuple(self._tools.values())
        return Progress(self.id, self.seq, self._text[0], self._reasoning[0], tools)

    @property
    def written(self) -> int:
        """How many characters the model has written: text, reasoning, arguments of tools."""
        arguments = sum(len(use.arguments) for use in self._tools.values())
        return sum(map(len, self._text)) + sum(map(len, self._reasoning)) + arguments

    def add(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TextDelta):
                self._text.append(event.text)
            elif isinstance(event, ReasoningDelta):
                self._reasoning.append(event.text)
            elif isinstance(event, tool_uses.EVENTS):
                tool_uses.note(self._tools, event, sum(map(len, self._text)))
        self.events.extend(events)
        self._tell()

    def end(self, status: str, error: dict[str, Any] | None) -> None:
        """No more will come."""
        self.status, self.error = status, error
        self._tell()

    def cut_off(self) -> None:
        """No more can be heard of it here, though it may be running still: let the followers go."""
        self._is_cut_off = True
        self._tell()

    def _tell(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def follow(self, after: int, *, spacing: float = 0.0) -> AsyncIterator[list[Event]]:
        """The events behind position `after`, in batches as they come.

        The first one at once, and then one in `spacing` seconds; a batch that was late does not
        delay the next one. Ends with the answer; or, while it `is_running` still, where this
        process is cut off from it.
        """
        loop = asyncio.get_running_loop()
        self._followers += 1
        waiter = loop.create_future()
        next_at = 0.0
        try:
            while True:
                is_over = self._is_cut_off or not self.is_running
                if self.seq > after:
                    if (early := next_at - time.monotonic()) > 0 and not is_over:
                        await asyncio.sleep(early)
                    batch = self.events[after:]
                    next_at = max(next_at, time.monotonic() - spacing) + spacing
                    after += len(batch)
                    yield batch
                elif is_over:
                    return
                else:
                    waiter = loop.create_future()
                    self._waiting.add(waiter)
                    await waiter
        finally:
            self._waiting.discard(waiter)
            self._followers -= 1
