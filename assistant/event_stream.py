"""An answer as server-sent events: written as it is made, or whole if it has ended."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import msgspec

from assistant import tool_uses
from assistant.answer_log import AnswerLog
from assistant.events import Event, ReasoningDelta
from assistant.models import Generation
from assistant.saving import Found
from assistant.ui_messages import START, Answer, Placed, Position, Translation
from chatcore.db import in_thread

logger = logging.getLogger("chatcore.stream")

# Proxies take a connection for dead after 30 seconds of silence, the strictest of them.
KEEPALIVE_SECONDS = 15.0
# For this long somebody who was logged out elsewhere may still read the answer they had asked for.
CHECK_SECONDS = 10.0
# One display refresh at 60 Hz: in a burst nobody gets more events than can be painted.
DISPLAY_SECONDS = 1 / 60

_encode = msgspec.json.Encoder().encode

KEEPALIVE = b": keep-alive\n\n"
_DONE = b"data: [DONE]\n\n"
_ENDED = {"type": "error", "errorText": "You are not logged in any more. The answer goes on."}
_LOGGED_OUT = b"data: %b\n\n" % _encode(_ENDED) + _DONE


@dataclass(frozen=True)
class Seen:
    """How far a client got with an answer; None as the position is its very end."""

    generation_id: UUID
    position: Position | None


_EVENT_ID = re.compile(
    r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(?:end|(\d{1,9})(?:\.(\d{1,4}))?)", re.ASCII
)


def seen(event_id: str) -> Seen | None:
    """What an id of ours says; None for anything else."""
    found = _EVENT_ID.fullmatch(event_id.strip())
    if found is None:
        return None
    position = Position(int(found[2]), int(found[3] or 0)) if found[2] else None
    return Seen(UUID(found[1]), position)


def _translation(record: Generation, conversation_id: str, after: Position = START) -> Translation:
    answer = Answer(
        id=record.answer_id,
        generation_id=str(record.pk),
        conversation_id=conversation_id,
        question_id=record.parent_id,
        model=f"{record.provider}:{record.model}",
    )
    return Translation(answer, after)


def _events(chunks: Iterable[Placed], generation_id: UUID | None) -> bytes:
    """Chunks as server-sent events, with ids if it is told of which answer."""
    lines: list[bytes] = []
    for position, chunk in chunks:
        if generation_id is not None:
            lines.append(f"id: {generation_id}:{position}\n".encode())
        lines.append(b"data: %b\n\n" % _encode(chunk))
    return b"".join(lines)


def _done(generation_id: UUID) -> bytes:
    """The end, by whose id an EventSource that connects again is told that there is no more."""
    return b"id: %b:end\n" % str(generation_id).encode() + _DONE


def saved(found: Found) -> bytes:
    """An answer that has ended, whole. Its log is gone, so that its events have no ids."""
    record, said = found.generation, list[Event]()
    if found.progress.reasoning:
        said.append(ReasoningDelta(found.progress.reasoning))
    said += tool_uses.events_of(found.progress.text, found.progress.tools)
    translation = _translation(record, found.conversation_id)
    chunks = translation.begin() + translation.add(said)
    chunks += translation.end(record.status, record.error)
    return _events(chunks, None) + _done(record.pk)


async def parts(
    log: AnswerLog, record: Generation, after: Position, is_still_valid: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """What one reader is sent: the first piece at once, then a part for each display refresh.

    It waits for whoever reads, and keeps nothing for them.
    """
    translation = _translation(record, record.conversation.client_id, after)
    caller = _Caller(is_still_valid)
    yield _events(translation.begin(), log.id)
    async for batch in _batches(log):
        if not await caller.may_go_on():
            yield _LOGGED_OUT
            return
        if batch is None:
            yield KEEPALIVE
            continue
        if part := _events(translation.add(batch), log.id):
            yield part
    if log.is_running:
        # Redis is away, and the answer is made in another process: whoever asks again finds it.
        return
    yield _events(translation.end(log.status, log.error), log.id) + _done(log.id)


class _Caller:
    """Whoever reads: whether their log-in or token is still good, every `CHECK_SECONDS`."""

    def __init__(self, is_still_valid: Callable[[], bool]) -> None:
        self._is_still_valid = is_still_valid
        self._checked_at = time.monotonic()

    async def may_go_on(self) -> bool:
        if time.monotonic() - self._checked_at <= CHECK_SECONDS:
            return True
        try:
            if not await in_thread(self._is_still_valid):
                return False
        except Exception as error:
            # A store that is away is no reason to take an answer from whoever reads it.
            logger.warning("A log-in could not be looked up (%s)", type(error).__name__)
        self._checked_at = time.monotonic()
        return True


async def _batches(log: AnswerLog) -> AsyncIterator[list[Event] | None]:
    """The whole log in batches as they come, and None for each `KEEPALIVE_SECONDS` of silence."""
    seq, batches = 0, log.follow(0, spacing=DISPLAY_SECONDS)
    try:
        while True:
            try:
                async with asyncio.timeout(KEEPALIVE_SECONDS):
                    batch = await anext(batches)
            except StopAsyncIteration:
                return
            except TimeoutError:
                # The follower ended with its wait. Another one goes on where it was.
                batches = log.follow(seq, spacing=DISPLAY_SECONDS)
                yield None
            else:
                seq += len(batch)
                yield batch
    finally:
        await cast("AsyncGenerator[list[Event]]", batches).aclose()
