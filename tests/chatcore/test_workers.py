"""Several processes behind one socket: started, killed, replaced and stopped."""

import http.client
import os
import pickle
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from threading import Event

import pytest
from django.core.checks import run_checks

from chatcore.server import listen
from tests.chatcore.test_settings import manage
from tests.degradation.steps import wait_until
from tests.server import ROOT, Server

# In seconds; starting a process takes a second or two, more on a busy machine.
PATIENCE = 20


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path, WORKERS="2").start()
    yield server
    server.stop(signal.SIGKILL)


def ask(server: Server) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with closing(connection):
        connection.request("GET", "/healthz")
        return connection.getresponse().status


def told(server: Server) -> list[str]:
    """What the log says of workers."""
    return [line for line in server.said().splitlines() if "chatcore.workers" in line]


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_them_in_good_order_however_often(server, kind):
    workers = server.workers()

    code = server.stop(kind, kind, within=10)

    assert code == 0
    assert len(workers) == 2
    assert server.said().splitlines()[-2:] == [server.line, "Stopped."]
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_ctrl_c_reaches_everybody_and_ends_them_in_good_order(server):
    """A terminal sends it to each process that it has started."""
    for pid in server.workers():
        os.kill(pid, signal.SIGINT)

    assert server.stop(signal.SIGINT, within=10) == 0
    assert server.said().splitlines()[-2:] == [server.line, "Stopped."]


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_files_that_a_worker_makes_are_for_this_user_alone(server):
    masks = [
        next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "Umask" in line
        )
        for pid in server.workers()
    ]

    assert masks == ["Umask:\t0077"] * 2


def test_a_killed_worker_is_started_again(server):
    killed, other = server.workers()

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: len(told(server)) == 1, PATIENCE)
    said = f"Worker {killed} was ended by signal 9; another one takes its place"
    assert told(server)[0].endswith(f"ERROR chatcore.workers: {said}")
    wait_until(lambda: len(server.workers()) == 2, PATIENCE)
    assert other in server.workers()
    assert ask(server) == 200
    assert server.stop(within=10) == 0


def test_workers_whose_parent_was_killed_leave_the_port(server):
    server.stop(signal.SIGKILL)

    def is_free() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", server.port)) != 0

    wait_until(is_free, PATIENCE)
    assert server.start().line
    assert ask(server) == 200


def test_replacing_all_of_them_refuses_nobody(server):
    before, is_over = server.workers(), Event()

    def ask_on() -> list[int]:
        answers = []
        while not is_over.is_set():
            answers.append(ask(server))
        return answers

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ask_on) for _ in range(4)]
        server.send_signal(signal.SIGHUP)
        try:
            wait_until(lambda: told(server), 2 * PATIENCE)
        finally:
            is_over.set()
        answers = [status for each in asked for status in each.result()]

    assert "All 2 workers were replaced" in told(server)[0]
    assert not set(before) & set(server.workers())
    assert len(server.workers()) == 2
    assert len(answers) > 100
    assert set(answers) == {200}
    assert server.stop(within=10) == 0


def test_a_signal_while_they_are_being_replaced_ends_all(server):
    assert server.stop(signal.SIGHUP, signal.SIGTERM, within=10) == 0


def test_a_frozen_worker_holds_nobody_up_at_the_end(server):
    frozen = server.workers()[0]
    os.kill(frozen, signal.SIGSTOP)

    assert server.stop(within=15) == 0
    assert f"Worker {frozen} did not end and was killed" in told(server)[0]


def test_a_worker_that_cannot_start_is_told_and_ends_all(tmp_path):
    program = """
import django
django.setup(set_prefix=False)
from chatcore import server, workers
config = server.config("tests.nowhere:application", workers=2)
supervisor = workers.Supervisor(config, [server.listen("127.0.0.1", 0)], lambda: print("ready"))
supervisor.run()
print("failed" if supervisor.has_failed else "served")
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "ENV_FILE": "",
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "chatcore.settings",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.stdout == "failed\n"
    assert 'Could not import module "tests.nowhere"' in result.stderr


def test_a_worker_knows_what_kind_of_socket_it_listens_on():
    """Without the protocol asyncio leaves out TCP_NODELAY, and small answers wait 40 ms."""
    with (
        closing(listen("127.0.0.1", 0)) as listener,
        closing(pickle.loads(ForkingPickler.dumps(listener))) as there,
    ):
        assert there.proto == socket.IPPROTO_TCP
        assert there.getsockname() == listener.getsockname()


def test_several_workers_without_redis_get_a_warning(settings):
    settings.WORKERS = 4

    assert [message.id for message in run_checks()] == ["chatcore.W003"]

    settings.REDIS_URL = "redis://localhost:6379/0"

    assert run_checks() == []


def test_what_several_workers_lack_without_redis_is_said_once_for_all(server):
    assert server.said().count("Redis URL not configured") == 1
    assert "each of the 2 processes caches and counts limits for itself" in server.said()
    assert "(chatcore.W003) WORKERS=2, but REDIS_URL is not set" in server.said()


@pytest.mark.parametrize("number", ["0", "65"])
def test_a_number_of_workers_that_makes_no_sense_is_told(number, tmp_path):
    result = manage("start", "--workers", number, DATA_DIR=str(tmp_path))

    assert result.returncode == 1
    assert f"--workers {number} cannot be used. Write 1 to 64." in result.stderr
    assert "Traceback" not in result.stderr


def test_the_setting_has_the_same_bounds(tmp_path):
    result = manage("check", WORKERS="65", DATA_DIR=str(tmp_path))

    assert result.returncode == 1
    assert "WORKERS=65 cannot be used." in result.stderr
    assert "Write a whole number from 1 to 64." in result.stderr
