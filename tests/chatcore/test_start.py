"""`manage.py start`, as a process of its own."""

import http.client
import signal
import socket
from contextlib import closing

import pytest

from chatcore.server import listen
from tests.chatcore.test_settings import manage
from tests.server import Server


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    server = Server(folder).start()
    yield server
    server.stop(signal.SIGKILL)


def said(server: Server) -> list[str]:
    """Its lines, but for the one warning of a start without Redis, which the log writes."""
    warning, *lines = server.said().splitlines()
    assert "WARNING chatcore.cache: Redis URL not configured" in warning
    return lines


def test_a_port_that_is_taken_is_told_before_anything_else_is_done(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = manage("start", DATA_DIR=str(tmp_path), PORT=str(port))

    assert result.returncode == 1
    assert f"Cannot listen on 127.0.0.1, port {port}: Address already in use." in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order_however_often_and_whoever_is_connected(server, kind):
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    kept.request("GET", "/login")
    response = kept.getresponse()
    response.read()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent:
        silent.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")

        code = server.stop(kind, kind)

    kept.close()
    assert code == 0
    assert said(server) == ["Preparing the store ...", server.line, "Stopped."]
    assert "Server" not in response.headers
    assert sorted(path.name for path in server.log.parent.iterdir()) == [
        "chatcore.sqlite3",
        "secret_key",
        "server.log",
    ]


def test_what_is_no_http_is_refused_and_not_logged(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stranger:
        stranger.sendall(b"\x16\x03\x01\r\n\r\n")
        answer = stranger.recv(100)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert server.stop() == 0
    assert said(server) == ["Preparing the store ...", server.line, "Stopped."]


def test_small_answers_do_not_wait_for_an_acknowledgement():
    """asyncio sets TCP_NODELAY only on connections whose listener names its protocol."""
    with closing(listen("127.0.0.1", 0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
