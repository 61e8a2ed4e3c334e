"""A provider that answers at once and evenly: both wire protocols, on raw sockets.

The model's name says how: "500 chunks, 20 ms" is 500 pieces of text, one every 20 ms.
"""

import asyncio
import json
import re
import sys
from typing import Any

from tests.fakes.bodies import BODIES, Body

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\n\r\n"
)
WORD = " wonderful"
# What a real chunk carries besides its text.
EXTRA = {
    "id": "chatcmpl-Cf3kzQ5cWq0Yt4hB1m2N6pXvA9sRe",
    "object": "chat.completion.chunk",
    "created": 1764000000,
    "model": "model-1",
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
}


def model(chunks: int, milliseconds: int) -> str:
    return f"{chunks} chunks, {milliseconds} ms"


def coded(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def opening(name: str) -> bytes:
    if name == "openai":
        return b""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "model-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1},
    }
    content = {"type": "message_start", "message": message}
    start = f"event: message_start\ndata: {json.dumps(content)}\n\n".encode()
    return start + BODIES["anthropic"].begin().partition(b"\n\n")[2]


def word(name: str, body: Body) -> bytes:
    event = body.text(WORD)
    if name == "anthropic":
        return event
    chunk = {**EXTRA, **json.loads(event[6:])}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def ending(name: str, body: Body) -> bytes:
    if name == "openai":
        return body.end(body.stop) + body.last()
    end = body.end(body.stop).replace(b"}\n\n", b', "usage": {"output_tokens": 5}}\n\n')
    # Only the last event has a usage.
    block_end, _, last = end.partition(b"\n\n")
    return block_end.replace(b', "usage": {"output_tokens": 5}', b"") + b"\n\n" + last + body.last()


def parts(name: str) -> tuple[bytes, bytes, bytes]:
    body = BODIES[name]
    return opening(name), coded(word(name, body)), coded(ending(name, body)) + b"0\r\n\r\n"


PARTS = {name: parts(name) for name in BODIES}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = re.findall(rb"(?i)\r\ncontent-length: *(\d+)", head)
            request = await reader.readexactly(int(length))
            chunks, milliseconds = map(int, re.findall(rb'"(\d+) chunks, (\d+) ms"', request)[0])
            name = "anthropic" if b"/messages" in head[:100] else "openai"
            await answer(writer, name, chunks, milliseconds / 1000)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def answer(writer: asyncio.StreamWriter, name: str, chunks: int, pause: float) -> None:
    begin, piece, end = PARTS[name]
    writer.write(HEAD + (coded(begin) if begin else b"") + piece)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(1, chunks):
        # By the clock, so that a late piece makes no later one late.
        await asyncio.sleep(max(0.0, begun + number * pause - loop.time()))
        writer.write(piece)
        await writer.drain()
    writer.write(end)


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=1000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
