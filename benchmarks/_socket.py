"""A client of the chat's WebSocket that parses next to nothing, so that one core reads hundreds."""

import asyncio
import base64
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks._upstream import question, text_behind_stamp

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
# A mask of zeros is a mask, too, and leaves the bytes as they are.
MASKED, NO_MASK = 0x80, b"\0\0\0\0"
LARGEST_SMALL = 125
# For an answer to begin, and to end once nothing more is to come of it.
LONGEST_SECONDS = 60
PATH = "/ws/assistant"


class _Frame(Struct, gc=False):
    """What the benchmark reads of a server's frame."""

    type: str
    text: str = ""
    status: str = ""
    code: str = ""
    message: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Frame).decode
_encode = msgspec.json.Encoder().encode
_names: Iterator[int] = count()


class Answer:
    """One answer as it came. Moments are those of the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.asked_at = time.monotonic()
        # One for each frame with text.
        self.arrivals: list[float] = []
        self.pieces: list[str] = []
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def reach(self, moment: "asyncio.Future[None]") -> None:
        """Wait for one of `begun` and `ended`. Raises RuntimeError."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await moment
        except TimeoutError:
            raise RuntimeError(f"nothing more behind {len(self.arrivals)} frames") from None

    async def whole(self) -> "Answer":
        """Return when it has ended and is known to be what was sent. Raises RuntimeError."""
        await self.reach(self.ended)
        received, written, text = "".join(self.pieces).split(" ", 2)
        chunks = int(text.rpartition(" ")[2])
        if text != text_behind_stamp(chunks):
            raise RuntimeError(f"an answer is not what was sent: {text[:100]!r}")
        self.received_at, self.written_at, self.chunks = float(received), float(written), chunks
        return self

    @property
    def added(self) -> float:
        """Seconds to the first token that the server added to the upstream's own time."""
        return self.arrivals[0] - self.asked_at - (self.written_at - self.received_at)

    @property
    def until_asked(self) -> float:
        """Seconds of it before the upstream had the question."""
        return self.received_at - self.asked_at

    def fail(self, why: str) -> None:
        for moment in (self.begun, self.ended):
            if not moment.done():
                moment.set_exception(RuntimeError(why))
                # Whoever awaits it has the error; nobody may await `begun`.
                moment.exception()


@dataclass
class Chat:
    """Where a question goes: a new chat, or behind a message of one."""

    id: str = field(default_factory=lambda: f"new-{os.getpid()}-{next(_names)}")
    parent: str | None = None


class Socket(asyncio.Protocol):
    """One page. It asks one question at a time."""

    def __init__(self) -> None:
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._is_open = False
        self._answer: Answer | None = None

    @classmethod
    async def open(cls, port: int, headers: dict[str, str]) -> "Socket":
        """Return at the server's `ready`. Raises RuntimeError if it does not come."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        all_headers = {
            "Host": f"localhost:{port}",
            "Origin": f"http://localhost:{port}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            **headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items())
        connection._transport.write(f"GET {PATH} HTTP/1.1\r\n{lines}\r\n".encode())
        await asyncio.wait_for(connection.is_ready, 30)
        return connection

    def ask(self, chunks: int, *, is_paced: bool, chat: Chat | None = None) -> Answer:
        chat = chat or Chat()
        name = f"{os.getpid()}-{next(_names)}"
        frame = {
            "type": "send",
            "requestId": f"request-{name}",
            "conversationId": chat.id,
            "messageId": f"question-{name}",
            "parentId": chat.parent,
            "text": question(chunks, is_paced=is_paced),
            "model": None,
        }
        self._answer = Answer()
        self._write(TEXT, _encode(frame))
        return self._answer

    def close(self) -> None:
        self._answer = None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.is_ready.done():
            self.is_ready.set_exception(RuntimeError("the server hung up at the handshake"))
        if self._answer is not None:
            self._answer.fail("the server hung up")

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data if self._rest else data
        begin, end = 0, len(data)
        if not self._is_open and (begin := self._read_handshake(data)) == 0:
            self._rest = data
            return
        while end - begin >= 2:
            length, head = data[begin + 1], begin + 2
            if length > LARGEST_SMALL:
                bytes_of_length = 2 if length == LARGEST_SMALL + 1 else 8
                head += bytes_of_length
                length = int.from_bytes(data[begin + 2 : head], "big")
            if end < head + length:
                break
            self._read(data[begin] & 15, data[head : head + length], now)
            begin = head + length
        self._rest = data[begin:]

    def _read_handshake(self, data: bytes) -> int:
        """Where the frames begin; 0 as long as that is not known."""
        if (end := data.find(b"\r\n\r\n")) < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101 "):
            self.is_ready.set_exception(RuntimeError(f"no WebSocket: {data[:300]!r}"))
            return len(data)
        self._is_open = True
        return end + 4

    def _read(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == TEXT:
            self._take(_decode(payload), now)
        elif opcode == PING:
            self._write(PONG, payload)
        elif opcode == CLOSE and self._answer is not None:
            self._answer.fail(f"closed with code {int.from_bytes(payload[:2], 'big')}")

    def _take(self, frame: _Frame, now: float) -> None:
        answer = self._answer
        if frame.type == "delta" and answer is not None:
            if not answer.arrivals:
                answer.begun.set_result(None)
            answer.arrivals.append(now)
            answer.pieces.append(frame.text)
        elif frame.type == "finished" and answer is not None:
            if frame.status != "done":
                answer.fail(f"the answer ended as {frame.status}: {frame.error}")
            elif not answer.ended.done():
                answer.ended.set_result(None)
        elif frame.type == "error" and answer is not None:
            answer.fail(f"refused: {frame.code}: {frame.message}")
        elif frame.type == "ready" and not self.is_ready.done():
            self.is_ready.set_result(None)

    def _write(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        if length <= LARGEST_SMALL:
            head = bytes([0x80 | opcode, MASKED | length])
        else:
            head = bytes([0x80 | opcode, MASKED | 126]) + length.to_bytes(2, "big")
        self._transport.write(head + NO_MASK + payload)
