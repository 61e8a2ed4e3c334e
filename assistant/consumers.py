"""The WebSocket of the chat page: checks each frame, attaches and detaches, forwards."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.models import User
from accounts.sessions import SessionEnded, user_of_session
from assistant import client_frames, frames, saving, shown, turns
from assistant.answer_log import AnswerLog
from assistant.generations import registry
from assistant.models import GenerationStatus
from assistant.services import services
from assistant.sockets import sockets
from chatcore import clock
from chatcore.db import in_thread, store_is_away
from conversations.models import Conversation

logger = logging.getLogger("chatcore.socket")

# Close codes; 4000 to 4999 are for applications.
NOT_LOGGED_IN = 4401
DID_NOT_READ = 4408
TOO_MANY_FRAMES = 4429
# One display refresh at 60 Hz: in a burst the page gets no more frames than it can paint.
FRAME_SECONDS = 1 / 60
# For this long a page that was logged out elsewhere may still read the answer it had asked for.
CHECK_SESSION_SECONDS = 10.0
# A page sends a few frames for each answer; a program that sends this many is out of order.
MOST_FRAMES, MOST_FRAMES_SECONDS = 120, 10.0
MOST_FOLLOWED = 50

_encode = msgspec.json.Encoder().encode

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class AssistantConsumer(AsyncWebsocketConsumer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.followers: dict[UUID, asyncio.Task[None]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.asked: set[str] = set()
        self.person = ""
        self.waits_since: float | None = None
        self.frames, self.frames_since = 0, time.monotonic()
        try:
            await super().__call__(scope, receive, send)
        finally:
            # After an exception in a handler `disconnect` never runs; this does.
            sockets.remove(self.person, self)
            for task in (*self.followers.values(), *self.tasks):
                task.cancel()

    async def connect(self) -> None:
        # Accepted first: a page cannot tell a refused handshake from a broken network.
        await self.accept()
        if self.scope["user"] is None:
            await self.close(code=NOT_LOGGED_IN)
            return
        registry.open()
        self.person = str(self.scope["user"].pk)
        sockets.add(self.person, self)
        await self._send({"type": "ready", "protocol": frames.PROTOCOL_VERSION})
        await self._send(frames.services(services.troubles(clock.now())))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._sends_too_much():
            await self.close(code=TOO_MANY_FRAMES)
            return
        request_id: str | None = None
        try:
            frame = client_frames.parse(text_data or "")
            request_id = client_frames.request_id_of(frame)
            await self._handle(frame)
        except client_frames.BadFrame as error:
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

    def _sends_too_much(self) -> bool:
        now = time.monotonic()
        if now - self.frames_since > MOST_FRAMES_SECONDS:
            self.frames, self.frames_since = 0, now
        self.frames += 1
        return self.frames > MOST_FRAMES

    async def _handle(self, frame: client_frames.ClientFrame) -> None:
        match frame["type"]:
            case "send" | "regenerate" | "continue":
                await self._begin(frame)
            case "attach":
                await self._attach(await self._find(frame["generationId"]), frame["after"])
            case "stop":
                await self._stop(await self._find(frame["generationId"]))
            case "decide":
                found = await self._find(frame["generationId"])
                await registry.decide(found.generation, frame["callId"], frame["decision"])
            case "sync":
                await self._show_anew(frame)
            case "show":
                await self._show_branch(frame)
            case "ping":
                await self._send({"type": "pong"})

    async def _begin(
        self, frame: client_frames.Send | client_frames.Regenerate | client_frames.Continue
    ) -> None:
        # Before anything begins: what this socket has asked is no news to it.
        self.asked.add(frame["requestId"])
        try:
            question = client_frames.question_of(frame)
            turn = await self._in_store(registry.begin, question, frame["model"])
        finally:
            self.asked.discard(frame["requestId"])
        await self._send(frames.started(turn))
        if running := registry.find(turn.generation.pk):
            self._follow(running, 0)
        else:
            await self._attach(await self._find(turn.generation.pk), 0)

    async def _attach(self, found: saving.Found, after: int | None) -> None:
        log = await registry.log_of(found.generation)
        if log is None and found.generation.status == GenerationStatus.RUNNING:
            # It may have ended between the two looks.
            found = await self._find(found.generation.pk)
        if log is None:
            await self._send(frames.snapshot(found))
            return
        if after is None or after > log.seq:
            frame = frames.snapshot(found, log)
            after = frame["seq"]
            await self._send(frame)
        self._follow(log, after)

    def _follow(self, log: AnswerLog, after: int) -> None:
        if earlier := self.followers.pop(log.id, None):
            earlier.cancel()
        if len(self.followers) >= MOST_FOLLOWED:
            message = f"One socket may follow {MOST_FOLLOWED} answers."
            raise turns.TurnRefused("too_many_followed", message)
        self.followers[log.id] = asyncio.create_task(self._forward(log, after))

    async def _forward(self, log: AnswerLog, after: int) -> None:
        generation_id = str(log.id)
        checked_at = time.monotonic()
        async for batch in log.follow(after, spacing=FRAME_SECONDS):
            now = time.monotonic()
            if now - checked_at > CHECK_SESSION_SECONDS:
                if not await self._has_session():
                    await self.close(code=NOT_LOGGED_IN)
                    return
                checked_at = now
            for frame in frames.delta_frames(generation_id, after, batch):
                await self._send(frame)
            after += len(batch)
        if log.is_running:
            # Redis is away, and the answer is made in another process: what the store has.
            await self._send(frames.snapshot(await self._find(log.id)))
        else:
            await self._send(frames.finished(log, after))
        del self.followers[log.id]

    async def _stop(self, found: saving.Found) -> None:
        await registry.stop(found.generation)
        if found.generation.pk not in self.followers:
            await self._attach(found, None)

    async def _show_anew(self, frame: client_frames.Sync) -> None:
        chat, now_shown = await self._in_store(
            shown.since, frame["conversationId"], frame["messageId"]
        )
        await self._send_shown(chat, now_shown)

    async def _show_branch(self, frame: client_frames.Show) -> None:
        chat, now_shown = await self._in_store(
            shown.show, frame["conversationId"], frame["messageId"]
        )
        await self._send_shown(chat, now_shown)

    async def _send_shown(self, chat: Conversation | None, now_shown: shown.Shown | None) -> None:
        if chat is None:
            raise turns.TurnRefused("not_found", "This chat is not there any more.")
        await self._send(frames.synced(chat, now_shown))

    # --- What the process's list of sockets asks of each ----------------------------------------
    def hear(self, frame: Mapping[str, Any]) -> None:
        """News for this person, unless this socket has them already: it asked, or it follows."""
        is_followed = frame["type"] == "ended" and UUID(frame["generationId"]) in self.followers
        if frame.get("requestId") not in self.asked and not is_followed:
            self._do(self._send(frame))

    def drop(self) -> None:
        """The page does not read: it comes back when it can, and reads on by its position."""
        for task in self.followers.values():
            task.cancel()
        self._do(self.close(code=DID_NOT_READ))

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        # The socket may have gone at any time, which its own task is told of.
        if not task.cancelled():
            task.exception()

    # --- Store and wire -------------------------------------------------------------------------
    async def _find(self, generation_id: UUID) -> saving.Found:
        found = await self._in_store(saving.find, generation_id)
        if found is None:
            raise turns.TurnRefused("not_found", "This answer is not there any more.")
        return found

    async def _in_store(
        self, work: Callable[Concatenate[User, Arguments], Result], *args: Any, **kwargs: Any
    ) -> Result:
        """What `work` returns for the person of this session, looked at anew: they may have logged
        out or been locked out since the socket was opened. Raises SessionEnded."""

        def call() -> Result:
            return work(user_of_session(self.scope["session_key"]), *args, **kwargs)

        return await in_thread(call)

    async def _has_session(self) -> bool:
        try:
            await self._in_store(lambda _user: None)
        except SessionEnded:
            return False
        except Exception as error:
            # A store that is away is no reason to take an answer from whoever reads it.
            logger.warning("A session could not be looked up (%s)", type(error).__name__)
        return True

    async def _send(self, frame: Mapping[str, Any]) -> None:
        if self.waits_since is None:
            self.waits_since = time.monotonic()
        await self.send(text_data=_encode(frame).decode())
        self.waits_since = None
