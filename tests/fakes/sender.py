"""An application that sends without end, served as the product is, in a process of its own.

`python -m tests.fakes.sender '{"port": 8000, "END_SECONDS": 1}'`: the rest are times of
chatcore.server and chatcore.sockets. GET / tells what became of those who were sent to.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import uvicorn

from chatcore import server, sockets

PIECE = "x" * 65536
# The kernel's buffers took all they can: what is sent now waits.
STALLED_AFTER_SECONDS = 0.5

running: set[str] = set()
events: list[str] = []


def memory() -> int:
    """Of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def application(scope, receive, send):
    path = scope["path"]
    if path == "/":
        state = {"running": sorted(running), "events": events, "memory": memory()}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(state).encode()})
        return
    running.add(path)
    try:
        await {"/flood": flood, "/close": close, "/quiet": quiet, "/stream": stream}[path](
            receive, send
        )
        events.append(f"{path} ended")
    except OSError as error:
        events.append(f"{path} ended by {type(error).__name__}")
    finally:
        running.discard(path)


async def flood(receive, send):
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "text": PIECE})


async def close(receive, send):
    """Two that send to one page: while the first one waits, the second one closes."""
    await send({"type": "websocket.accept"})
    sender = asyncio.create_task(flood_accepted(send))
    await asyncio.wait([sender], timeout=STALLED_AFTER_SECONDS)
    await send({"type": "websocket.close", "code": 4408, "reason": "too slow"})
    events.append("/close closed")
    await sender


async def flood_accepted(send):
    while True:
        await send({"type": "websocket.send", "text": PIECE})


async def quiet(receive, send):
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def stream(receive, send):
    await receive()
    gone = asyncio.create_task(receive())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not gone.done():
        await send({"type": "http.response.body", "body": PIECE.encode(), "more_body": True})
        await asyncio.sleep(0)


def main() -> None:
    times = json.loads(sys.argv[1])
    port = times.pop("port")
    for name, value in times.items():
        module = sockets if name == "END_SECONDS" else server
        assert hasattr(module, name)
        setattr(module, name, value)
    listener = server.listen("127.0.0.1", port)
    uvicorn.Server(server.config(application)).run([listener])


if __name__ == "__main__":
    main()
