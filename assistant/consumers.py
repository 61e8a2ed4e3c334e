"""The WebSocket of the chat page: checks each frame, attaches and detaches, forwards."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import UUID

import msgspec
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.models import User
from accounts.sessions import SessionEnded, user_of_session
from assistant import catalog, frames, turns
from assistant.generations import RunningGeneration, owner, registry
from assistant.models import Generation
from chatcore import clock
from chatcore.db import store_is_away

logger = logging.getLogger("chatcore.socket")

# Close codes; 4000 to 4999 are for applications.
NOT_LOGGED_IN = 4401
# One display refresh at 60 Hz: in a burst the page gets no more frames than it can paint.
FRAME_SECONDS = 1 / 60
# For this long a page that was logged out elsewhere may still read the answer it had asked for.
CHECK_SESSION_SECONDS = 10.0

_encode = msgspec.json.Encoder().encode

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class AssistantConsumer(AsyncWebsocketConsumer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.followers: dict[UUID, asyncio.Task[None]] = {}
        try:
            await super().__call__(scope, receive, send)
        finally:
            # After an exception in a handler `disconnect` never runs; this does.
            for task in self.followers.values():
                task.cancel()

    async def connect(self) -> None:
        # Accepted first: a page cannot tell a refused handshake from a broken network.
        await self.accept()
        if not self.scope["user"].is_authenticated:
            await self.close(code=NOT_LOGGED_IN)
            return
        registry.start_timer()
        await self._send({"type": "ready", "protocol": frames.PROTOCOL_VERSION})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        request_id: str | None = None
        try:
            frame = frames.parse(text_data or "")
            request_id = frames.request_id_of(frame)
            await self._handle(frame)
        except frames.BadFrame as error:
            await self._send(error.frame())
        except turns.TurnRefused as error:
            await self._send(
                frames.error_frame(
                    error.code, str(error), request_id=request_id, retry_after=error.retry_after
                )
            )
        except SessionEnded:
            await self.close(code=NOT_LOGGED_IN)
        except Exception as error:
            # Of a store that is away its breaker has said enough.
            if not store_is_away(error):
                logger.exception("A frame could not be handled")
            message = "The server could not do this. Your text is kept; try again."
            await self._send(frames.error_frame("internal", message, request_id=request_id))

    async def _handle(self, frame: frames.ClientFrame) -> None:
        match frame["type"]:
            case "send" | "regenerate":
                await self._begin(_question(frame), frame["model"])
            case "attach":
                record = await self._generation(frame["generationId"])
                await self._attach(record, frame["after"])
            case "stop":
                await self._stop(await self._generation(frame["generationId"]))
            case "ping":
                await self._send({"type": "pong"})

    async def _begin(self, question: turns.Question, model: str | None) -> None:
        # A socket may break while the store works: a question that is saved is answered.
        turn = await registry.to_the_end(self._start(question, model))
        record = turn.generation
        await self._send(
            {
                "type": "started",
                "requestId": question.request_id,
                "conversationId": turn.conversation.client_id,
                "title": turn.conversation.title,
                "messageId": record.parent_id,
                "generationId": str(record.pk),
                "answerId": record.answer_id,
                "model": f"{record.provider}:{record.model}",
            }
        )
        await self._attach(record, 0)

    async def _start(self, question: turns.Question, model: str | None) -> turns.Turn:
        turn = await self._in_store(turns.begin, question, model, owner=owner(), now=clock.now())
        if turn.is_new:
            record = turn.generation
            registry.start(record, catalog.providers()[record.provider], turn.prompt)
        return turn

    async def _attach(self, record: Generation, after: int | None) -> None:
        running = registry.find(record.pk)
        if running is None:
            await self._send(_snapshot(record, turns.progress_of(record), record.status))
            return
        if after is None or after > running.seq:
            progress = running.progress()
            await self._send(_snapshot(record, progress, running.status))
            after = progress.seq
        if earlier := self.followers.get(record.pk):
            earlier.cancel()
        self.followers[record.pk] = asyncio.create_task(self._forward(running, after))

    async def _forward(self, running: RunningGeneration, after: int) -> None:
        generation_id = str(running.id)
        checked_at = time.monotonic()
        async for batch in running.follow(after):
            if time.monotonic() - checked_at > CHECK_SESSION_SECONDS:
                if not await self._has_session():
                    await self.close(code=NOT_LOGGED_IN)
                    return
                checked_at = time.monotonic()
            for frame in frames.delta_frames(generation_id, after, batch):
                await self._send(frame)
            after += len(batch)
            await asyncio.sleep(FRAME_SECONDS)
        await self._send(
            {
                "type": "finished",
                "generationId": generation_id,
                "seq": after,
                "status": running.status,
                "error": running.error,
            }
        )
        del self.followers[running.id]

    async def _stop(self, record: Generation) -> None:
        if running := registry.find(record.pk):
            running.stop()
        else:
            await self._attach(record, None)

    async def _generation(self, generation_id: UUID) -> Generation:
        return await self._in_store(_find_generation, generation_id)

    async def _in_store(
        self, work: Callable[Concatenate[User, Arguments], Result], *args: Any, **kwargs: Any
    ) -> Result:
        """What `work` returns for the person of this session, looked at anew: they may have logged
        out or been locked out since the socket was opened. Raises SessionEnded."""

        def call() -> Result:
            return work(user_of_session(self.scope["session"].session_key), *args, **kwargs)

        return cast(Result, await database_sync_to_async(call)())

    async def _has_session(self) -> bool:
        try:
            await self._in_store(lambda _user: None)
        except SessionEnded:
            return False
        except Exception as error:
            # A store that is away is no reason to take an answer from whoever reads it.
            logger.warning("A session could not be looked up (%s)", type(error).__name__)
        return True

    async def _send(self, frame: frames.ServerFrame) -> None:
        await self.send(text_data=_encode(frame).decode())


def _question(frame: frames.Send | frames.Regenerate) -> turns.Question:
    return turns.Question(
        request_id=frame["requestId"],
        conversation_id=frame["conversationId"],
        message_id=frame["messageId"],
        parent_id=frame["parentId"] if frame["type"] == "send" else None,
        text=frame["text"] if frame["type"] == "send" else None,
    )


def _find_generation(user: User, generation_id: UUID) -> Generation:
    record = Generation.objects.for_user(user).filter(pk=generation_id).with_chat().first()
    if record is None:
        raise turns.TurnRefused("not_found", "This answer is not there any more.")
    return record


def _snapshot(record: Generation, progress: turns.Progress, status: str) -> frames.Snapshot:
    return {
        "type": "snapshot",
        "generationId": str(record.pk),
        "conversationId": record.conversation.client_id,
        "parentId": record.parent_id,
        "answerId": record.answer_id,
        "model": f"{record.provider}:{record.model}",
        "seq": progress.seq,
        "text": progress.text,
        "reasoning": progress.reasoning,
        "status": status,
        "error": record.error,
    }
