"""What providers and the networks between have been seen to do, through engine and real SDKs.

Each case is told to the person in the words of its ending, keeps the text that had come, and says
how often the provider was asked, and whether the connection served the next answer as well.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from assistant import engine
from assistant.events import Failed, Finished, Retrying
from assistant.providers.sse import MAX_LINE_BYTES
from tests.assistant.asking import (
    ADAPTERS,
    ADDRESS,
    FAULT,
    NETWORK,
    OVERLOADED,
    REFUSED,
    TIMEOUT,
    UNREADABLE,
    adapter,
    events_of,
    text_of,
)
from tests.fakes.bodies import BODIES, Body, whole
from tests.fakes.scripted import (
    Script,
    ScriptedProvider,
    cut,
    pieces_of,
    respond,
    scripted,
    silence,
)

DONE = Finished("stop")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(engine, "SHORTEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(engine, "JITTER_SECONDS", 0.0)


@dataclass(frozen=True)
class Case:
    """One oddity. `scripts` is what the requests get, the last one again and again."""

    oddity: str
    scripts: Callable[[Body], list[Script]]
    ending: Finished | Failed
    text: str = ""
    asked: int = 1
    is_kept: bool = False  # the connection, for the next answer
    timeout: float = 5.0

    def __str__(self) -> str:
        return self.oddity


def begun(body: Body) -> bytes:
    return body.begin() + body.text("The answer")


def html(_body: Body) -> bytes:
    return b"<!doctype html>\n<title>Welcome to nginx!</title>\n"


CASES = [
    # --- The network ---------------------------------------------------------------------------
    Case(
        "the connection breaks before the first byte, each time",
        lambda body: [cut()],
        NETWORK,
        asked=2,
    ),
    Case(
        "the connection breaks before the first byte, once",
        lambda body: [cut(), respond(whole(body, "Yes."))],
        DONE,
        text="Yes.",
        asked=2,
        is_kept=True,
    ),
    Case(
        "the connection breaks behind the headers",
        lambda body: [respond(cut=True), respond(whole(body, "Yes."))],
        DONE,
        text="Yes.",
        asked=2,
        is_kept=True,
    ),
    Case(
        "the connection breaks behind the opening event, before anything was shown",
        lambda body: [respond(body.begin(), cut=True), respond(whole(body, "Yes."))],
        DONE,
        text="Yes.",
        asked=2,
        is_kept=True,
    ),
    Case(
        "the connection breaks in mid-answer",
        lambda body: [respond(begun(body), cut=True)],
        NETWORK,
        text="The answer",
    ),
    Case(
        "the connection breaks inside an event",
        lambda body: [respond(begun(body), body.text("never whole")[:-20], cut=True)],
        NETWORK,
        text="The answer",
    ),
    Case(
        "the connection breaks behind the reason of the end, before the last event",
        lambda body: [respond(begun(body), body.end(body.stop), cut=True)],
        DONE,
        text="The answer",
    ),
    Case(
        "the connection breaks behind the last event",
        lambda body: [respond(whole(body, "The answer"), cut=True)],
        DONE,
        text="The answer",
    ),
    Case(
        "the body ends politely in mid-answer, as behind a proxy with a time limit",
        lambda body: [respond(begun(body))],
        NETWORK,
        text="The answer",
        is_kept=True,
    ),
    Case(
        "the body ends inside an event",
        lambda body: [respond(begun(body), body.text("never whole")[:-20])],
        NETWORK,
        text="The answer",
        is_kept=True,
    ),
    Case("an empty body", lambda body: [respond()], NETWORK, asked=2, is_kept=True),
    # --- Silence -------------------------------------------------------------------------------
    Case(
        "the request is taken and nothing is said: nobody waits for that twice",
        lambda body: [silence()],
        TIMEOUT,
        timeout=0.3,
    ),
    Case(
        "headers, and then nothing",
        lambda body: [respond(silent=True)],
        TIMEOUT,
        timeout=0.3,
    ),
    Case(
        "silence in mid-answer",
        lambda body: [respond(begun(body), silent=True)],
        TIMEOUT,
        text="The answer",
        timeout=0.3,
    ),
    Case(
        "silence behind the last event: the connection is given up, the answer is whole",
        lambda body: [respond(whole(body, "The answer"), silent=True)],
        DONE,
        text="The answer",
        timeout=5.0,
    ),
    Case(
        "silence behind the reason of the end: the token counts are given up",
        lambda body: [respond(begun(body), body.end(body.stop), silent=True)],
        DONE,
        text="The answer",
        timeout=0.3,
    ),
    # --- What is no event of the provider's ----------------------------------------------------
    Case(
        "an event that is no JSON",
        lambda body: [respond(begun(body), b"data: {this is no JSON\n\n", silent=True)],
        UNREADABLE,
        text="The answer",
    ),
    Case(
        "an event that is no JSON comes first: the next one would be no better",
        lambda body: [respond(b"data: {this is no JSON\n\n", silent=True)],
        UNREADABLE,
    ),
    Case("a number as an event", lambda body: [respond(b"data: 42\n\n", silent=True)], UNREADABLE),
    Case(
        "fields of another type than they have",
        lambda body: [
            respond(begun(body), b'data: {"type": 7, "choices": "none"}\n\n', silent=True)
        ],
        UNREADABLE,
        text="The answer",
    ),
    Case(
        "an event that is no UTF-8",
        lambda body: [
            respond(begun(body), body.text("née").replace("é".encode(), b"\xe9"), silent=True)
        ],
        UNREADABLE,
        text="The answer",
    ),
    Case(
        "an event name that nobody knows yet",
        lambda body: [
            respond(
                begun(body),
                b'event: later\ndata: {"type": "later", "what": [1]}\n\n',
                body.end(body.stop),
                body.last(),
            )
        ],
        DONE,
        text="The answer",
        is_kept=True,
    ),
    # --- Status 200, and yet an error ----------------------------------------------------------
    Case(
        "status 200 and an error event first, each time",
        lambda body: [respond(body.error_event("overloaded"), silent=True)],
        OVERLOADED,
        asked=2,
    ),
    Case(
        "status 200 and an error event first, once",
        lambda body: [respond(body.error_event("fault")), respond(whole(body, "Yes."))],
        DONE,
        text="Yes.",
        asked=2,
        is_kept=True,
    ),
    Case(
        "an error event in mid-answer",
        lambda body: [respond(begun(body), body.error_event("fault"), silent=True)],
        FAULT,
        text="The answer",
    ),
    Case(
        "status 200 and an error as a JSON document",
        lambda body: [
            respond(json.dumps(body.error("overloaded")).encode(), content_type="application/json")
        ],
        OVERLOADED,
        asked=2,
        is_kept=True,
    ),
    Case(
        "an error as a JSON document, called a stream",
        lambda body: [respond(json.dumps(body.error("fault"), indent=2).encode())],
        FAULT,
        asked=2,
        is_kept=True,
    ),
    Case(
        "a JSON document that is no error",
        lambda body: [respond(b'{"status": "ok"}', content_type="application/json")],
        UNREADABLE,
        is_kept=True,
    ),
    Case(
        "a web page: the address leads to something else",
        lambda body: [respond(html(body), content_type="text/html")],
        ADDRESS,
        is_kept=True,
    ),
    Case(
        "a web page without end",
        lambda body: [
            respond(html(body), *[b"<p>" * 8000] * 4, content_type="text/html", silent=True)
        ],
        UNREADABLE,
    ),
    Case(
        "a sentence in place of a stream",
        lambda body: [respond(b"upstream connect error\n", content_type="text/plain")],
        NETWORK,
        asked=2,
        is_kept=True,
    ),
    # --- How it ends ---------------------------------------------------------------------------
    Case(
        "a reason of the end that nobody knows yet",
        lambda body: [respond(begun(body), body.end("moon_phase"), body.last())],
        DONE,
        text="The answer",
        is_kept=True,
    ),
    Case(
        "the length limit",
        lambda body: [respond(begun(body), body.end(body.length), body.last())],
        Finished("length"),
        text="The answer",
        is_kept=True,
    ),
    Case(
        "the provider breaks off its own answer: a refusal, or its filter",
        lambda body: [respond(begun(body), body.end(body.filtered), body.last())],
        REFUSED,
        text="The answer",
        is_kept=True,
    ),
    Case(
        "the last event is missing",
        lambda body: [respond(begun(body), body.end(body.stop))],
        DONE,
        text="The answer",
        is_kept=True,
    ),
    # --- How the bytes come --------------------------------------------------------------------
    Case(
        "all events in one piece",
        lambda body: [respond(whole(body, "Grüße", ", ", "世界 🌍"))],
        DONE,
        text="Grüße, 世界 🌍",
        is_kept=True,
    ),
    Case(
        "a few bytes at a time, and so also inside characters",
        lambda body: [respond(*pieces_of(whole(body, "Grüße", ", ", "世界 🌍"), 7))],
        DONE,
        text="Grüße, 世界 🌍",
        is_kept=True,
    ),
    Case(
        "lines that end with CR LF",
        lambda body: [respond(whole(body, "The answer").replace(b"\n", b"\r\n"))],
        DONE,
        text="The answer",
        is_kept=True,
    ),
    Case(
        "comments and blank lines that keep the connection alive",
        lambda body: [
            respond(b": OPENROUTER PROCESSING\n\n", b"\n\n:\n", whole(body, "The answer"))
        ],
        DONE,
        text="The answer",
        is_kept=True,
    ),
    Case(
        "a byte order mark",
        lambda body: [respond(b"\xef", b"\xbb\xbf" + whole(body, "The answer"))],
        DONE,
        text="The answer",
        is_kept=True,
    ),
    Case(
        "no blank behind the colon",
        lambda body: [respond(whole(body, "The answer").replace(b"data: ", b"data:"))],
        DONE,
        text="The answer",
        is_kept=True,
    ),
    Case(
        "a stream that is called JSON",
        lambda body: [respond(whole(body, "The answer"), content_type="application/json")],
        DONE,
        text="The answer",
        is_kept=True,
    ),
    Case(
        "an event of half a megabyte",
        lambda body: [respond(whole(body, "long " * 100_000))],
        DONE,
        text="long " * 100_000,
        is_kept=True,
    ),
    Case(
        "a line without end",
        lambda body: [
            respond(
                begun(body), b"data: ", *[b"x" * 2**20] * (MAX_LINE_BYTES // 2**20), silent=True
            )
        ],
        UNREADABLE,
        text="The answer",
    ),
]


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_an_oddity_of_a_provider(case, name):
    body = BODIES[name]
    async with scripted(*case.scripts(body)) as server:
        one = adapter(name, server.url, timeout=case.timeout)

        events = await events_of(one)

        assert events[-1] == case.ending
        assert text_of(events) == case.text
        assert server.asked == case.asked
        assert sum(isinstance(event, Retrying) for event in events) == case.asked - 1
        assert await _is_kept(one, server, body) is case.is_kept
        await one.close()


async def _is_kept(one, server: ScriptedProvider, body: Body) -> bool:
    """Whether the connection of the last request serves the next one as well."""
    connections = server.connections
    server.scripts = [respond(whole(body, "Next."))]
    assert text_of(await events_of(one)) == "Next."
    return server.connections == connections
