"""SIGTERM while people are connected, with one process and with two."""

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from chatcore.server import (
    END_SECONDS,
    GRACE_SECONDS,
    LAST_SECONDS,
    SAVE_AGAIN_SECONDS,
    SAVE_SECONDS,
)
from tests.degradation.steps import API, Person, wait_until
from tests.fakes.provider import Reply
from tests.fakes.raw_socket import RawSocket
from tests.server import Server

PATIENCE = 20
# What Docker waits before it kills what it stops; and that on a busy machine.
DOCKER_SECONDS = 10
MOST_SECONDS = 15
WORDS = [f"w{n}" for n in range(2000)]


@pytest.fixture(params=["1", "2"], ids=["one process", "two processes"])
def alice(request, tmp_path, provider):
    """An administrator, logged in, on a server that asks the loopback provider."""
    server = Server(
        tmp_path,
        WORKERS=request.param,
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=provider.openai_url,
        OPENAI_MODELS="gpt-test",
        ASSISTANT_LIMIT="off",
    ).start()
    alice = Person(server)
    alice.make_first_account()
    yield alice
    server.stop()


def headers(person: Person) -> dict[str, str]:
    cookies = "; ".join(f"{each.name}={each.value}" for each in person.cookies)
    return {"Cookie": cookies, "Origin": person.server.url}


def question(name: str) -> str:
    frame = {"type": "send", "requestId": f"r-{name}", "conversationId": name}
    return json.dumps({**frame, "messageId": f"m-{name}", "text": "Count."})


@contextmanager
def opened(person: Person) -> Iterator[ClientConnection]:
    url = person.server.url.replace("http", "ws", 1) + "/ws/assistant"
    with connect(url, additional_headers=headers(person)) as page:
        assert json.loads(page.recv(PATIENCE))["type"] == "ready"
        yield page


def read_to_the_close(page: ClientConnection) -> tuple[str, int]:
    """The rest of the answer's text, and the code."""
    text = ""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            frame = json.loads(page.recv(PATIENCE))
            text += frame.get("text", "") if frame["type"] == "delta" else ""
    assert closed.value.rcvd is not None
    return text, closed.value.rcvd.code


def stored_answer(person: Person, name: str) -> tuple[str, str]:
    messages = json.loads(person.get(f"{API}?id={name}").text)["messages"]
    return messages[-1]["status"], messages[-1]["parts"][0]["text"]


def test_all_parts_of_a_stop_fit_into_what_is_waited_for_them():
    parts = GRACE_SECONDS, SAVE_SECONDS, LAST_SECONDS, SAVE_AGAIN_SECONDS

    assert sum(parts) < END_SECONDS
    # The parent of workers looks twice a second, and Python needs some tenths to end.
    assert END_SECONDS + 1.5 <= DOCKER_SECONDS


def test_each_page_is_told_to_come_back_and_every_answer_is_saved(alice, provider):
    names = [f"chat-{n}" for n in range(4)]
    provider.reply_with(*[Reply(text=" ".join(WORDS), delay=0.02)] * len(names))
    with ExitStack() as pages:
        sockets = [pages.enter_context(opened(alice)) for _ in names]
        for page, name in zip(sockets, names, strict=True):
            page.send(question(name))
            while json.loads(page.recv(PATIENCE))["type"] != "delta":
                pass

        code = alice.server.stop(within=MOST_SECONDS)
        seen = [read_to_the_close(page) for page in sockets]

    assert code == 0
    assert [code for _, code in seen] == [1012] * len(names)
    alice.server.start()
    for name, (text, _) in zip(names, seen, strict=True):
        status, stored = stored_answer(alice, name)
        assert status == "interrupted"
        assert stored.split(" ") == WORDS[: len(stored.split(" "))]
        # What was shown is what was saved.
        assert stored.endswith(text)


def test_a_page_that_does_not_read_holds_nobody_up(alice, provider):
    names, text = [f"chat-{n}" for n in range(6)], " ".join(["x" * 60_000] * 16)
    provider.reply_with(*[Reply(text=text)] * len(names))
    with RawSocket(alice.server.port, "/ws/assistant", **headers(alice)) as page:
        for name in names:
            page.send_text(question(name))
        # Some 6 MB, about half of it in the buffers of the kernel.
        for name in names:
            wait_until(lambda name=name: stored_length(alice, name) == len(text), PATIENCE)

        assert alice.server.stop(within=MOST_SECONDS) == 0


def stored_length(person: Person, name: str) -> int:
    answer = person.get(f"{API}?id={name}")
    messages = json.loads(answer.text)["messages"] if answer.status == 200 else []
    return len(messages[-1]["content"]) if len(messages) == 2 else 0


def test_a_store_that_hangs_holds_nobody_up(alice, provider):
    provider.reply_with(Reply(text=" ".join(WORDS), delay=0.02))
    file: Path = alice.server.log.parent / "chatcore.sqlite3"
    with opened(alice) as page:
        page.send(question("hangs"))
        while json.loads(page.recv(PATIENCE))["type"] != "delta":
            pass
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            # As long as it is held, nothing can be written.
            other.execute("BEGIN IMMEDIATE")

            assert alice.server.stop(within=MOST_SECONDS) == 0

    said = alice.server.said()
    assert "The store does not answer; what was written since the last save is lost" in said
    assert "Traceback" not in said


def test_a_request_in_flight_gets_its_answer(alice):
    file: Path = alice.server.log.parent / "chatcore.sqlite3"
    with ThreadPoolExecutor(1) as thread, closing(sqlite3.connect(file)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        asked = thread.submit(alice.api, "POST", {"id": "in-flight"})
        # Nothing shows from outside that the request waits for the lock.
        time.sleep(0.5)
        alice.server.send_signal(signal.SIGTERM)
        # Long enough to be in the midst of stopping.
        time.sleep(0.7)
        other.execute("COMMIT")

        assert asked.result(PATIENCE).status == 201

    assert alice.server.stop(within=MOST_SECONDS) == 0
