"""Readers that do not read, on the server that people run: their memory is bounded, and so is
the time that they hold it."""

import asyncio
import json
import socket

import pytest
import pytest_asyncio
import uvicorn
from asgiref.sync import sync_to_async

from chatcore import handler
from chatcore.asgi import application
from conversations.models import Message
from tests.assistant.sse import PATH, ask, token_of, until
from tests.fakes.provider import Reply

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("openai_models", "registry"),
]

# More than the buffers of a connection on loopback hold.
LONG = ("x" * 999 + " ") * 900


@pytest_asyncio.fixture
async def server():
    """uvicorn in this loop, with the settings of `manage.py start` that matter here."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        # A small buffer, so that a client that does not read is felt at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        config = uvicorn.Config(application, http="httptools", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None
        serving = asyncio.create_task(server._serve([listener]))
        await until(lambda: server.started)
        yield server
        server.should_exit = True
        await serving


async def asked(server: uvicorn.Server, token: str) -> socket.socket:
    """A connection on which a question was asked, and nothing is read."""
    body = json.dumps(ask()).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    address = server.servers[0].sockets[0].getsockname()
    await loop.sock_connect(connection, address)
    await loop.sock_sendall(connection, head.encode() + body)
    return connection


async def read_to_the_end(connection: socket.socket) -> bytes:
    """What comes until the server hangs up or resets the connection."""
    loop, read = asyncio.get_running_loop(), bytearray()
    try:
        while piece := await loop.sock_recv(connection, 65_536):
            read += piece
    except ConnectionResetError:
        pass
    return bytes(read)


async def test_a_reader_that_does_not_read_holds_up_neither_the_answer_nor_memory(
    bob, server, provider, registry, monkeypatch, caplog
):
    monkeypatch.setattr(handler, "PATIENCE_SECONDS", 0.5)
    provider.reply_with(Reply(text=LONG))
    token = await sync_to_async(token_of)(bob)
    buffered = [0]

    def is_let_go() -> bool:
        connections = server.server_state.connections
        buffered.extend(each.transport.get_write_buffer_size() for each in connections)
        return not connections

    connection = await asked(server, token)
    await until(lambda: server.server_state.connections)
    await until(is_let_go)
    await until(lambda: not registry._running)
    read = await read_to_the_end(connection)
    connection.close()

    answer = await sync_to_async(Message.objects.get)(role="assistant")
    assert (answer.status, answer.content) == ("complete", LONG)
    assert read.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"[DONE]" not in read
    # One piece of at most 64 kB beyond the mark at which the server is told to wait.
    assert 0 < max(buffered) < 200_000
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []
