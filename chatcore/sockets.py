"""The server's side of a WebSocket whose page has stopped reading.

uvicorn waits for such a page before it sends anything, a close as well, and then leaves it to TCP
to end the connection, which may take for ever: the buffers stay. Here a close goes into the buffer
at once, so that its code arrives if the page reads again in time, and a connection that was told
to end is gone after END_SECONDS.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# How long whoever was told of the end may still read what lies in the buffer, the close last.
END_SECONDS = 10.0


class WebSocketProtocol(WebSocketsSansIOProtocol):
    _end: asyncio.TimerHandle | None = None

    def send(self, message: ASGISendEvent) -> Coroutine[Any, Any, None]:
        if message["type"] == "websocket.close":
            return self._send_close(message)
        if self.writable.is_set():
            # As it is: this is the way of each piece of an answer.
            return super().send(message)
        return self._send_later(message)

    async def _send_close(self, message: ASGISendEvent) -> None:
        writable, self.writable = self.writable, asyncio.Event()
        self.writable.set()
        try:
            await super().send(message)
        finally:
            # Who waits on it goes on waiting, until the page reads or the connection is gone.
            self.writable = writable
        self._end_soon()

    async def _send_later(self, message: ASGISendEvent) -> None:
        await self.writable.wait()
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._end_soon()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._end_soon()

    def shutdown(self) -> None:
        super().shutdown()
        self._end_soon()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # The page has sent a close, or what is no WebSocket.
        if self.transport.is_closing():
            self._end_soon()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            # Replies to somebody who reads none of them would pile up; only the last one counts.
            self.conn.data_to_send()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._end is not None:
            self._end.cancel()

    def _end_soon(self) -> None:
        if self._end is None and not self.disconnected:
            self._end = self.loop.call_later(END_SECONDS, self.transport.abort)
