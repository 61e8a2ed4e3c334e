"""Django's ASGI handler with one thread hop for each request, and threads that are used again.

Django hops to a thread for each synchronous piece of a request (middleware, view, signals), and to
a new one for each request, which opens a database connection of its own. Here the whole synchronous
part runs at once, in one of a few threads that keep their connections. docs/adr/0006-server.md has
the figures.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.module_loading import import_string

from chatcore.db import in_thread, report_away, store_is_away
from chatcore.errors import ApiError, StoreAway, TooLarge, Unavailable, as_response

logger = logging.getLogger("chatcore.handler")

# They share one interpreter: with more of them the sockets wait longer for their turn. With fewer,
# some requests that wait for a busy store would hold up all others.
THREADS = 16
# Above what nearly any view takes, each of which has a limit of its own. The few addresses that
# take more are in the setting LARGE_BODIES.
LARGEST_BODY_BYTES = 16 * 1024 * 1024
# Each of those may have hundreds of megabytes on the disk.
LARGE_AT_ONCE = 10
# They have no place for ever: 200 MB arrive in this time at 2 Mbit/s.
LARGE_SECONDS = 15 * 60.0
# For a client to take what fits into the buffers, some 64 kB.
PATIENCE_SECONDS = 30.0


class Threads:
    """At most `size` threads, made as they are needed. Who finds none free waits in order."""

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self._idle: list[ThreadPoolExecutor] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[ThreadPoolExecutor]:
        """A thread for nobody else until the block ends."""
        await self._free.acquire()
        # The last one used: its connection is warm, and quiet times need few threads.
        thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, "request")
        give_back = self._give_back
        try:
            yield thread
        except asyncio.CancelledError:
            # What runs in a thread cannot be interrupted: it is free when that has ended.
            give_back = self._give_back_when_idle
            raise
        finally:
            give_back(thread)

    def _give_back(self, thread: ThreadPoolExecutor) -> None:
        self._idle.append(thread)
        self._free.release()

    def _give_back_when_idle(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()

        def is_idle(_future: "Future[int]") -> None:
            # A closed loop has no more requests.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._give_back, thread)

        thread.submit(int).add_done_callback(is_idle)


class Handler(ASGIHandler):
    """Serves HTTP: middleware, view and signals in one hop, streams in the loop.

    An async view runs in the loop while its thread waits for it, so what takes long belongs in the
    stream that it returns.
    """

    def __init__(self, *, threads: int = THREADS) -> None:
        super().__init__()
        self._threads = Threads(threads)
        self._large = 0

    def load_middleware(self, is_async: bool = False) -> None:
        """Synchronous throughout, whatever is asked for, as under WSGI."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Without Django's thread for each request: what a stream asks of the database, it asks in
        # the one thread that the sockets use.
        await self.handle(scope, receive, send)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        bounded = _Bounded(receive, partial(self._admit, scope))
        try:
            await self._serve(scope, receive, send, bounded)
        finally:
            self._large -= bounded.is_large

    async def _admit(self, scope: Any) -> int:
        """How many bytes this request may have. Raises Unavailable."""
        most = await _most_bytes(scope)
        if most <= LARGEST_BODY_BYTES:
            return most
        if self._large >= LARGE_AT_ONCE:
            raise Unavailable(
                "Many large files are being sent. Try again in a minute.",
                headers={"Retry-After": "60"},
            )
        self._large += 1
        return most

    async def _serve(self, scope: Any, receive: Any, send: Any, bounded: "_Bounded") -> None:
        try:
            body = await self.read_body(bounded)
        except RequestAborted:
            if bounded.refusal is not None:
                await self.send_response(as_response(bounded.refusal), send)
            return
        me = cast("asyncio.Task[None]", asyncio.current_task())
        watcher = asyncio.create_task(_when_gone(receive, me.cancel))
        response: HttpResponseBase | None = None
        has_begun = False
        try:
            async with self._threads.one() as thread:
                # From here on the body belongs to the request, which is closed with its response.
                has_begun = True
                response = await self._answer_in(thread, scope, body)
            await self.send_response(response, _Patient(send))
        except ClientStalled:
            logger.info("A client that did not read its answer was let go")
        except asyncio.CancelledError:
            # If the client has gone, there is nobody to tell; if not, the server is ending.
            if not watcher.done():
                raise
        finally:
            # First: the end of the answer looks like the client's going.
            watcher.cancel()
            if not has_begun:
                body.close()
            if response is not None and response.streaming:
                await sync_to_async(response.close)()

    async def _answer_in(
        self, thread: ThreadPoolExecutor, scope: Any, body: Any
    ) -> HttpResponseBase:
        """What the view answers in this thread."""
        made: list[HttpResponseBase] = []

        def answer() -> HttpResponseBase:
            made.append(self._answer(scope, body))
            return made[0]

        try:
            return await sync_to_async(answer, thread_sensitive=False, executor=thread)()
        except asyncio.CancelledError:
            # The view goes on. What it is about to return is nobody's, and is closed behind it.
            thread.submit(_close_streams, made)
            raise

    def _answer(self, scope: Any, body: Any) -> HttpResponseBase:
        """The response, closed already unless it is to be streamed."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=self.__class__, scope=scope)
        request, error = self.create_request(scope, body)
        if request is None:
            body.close()
        else:
            # A body that came in chunks has no length of its own, and would be taken for empty.
            request.META.setdefault("CONTENT_LENGTH", str(body.seek(0, os.SEEK_END)))
            body.seek(0)
        response = cast(HttpResponseBase, error if request is None else self.get_response(request))
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            response.close()
        elif isinstance(response, StreamingHttpResponse) and not response.is_async:
            # Whole, as Django does it, but in the thread that may block.
            response.streaming_content = _each(list(response))
        return response


class _Bounded:
    """Ends a body before it fills the disk, on which all of it waits for its view.

    `admit` says, once it is more than most, how many bytes it may have, or raises an ApiError.
    """

    def __init__(
        self, receive: Callable[[], Awaitable[Any]], admit: Callable[[], Awaitable[int]]
    ) -> None:
        self._receive, self._admit = receive, admit
        self._bytes = 0
        self._most = LARGEST_BODY_BYTES
        self._is_asked = False
        self._until: float | None = None
        self.refusal: ApiError | None = None

    @property
    def is_large(self) -> bool:
        """Whether it was admitted as larger than most."""
        return self._most > LARGEST_BODY_BYTES

    async def __call__(self) -> Any:
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.refusal = Unavailable(
                f"The file did not arrive within {LARGE_SECONDS // 60:.0f} minutes."
            )
            return {"type": "http.disconnect"}
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._most and not self._is_asked:
            self._is_asked = True
            try:
                self._most = await self._admit()
                self._until = asyncio.get_running_loop().time() + LARGE_SECONDS
            except ApiError as error:
                self.refusal = error
        if self._bytes > self._most and self.refusal is None:
            self.refusal = TooLarge(f"A request may have at most {self._most:,} bytes.")
        return message if self.refusal is None else {"type": "http.disconnect"}


async def _most_bytes(scope: Any) -> int:
    """More at a few addresses, and only of somebody we know: strangers would fill the disk.

    Raises StoreAway where nobody can be looked up.
    """
    location = scope["path"].removeprefix(scope.get("root_path", ""))
    most: int = settings.LARGE_BODIES.get(location, LARGEST_BODY_BYTES)
    if most <= LARGEST_BODY_BYTES:
        return LARGEST_BODY_BYTES
    is_known: Callable[[dict[bytes, bytes]], bool] = import_string(settings.LARGE_BODIES_OF)
    try:
        return most if await in_thread(is_known, dict(scope["headers"])) else LARGEST_BODY_BYTES
    except Exception as error:
        if not store_is_away(error):
            raise
        report_away(error)
        raise StoreAway from error


def _close_streams(responses: list[HttpResponseBase]) -> None:
    for response in responses:
        if response.streaming:
            response.close()


class ClientStalled(Exception):
    """The client is connected, but takes nothing."""


class _Patient:
    """Waits for a client that reads slowly, but not for ever for one that does not read at all."""

    def __init__(self, send: Callable[[Any], Awaitable[None]]) -> None:
        self._send = send

    async def __call__(self, message: Any) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._send(message)
        except TimeoutError as error:
            await self._hang_up()
            raise ClientStalled from error

    async def _hang_up(self) -> None:
        # ASGI has no word for this, and uvicorn itself would wait until all is sent.
        server = getattr(self._send, "__self__", None)
        if (transport := getattr(server, "transport", None)) is not None:
            transport.abort()
            # In this turn of the loop the server hears of it.
            await asyncio.sleep(0)


async def _when_gone(receive: Any, cancel: Callable[[], object]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    cancel()


async def _each(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
