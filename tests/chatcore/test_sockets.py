"""Clients that do not read, at the edge of a real server. What is sent is tests/fakes/sender.py."""

import json
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.ports import free_port
from tests.fakes.raw_socket import PING, RawSocket
from tests.server import ROOT

CLOSE = 8
MiB = 1024 * 1024
# For what must not happen in a test.
NEVER = 3600

by_the_kernel = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system cannot end stalled connections"
)
with_proc = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


class Sender:
    def __init__(self, **times: float) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.sender", json.dumps({"port": self.port, **times})],
            cwd=ROOT,
        )
        self._wait_for(self.state)

    def state(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    def wait_for_event(self, event: str) -> None:
        self._wait_for(lambda: event in self.state()["events"])

    def _wait_for(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < deadline, self.state()
            # Until the server has done it, which takes some tenths of a second.
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


@pytest.fixture
def serve() -> Iterator[Callable[..., Sender]]:
    senders: list[Sender] = []

    def begin(**times: float) -> Sender:
        senders.append(Sender(**times))
        return senders[-1]

    yield begin
    for sender in senders:
        sender.stop()


def test_a_page_that_reads_again_in_time_learns_why_it_was_closed(serve):
    sender = serve(STALLED_SECONDS=NEVER)
    with RawSocket(sender.port, "/close") as page:
        sender.wait_for_event("/close closed")

        payload = next(payload for opcode, payload in page.frames() if opcode == CLOSE)

    assert (struct.unpack("!H", payload[:2])[0], payload[2:]) == (4408, b"too slow")
    sender.wait_for_event("/close ended by ClientDisconnected")


def test_a_page_that_does_not_read_its_close_is_let_go(serve):
    sender = serve(END_SECONDS=1, STALLED_SECONDS=NEVER)

    with RawSocket(sender.port, "/close"):
        sender.wait_for_event("/close ended by ClientDisconnected")

        assert sender.state()["events"] == ["/close closed", "/close ended by ClientDisconnected"]
        assert sender.state()["running"] == []


def test_a_page_that_neither_reads_nor_answers_pings_is_let_go(serve):
    sender = serve(END_SECONDS=1, PING_SECONDS=1, PONG_SECONDS=1, STALLED_SECONDS=NEVER)

    with RawSocket(sender.port, "/flood"):
        sender.wait_for_event("/flood ended by ClientDisconnected")


@by_the_kernel
@with_proc
def test_a_page_that_takes_nothing_is_let_go_and_costs_little_until_then(serve):
    sender = serve(STALLED_SECONDS=2, END_SECONDS=NEVER)
    before = sender.state()["memory"]

    with RawSocket(sender.port, "/flood"):
        meanwhile = sender.state()["memory"]
        sender.wait_for_event("/flood ended by ClientDisconnected")

    assert meanwhile - before < 4 * MiB


@by_the_kernel
def test_a_reader_of_a_stream_that_takes_nothing_is_let_go(serve):
    sender = serve(STALLED_SECONDS=2)

    with socket.create_connection(("127.0.0.1", sender.port)) as reader:
        reader.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sender.wait_for_event("/stream ended")


@with_proc
def test_pings_of_a_page_that_reads_no_replies_do_not_pile_up(serve):
    sender = serve(STALLED_SECONDS=NEVER, PING_SECONDS=NEVER)
    with RawSocket(sender.port, "/quiet") as page:
        before = sender.state()["memory"]

        for _ in range(24):
            page.connection.sendall(PING * (MiB // len(PING)))

        assert sender.state()["memory"] - before < 8 * MiB


def test_a_page_that_closes_is_answered_at_once(serve):
    sender = serve(END_SECONDS=NEVER)
    with RawSocket(sender.port, "/quiet") as page:
        page.connection.sendall(b"\x88\x82" + bytes(4) + struct.pack("!H", 1001))

        assert list(page.frames()) == [(CLOSE, struct.pack("!H", 1001))]

    sender.wait_for_event("/quiet ended")
