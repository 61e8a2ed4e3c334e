"""A network that misbehaves on demand: a TCP proxy on loopback in front of a server."""

import asyncio
import threading
from collections.abc import Callable

CHUNK = 65_536


class Proxy:
    """Runs in a thread of its own until `stop()`. Carries everything until it is told otherwise."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.accepted = 0  # connections so far, refused ones not counted
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.WriteTransport] = set()
        self._carries = asyncio.Event()
        self._refuses = False

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> "Proxy":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(timeout=10)
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def cut(self) -> None:
        """Break every connection that is open; new ones are carried."""
        self._now(self._cut)

    def freeze(self) -> None:
        """Accept connections and carry nothing, as a laptop that sleeps or a network that is gone.

        What was sent meanwhile is lost for good once the connection is cut, and late otherwise.
        """
        self._now(self._carries.clear)

    def refuse(self) -> None:
        """Break every connection, and each new one as soon as it is made."""

        def begin() -> None:
            self._refuses = True
            self._cut()

        self._now(begin)

    def carry(self) -> None:
        """Be a good network again."""

        def begin() -> None:
            self._refuses = False
            self._carries.set()

        self._now(begin)

    def _now(self, work: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)

    def _cut(self) -> None:
        for transport in self._transports:
            transport.abort()

    async def _start(self) -> None:
        self._carries.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        self.accepted += 1
        self._transports.add(writer.transport)
        try:
            await self._carry_both_ways(reader, writer)
        except OSError:
            pass  # The server is not there: the browser's connection ends too.
        finally:
            self._transports.discard(writer.transport)
            # Not aborted: what was handed over is still on its way.
            writer.close()

    async def _carry_both_ways(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._transports.add(server_writer.transport)
        ways = [
            asyncio.ensure_future(self._carry(reader, server_writer)),
            asyncio.ensure_future(self._carry(server_reader, writer)),
        ]
        try:
            # When one side ends, so does the connection: HTTP and WebSockets need no half of one.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._transports.discard(server_writer.transport)
            server_writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._carries.wait()
            writer.write(data)
            await writer.drain()
