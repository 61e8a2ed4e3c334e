"""What the page does with frames and close codes that a healthy server sends rarely."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

GENERATION = "01a209cd-3207-7377-a604-c6ee0f203cff"


@dataclass
class Stand:
    """Stands in for the server's end of the page's socket."""

    page: Page
    sockets: list[WebSocketRoute] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    on_send: Callable[[dict[str, Any]], None] = lambda frame: None

    def open(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(self._take)
        self.say(type="ready", protocol=1)

    def say(self, **frame: Any) -> None:
        self.sockets[-1].send(json.dumps(frame))

    def event(self, kind: str, seq: int, **fields: Any) -> None:
        self.say(type=kind, generationId=GENERATION, seq=seq, **fields)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]

    def start(self, frame: dict[str, Any]) -> None:
        self.say(
            type="started",
            requestId=frame["requestId"],
            conversationId=frame["conversationId"],
            title="Hello?",
            messageId=frame["messageId"],
            generationId=GENERATION,
            answerId="answer-1",
            model="openai:gpt-test",
        )

    def wait_for(self, kind: str, count: int) -> None:
        # The stand's frames are read while the browser is waited for.
        for _ in range(150):
            if len(self.of(kind)) >= count:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(self.frames)

    def _take(self, message: str | bytes) -> None:
        frame = json.loads(message)
        self.frames.append(frame)
        if frame["type"] == "send":
            self.on_send(frame)


@pytest.fixture
def stand(alice, server) -> Stand:
    stand = Stand(alice)
    stand.on_send = stand.start
    alice.route_web_socket("**/ws/assistant", stand.open)
    alice.goto(server.url)
    return stand


def answer(page: Page):
    return page.locator(".message-assistant")


@on_sqlite
def test_a_provider_that_is_asked_again_is_told_until_the_first_piece(stand):
    page = stand.page
    ask(page, "Hello?")

    stand.event("retrying", 1, message="OpenAI has too much to do.", seconds=2.0)

    waiting = answer(page).locator(".message-retrying")
    expect(waiting).to_have_text("OpenAI has too much to do. Trying again in 2 s")
    expect(waiting).to_have_text("OpenAI has too much to do. Trying again …")
    expect(page.locator("#announcer")).to_have_text("OpenAI has too much to do. Trying again.")
    stand.event("delta", 2, channel="text", text="Here I am.")
    expect(waiting).to_be_hidden()
    expect(answer(page).locator(".message-waiting")).to_be_hidden()
    expect(answer(page).locator(".message-body")).to_have_text("Here I am.")


@on_sqlite
@pytest.mark.parametrize("code", [1006, 1012, 4401, 4408])
def test_after_this_code_the_page_comes_back_and_says_how_far_it_got(stand, code):
    page = stand.page
    ask(page, "Hello?")
    stand.event("delta", 7, channel="text", text="Here ")
    expect(answer(page)).to_contain_text("Here")

    # A page cannot be handed 1006, which says that there was no code.
    stand.sockets[-1].close(**({} if code == 1006 else {"code": code}))
    stand.wait_for("attach", 1)
    stand.event("delta", 7, channel="text", text="Here ")
    stand.event("delta", 8, channel="text", text="I am.")
    stand.event("finished", 9, status="done", error=None)

    expect(page.get_by_role("button", name="Send")).to_be_visible()
    expect(answer(page).locator(".message-body")).to_have_text("Here I am.")
    assert stand.of("attach") == [{"type": "attach", "generationId": GENERATION, "after": 7}]
    expect(page.locator("#banner")).to_be_hidden()


@on_sqlite
def test_a_page_that_sent_too_many_frames_waits_before_it_comes_back(stand):
    page = stand.page
    page.evaluate("Math.random = () => 0")

    stand.sockets[-1].close(code=4429)

    # The banner comes after 1.5 seconds, and the next try after 4.
    expect(page.locator("#banner")).to_have_text("The connection is lost. Trying again …")
    assert len(stand.sockets) == 1
    expect(page.locator("#banner")).to_be_hidden()
    assert len(stand.sockets) == 2


@on_sqlite
def test_a_question_that_meets_a_server_on_its_way_down_is_asked_the_next_one(stand):
    page = stand.page

    def refuse(frame: dict[str, Any]) -> None:
        stand.say(
            type="error",
            code="restarting",
            message="The server is restarting.",
            requestId=frame["requestId"],
            field=None,
            retryAfter=None,
        )

    stand.on_send = refuse
    ask(page, "Hello?")
    stand.wait_for("send", 1)
    expect(page.locator(".message-user.is-pending")).to_be_visible()
    expect(page.get_by_label("Your message")).to_have_value("")
    stand.on_send = stand.start
    stand.sockets[-1].close(code=1012)

    expect(page.locator(".message-user.is-pending")).to_have_count(0)
    stand.wait_for("send", 2)
    assert stand.frames[0] == stand.frames[1]
    expect(page.locator(".message-user")).to_have_count(1)


@on_sqlite
@pytest.mark.parametrize("status", ["interrupted", "stopped", "failed"])
def test_an_answer_that_ended_early_can_be_continued_and_comes_back_if_it_is_refused(stand, status):
    page = stand.page
    error = {"code": "network", "message": "It broke.", "retryable": True, "retryAfter": None}
    ask(page, "Hello?")
    stand.event("delta", 1, channel="text", text="Here ")
    stand.event("finished", 2, status=status, error=error if status == "failed" else None)

    page.get_by_role("button", name="Continue").click()
    stand.wait_for("continue", 1)
    expect(answer(page)).to_be_hidden()
    frame = stand.of("continue")[0]
    stand.say(
        type="error",
        code="too_many_running",
        message="Too many answers are running.",
        requestId=frame["requestId"],
        field=None,
        retryAfter=None,
    )

    expect(answer(page).locator(".message-body")).to_have_text("Here")
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    expect(page.locator("#composer-notice")).to_have_text("Too many answers are running.")
    assert frame == {
        "type": "continue",
        "requestId": frame["requestId"],
        "conversationId": stand.of("send")[0]["conversationId"],
        "messageId": "answer-1",
        "model": "openai:gpt-test",
    }


@on_sqlite
def test_a_snapshot_that_goes_on_from_what_is_shown_leaves_it_alone(stand):
    page = stand.page
    ask(page, "Hello?")
    stand.event("delta", 1, channel="text", text="# One\n\nTwo")
    expect(answer(page).locator(".message-body p")).to_have_text("Two")
    page.evaluate("window.heading = document.querySelector('.message-body h1')")

    stand.event(
        "snapshot",
        5,
        conversationId="c",
        parentId="m",
        answerId="answer-1",
        model="openai:gpt-test",
        text="# One\n\nTwo and three",
        reasoning="",
        status="done",
        error=None,
    )

    expect(answer(page).locator(".message-body p")).to_have_text("Two and three")
    assert page.evaluate("heading === document.querySelector('.message-body h1')")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
