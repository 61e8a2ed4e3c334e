"""A model that costs next to nothing: `python -m benchmarks._upstream PORT`, for streaming.py.

Speaks OpenAI's chat completions as server-sent events, over connections that are kept. A question
says how it is to be answered: see `question`. All paced answers share one timer, so that hundreds
of them leave the core to the client. `GET /end` ends them all at their next chunk, and tells by how
many milliseconds the timer was late, p99 since the last such request.
"""

import asyncio
import gc
import json
import re
import statistics
import sys
import time

# 50 chunks a second for each answer. Their moments are spread evenly over these 20 ms.
PACE_SECONDS, SLOTS = 0.02, 10
NUMBERS = 10_000
# Long enough to be ended by `GET /end`.
ENDLESS = 1_000_000

ASKED = re.compile(rb"Write (\d+) chunks (paced|at once)")
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def question(chunks: int, *, is_paced: bool) -> str:
    """The text that asks for so many chunks, one each 20 ms or all in one go."""
    return f"Write {chunks} chunks {'paced' if is_paced else 'at once'}"


def text_behind_stamp(chunks: int) -> str:
    """The whole answer but its first chunk, which holds two moments; see `stamp`."""
    return "".join(_number(each) for each in range(1, chunks - 1)) + f"end {chunks}"


def stamp(received: float) -> str:
    """When the question came and when this was written, by the monotonic clock of the machine."""
    return f"{received:.6f} {time.monotonic():.6f} "


def _number(index: int) -> str:
    return f"{index % NUMBERS:04d} "


def _event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _chunk({"choices": [choice], "usage": None})


def _chunk(body: dict[str, object]) -> bytes:
    """As OpenAI writes it, some 240 bytes, in an HTTP chunk of its own."""
    head = {
        "id": "chatcmpl-Bx7wWn1uFJ0mZ5wTgq2sKcVdR3yLh",
        "object": "chat.completion.chunk",
        "created": 1_763_942_400,
        "model": "bench",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    data = f"data: {json.dumps({**head, **body}, separators=(',', ':'))}\n\n".encode()
    return _http_chunk(data)


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _last(chunks: int) -> bytes:
    usage = {"prompt_tokens": 20, "completion_tokens": chunks, "total_tokens": 20 + chunks}
    return b"".join(
        [
            _event({"content": f"end {chunks}"}),
            _event({}, "stop"),
            _chunk({"choices": [], "usage": usage}),
            _http_chunk(b"data: [DONE]\n\n"),
            b"0\r\n\r\n",
        ]
    )


EVENTS = [_event({"content": _number(index)}) for index in range(NUMBERS)]


class Pacer:
    """The one timer. An answer belongs to a slot, and each slot has its turn every 20 ms."""

    def __init__(self) -> None:
        self._slots: list[set[Connection]] = [set() for _ in range(SLOTS)]
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._ticks = self._begun = 0
        self._late: list[float] = []
        self._tick()

    def add(self, connection: "Connection") -> None:
        # In turn: answers that begin together do not go on together.
        self._begun += 1
        self._slots[self._begun % SLOTS].add(connection)

    def discard(self, connection: "Connection") -> None:
        for slot in self._slots:
            slot.discard(connection)

    def end_all(self) -> float:
        """How late the timer was, p99 in milliseconds."""
        for slot in self._slots:
            for connection in slot:
                connection.chunks = connection.written + 1
        late, self._late = self._late, []
        return statistics.quantiles(late, n=100)[-1] * 1000 if len(late) > 1 else 0.0

    def _tick(self) -> None:
        self._late.append(self._loop.time() - self._due)
        slot = self._slots[self._ticks % SLOTS]
        for connection in [each for each in slot if each.write_next()]:
            slot.discard(connection)
        self._ticks += 1
        self._due += PACE_SECONDS / SLOTS
        self._loop.call_at(self._due, self._tick)


class Connection(asyncio.Protocol):
    """One client; one request after the other."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._received = bytearray()
        self.chunks = self.written = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self._pacer.discard(self)

    def data_received(self, data: bytes) -> None:
        received = time.monotonic()
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        self._received.clear()
        if head.startswith(b"GET /end "):
            said = b"%.3f" % self._pacer.end_all()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said))
            self._transport.write(said)
            return
        self._answer(bytes(body), received)

    def _answer(self, body: bytes, received: float) -> None:
        """The last question counts: those before it are the chat's history."""
        chunks, pace = ASKED.findall(body)[-1]
        self.chunks, self.written = int(chunks), 1
        self._transport.write(HEAD + _event({"role": "assistant", "content": stamp(received)}))
        if pace == b"paced":
            self._pacer.add(self)
            return
        middle = (EVENTS[index % NUMBERS] for index in range(1, self.chunks - 1))
        self._transport.write(b"".join(middle) + _last(self.chunks))

    def write_next(self) -> bool:
        """Whether that was the last chunk."""
        self.written += 1
        if self.written >= self.chunks:
            self._transport.write(_last(self.chunks))
            return True
        self._transport.write(EVENTS[(self.written - 1) % NUMBERS])
        return False


async def main(port: int) -> None:
    # Nothing here goes in circles, and a collection would be a gap in every answer.
    gc.disable()
    pacer = Pacer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(pacer), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
