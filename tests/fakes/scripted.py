"""A server that sends the very bytes it is given, in the pieces it is given.

For what a well-made server never does: half events, wrong documents, cut connections, silence.
"""

import asyncio
import socket
from collections.abc import Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

STREAM = "text/event-stream"


@dataclass(frozen=True)
class Script:
    """What one request gets: bytes to send and seconds to wait, in this order."""

    steps: tuple[bytes | float, ...]
    ends_with_silence: bool = False
    ends_with_a_cut: bool = False


def respond(
    *pieces: bytes | float,
    status: str = "200 OK",
    headers: str = "",
    content_type: str = STREAM,
    cut: bool = False,
    silent: bool = False,
) -> Script:
    """A response in HTTP's chunked coding, each piece a chunk of its own."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Transfer-Encoding: chunked\r\n{headers}\r\n"
    )
    steps: list[bytes | float] = [head.encode()]
    for piece in pieces:
        if isinstance(piece, bytes):
            steps.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            steps.append(piece)
    if not (cut or silent):
        steps.append(b"0\r\n\r\n")
    return Script(tuple(steps), ends_with_silence=silent, ends_with_a_cut=cut)


def silence() -> Script:
    """The request is taken and nothing is said."""
    return Script((), ends_with_silence=True)


def cut() -> Script:
    """The connection breaks before the first byte."""
    return Script((), ends_with_a_cut=True)


@dataclass
class ScriptedProvider:
    """Serves one script for each request, the last one again and again."""

    scripts: list[Script]
    port: int = 0
    asked: int = 0
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    # Set at each request, and when the client has hung up.
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    was_left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        # Also when the loop of the test ends it.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                await self._take_request(reader)
                script = self.scripts[min(self.asked, len(self.scripts)) - 1]
                if not await self._play(script, reader, writer):
                    break
        self.was_left.set()
        writer.close()

    async def _take_request(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        (length,) = (line[15:] for line in lines if line.startswith(b"content-length:"))
        await reader.readexactly(int(length))
        self.heads.append(head)
        self.asked += 1
        self.was_asked.set()

    async def _play(
        self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection can take another request."""
        for step in script.steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                writer.write(step)
                await writer.drain()
                # The client's turn: what was written is read before the next piece is.
                await asyncio.sleep(0.001)
        if script.ends_with_silence:
            await reader.read()
            return False
        if script.ends_with_a_cut:
            writer.transport.abort()
            return False
        return True


@asynccontextmanager
async def scripted(*scripts: Script):
    provider = ScriptedProvider(list(scripts))
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()


@contextmanager
def nobody_accepts() -> Iterator[int]:
    """A port where connections are neither made nor refused: as behind a firewall.

    The queue of the listening socket holds one connection, and it is full. Linux then drops what
    comes; other systems refuse it.
    """
    with socket.socket() as listening, socket.socket() as first:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        first.connect(listening.getsockname())
        yield listening.getsockname()[1]


def pieces_of(body: bytes, size: int) -> Iterable[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))
