"""axe finds nothing to complain of: on every page, in every state, wide and on a phone, in light
and in dark. What it cannot see, the keyboard and the focus, is in test_keyboard.py.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Page, Route, expect

from tests.e2e.axe import Axe
from tests.e2e.chats import add_chats, add_every_kind
from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import make_first_account
from tests.e2e.team import add_team
from tests.e2e.test_frames import Stand
from tests.server import PASSWORD

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
SIZES = {"desktop": DESKTOP, "phone": PHONE}
# Two of Django's admin around our reports, and none of ours to mend: its header is no banner, and
# its sidebar is beside the landmarks.
ADMIN = ("#header", "#nav-sidebar", ".breadcrumbs", "#toggle-nav-sidebar", ".skip-to-content-link")


@pytest.fixture
def axe() -> Iterator[Axe]:
    axe = Axe()
    yield axe
    if axe.findings:
        pytest.fail("\n".join(axe.findings), pytrace=False)


def sizes_of(alice: Page, open_page: Callable[..., Page]) -> Iterator[tuple[str, Page]]:
    """The same person at a desk, and with a phone."""
    state = alice.context.storage_state()
    for name, options in SIZES.items():
        yield name, open_page(**options, storage_state=state, reduced_motion="reduce")


def send(page: Page, question: str) -> None:
    """By the button: on a phone Enter makes a new line."""
    page.get_by_label("Your message").fill(question)
    page.get_by_role("button", name="Send").click()


def without_status(route: Route) -> None:
    """What the server answers, as if all were well: a browser complains of its status."""
    route.fulfill(response=route.fetch(), status=200)


def error_page(page: Page, error: str) -> str:
    """The page of an error that cannot be had of a server that is well."""
    hashed = re.findall(r'/static/[^"]+', page.content())
    names = {re.sub(r"\.[0-9a-f]{12}\.", ".", each): each for each in hashed}
    html = render_to_string(f"{error}.html")
    return re.sub(r'/static/[^"]+', lambda found: names[found[0]], html)


def test_axe_would_find_something(open_page):
    page = open_page()
    page.set_content(
        "<style>p { background: #888; color: #999 } button { width: 9px; height: 9px; padding: 0 }"
        "</style><p>Words</p><button title=one></button><button></button>"
    )
    axe = Axe()

    axe.look(page, "a bad page")

    found = {each.split(": ")[1] for each in axe.findings}
    assert {"color-contrast", "button-name", "target-size", "landmark-one-main"} <= found
    assert {each.split(": ")[0] for each in axe.findings} >= {
        "a bad page, light",
        "a bad page, dark",
    }


@on_sqlite
def test_pages_for_nobody_in_particular(server, open_page, axe):
    page = open_page(reduced_motion="reduce")
    page.route("**/setup", without_status)
    page.goto(f"{server.url}/setup")
    axe.look(page, "set-up without its link")
    page.goto(server.line.split()[-1])
    axe.look(page, "set-up")
    make_first_account(page, server)

    server.stop()
    server.start(ALLOW_SIGNUP="1")
    for name, options in SIZES.items():
        guest = open_page(**options, reduced_motion="reduce")
        guest.goto(f"{server.url}/login")
        axe.look(guest, f"log-in, {name}")
        guest.get_by_label("E-mail").fill("alice@acme.example")
        guest.get_by_label("Password").fill("wrong")
        guest.get_by_role("button", name="Log in").click()
        expect(guest.get_by_role("alert")).to_be_visible()
        axe.look(guest, f"log-in refused, {name}")
        guest.goto(f"{server.url}/signup")
        axe.look(guest, f"sign-up, {name}")
        for error in ("400", "403", "403_csrf", "404", "500", "503"):
            guest.goto(f"{server.url}/login")
            guest.set_content(error_page(guest, error))
            axe.look(guest, f"error {error}, {name}")


@on_sqlite
def test_the_chat(alice, server, open_page, axe):
    add_every_kind(server)
    for name, page in sizes_of(alice, open_page):
        page.goto(server.url)
        axe.look(page, f"empty chat, {name}")
        page.get_by_role("button", name="Model:").click()
        axe.look(page, f"model picker, {name}")
        page.get_by_role("combobox", name="Search models").fill("nothing is called this")
        axe.look(page, f"model picker without a hit, {name}")
        page.keyboard.press("Escape")
        page.get_by_label("Your message").fill("/")
        expect(page.locator("#prompt-note")).to_have_text("There are no prompts yet.")
        axe.look(page, f"no prompts, {name}")

        page.route("**/api/assistant/usage?*", lambda each: each.fulfill(json={"totalTokens": 0}))
        page.goto(f"{server.url}/c/every-kind")
        expect(page.locator(".message")).to_have_count(14)
        # Colours of code and formulas come when they are about to be seen.
        page.locator(".code").scroll_into_view_if_needed()
        expect(page.locator(".code .hljs-keyword").first).to_be_visible()
        page.locator(".maths-display").scroll_into_view_if_needed()
        expect(page.locator(".maths-display math")).to_be_visible()
        axe.look(page, f"messages of every kind, {name}")
        for each in page.locator(".reasoning summary:visible, .tool summary").all():
            each.click()
        page.get_by_role("button", name="Details").first.click()
        expect(page.locator(".answer-usage").first).to_contain_text("No tokens were counted")
        page.get_by_role("button", name="Edit").first.click()
        page.locator("#head-menu summary").click()
        axe.look(page, f"messages with all that opens, {name}")
        page.get_by_role("button", name="Share …").click()
        expect(page.get_by_role("dialog", name="Share this chat")).to_be_visible()
        # The phone finds the link that was made at the desk.
        if name == "desktop":
            axe.look(page, "a chat that is not shared")
            page.get_by_role("button", name="Make a link").click()
        link = page.get_by_label("Link", exact=True)
        expect(link).to_be_visible()
        axe.look(page, f"a chat that is shared, {name}")
        page.get_by_role("button", name="Stop sharing").click()
        axe.look(page, f"whether to stop sharing, {name}")
        page.goto(link.input_value())
        expect(page.locator(".shared .message")).to_have_count(14)
        axe.look(page, f"a shared chat, {name}")
        page.goto(f"{server.url}/settings/links")
        page.get_by_label("Stop sharing Every kind").click()
        axe.look(page, f"links that are shared, {name}")


@on_sqlite
def test_an_answer_that_is_written(alice, server, open_page, axe):
    for name, page in sizes_of(alice, open_page):
        stand = Stand(page)
        stand.on_send = stand.start
        page.route_web_socket("**/ws/assistant", stand.open)
        page.goto(server.url)
        send(page, "Hello?")
        expect(page.locator(".message-assistant .message-waiting")).to_be_visible()
        axe.look(page, f"waiting for an answer, {name}")
        stand.event("retrying", 1, message="OpenAI has too much to do.", seconds=60.0)
        expect(page.locator(".message-assistant .message-retrying")).to_be_visible()
        axe.look(page, f"a model that is asked again, {name}")
        call = {"id": "call_1", "name": "rocketreach_person_lookup"}
        stand.event("toolCall", 2, **call, arguments='{"id":42}')
        stand.event("approvalAsked", 3, **call, question="Look up 42? This costs one credit.")
        expect(page.get_by_role("button", name="Deny")).to_be_visible()
        axe.look(page, f"a tool that asks, {name}")
        error = {"code": "overloaded", "message": "OpenAI has too much to do."}
        stand.event("finished", 4, status="failed", error=error)
        expect(page.get_by_role("button", name="Retry")).to_be_visible()
        axe.look(page, f"an answer that failed, {name}")


@on_sqlite
def test_the_list_of_chats(alice, server, open_page, axe):
    add_chats(server, 60, hours_apart=9, deleted=2)
    for name, page in sizes_of(alice, open_page):

        def unfold(page=page, name=name) -> None:
            if name == "phone":
                page.get_by_role("button", name="Open the list of chats").click()

        page.goto(server.url)
        unfold()
        axe.look(page, f"list of chats, {name}")
        page.locator(".account summary").click()
        axe.look(page, f"account menu, {name}")
        page.get_by_role("button", name="Keyboard shortcuts").click()
        axe.look(page, f"shortcuts, {name}")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")

        page.goto(server.url)
        unfold()
        search = page.get_by_role("searchbox", name="Search chats")
        search.fill("needle")
        expect(page.locator("#search-list mark").first).to_be_visible()
        axe.look(page, f"search with a hit, {name}")
        search.fill("nothing has this")
        expect(page.get_by_text("Nothing found.").last).to_be_visible()
        axe.look(page, f"search without a hit, {name}")
        page.get_by_role("button", name="Clear the search").click()

        first = page.locator(".chat-item").first
        first.hover()
        first.get_by_role("button", name="Actions for").click()
        axe.look(page, f"menu of a chat, {name}")
        page.get_by_role("menuitem", name="Rename").click()
        expect(page.get_by_label("Name of the chat")).to_be_focused()
        axe.look(page, f"a chat that is renamed, {name}")
        page.keyboard.press("Escape")
        first.hover()
        first.get_by_role("button", name="Actions for").click()
        page.get_by_role("menuitem", name="Delete").click()
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        axe.look(page, f"deleted, with Undo, {name}")

        page.get_by_role("button", name="Trash", exact=True).click()
        expect(page.locator(".deleted").first).to_be_visible()
        axe.look(page, f"trash, {name}")
        page.route("**/conversations?*", lambda route: route.abort())
        page.get_by_role("button", name="Back to the chats").click()
        page.get_by_role("button", name="Trash", exact=True).click()
        expect(page.get_by_role("button", name="Try again").last).to_be_visible()
        axe.look(page, f"trash that cannot be read, {name}")
        if name == "desktop":
            page.get_by_role("button", name="Hide the sidebar").click()
            axe.look(page, "sidebar folded")
            page.get_by_role("button", name="Show the sidebar").click()


@on_sqlite
def test_the_connection(alice, server, open_page, axe):
    pages = dict(sizes_of(alice, open_page))
    for name, page in pages.items():
        page.goto(server.url)
        expect(page.get_by_label("Your message")).to_be_editable()
        page.context.set_offline(True)
        page.evaluate("window.dispatchEvent(new Event('offline'))")
        expect(page.locator("#banner")).to_contain_text("You are offline.")
        axe.look(page, f"offline, {name}")
        page.context.set_offline(False)
        expect(page.locator("#banner")).to_be_hidden()
    server.stop()
    for name, page in pages.items():
        expect(page.locator("#banner")).to_contain_text("The connection is lost")
        axe.look(page, f"reconnecting, {name}")
    server.start()
    for page in pages.values():
        expect(page.locator("#banner")).to_be_hidden(timeout=30_000)
    alice.goto(server.url)
    alice.locator(".account summary").click()
    alice.get_by_role("button", name="Log out").click()
    for name, page in pages.items():
        send(page, "Is anybody there?")
        expect(page.get_by_role("link", name="Log in again")).to_be_visible()
        axe.look(page, f"session ended, {name}")


@on_sqlite
def test_settings_tokens_and_prompts(alice, server, open_page, axe):
    for name, page in sizes_of(alice, open_page):
        for address in ("/settings", "/settings/data", "/password", "/tokens", "/prompts"):
            page.goto(f"{server.url}{address}")
            axe.look(page, f"{address}, {name}")

        page.goto(f"{server.url}/settings")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("Your settings are saved.")
        axe.look(page, f"settings saved, {name}")
        page.goto(f"{server.url}/password")
        for field in page.locator("input[type=password]").all():
            field.fill("wrong")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("alert").first).to_be_visible()
        axe.look(page, f"password refused, {name}")

        page.goto(f"{server.url}/tokens")
        page.get_by_label("What it is for").fill(f"Nightly export, {name}")
        page.get_by_role("button", name="Make a token").click()
        expect(page.get_by_label("Your new token")).to_have_value(re.compile("^cc_"))
        page.get_by_label(re.compile("Revoke Nightly")).first.click()
        axe.look(page, f"token shown once, {name}")

        page.goto(f"{server.url}/prompts")
        page.get_by_label("Name").fill(f"Review, {name}")
        page.get_by_label("Text").fill("Read this, and say what is unclear.")
        page.get_by_role("button", name="Keep it").click()
        page.get_by_label(re.compile("Delete Review")).first.click()
        axe.look(page, f"prompts, {name}")
        page.get_by_role("link", name=re.compile("Change Review")).first.click()
        axe.look(page, f"a prompt, {name}")
        page.goto(server.url)
        page.get_by_label("Your message").fill("/")
        expect(page.get_by_role("option").first).to_be_visible()
        axe.look(page, f"list of prompts, {name}")


@on_sqlite
def test_the_reports(alice, server, open_page, axe):
    add_team(server, calls_each=2)
    for name, page in sizes_of(alice, open_page):
        page.goto(f"{server.url}/admin/analytics/")
        expect(page.locator("canvas").nth(1)).to_be_visible()
        page.get_by_text("Show as a table").click()
        axe.look(page, f"reports, {name}", exclude=ADMIN)
        page.get_by_role("link", name="Member 05").first.click()
        axe.look(page, f"reports of a person, {name}", exclude=ADMIN)
        page.route("**/analytics/?from=*", without_status)
        page.goto(f"{server.url}/admin/analytics/?from=2026-02-30&to=2026-03-01")
        axe.look(page, f"a report that cannot be made, {name}", exclude=ADMIN)
    dave = open_page(reduced_motion="reduce")
    dave.goto(f"{server.url}/login?next=/admin/analytics/")
    dave.get_by_label("E-mail").fill("dave@acme.example")
    dave.get_by_label("Password").fill(PASSWORD)
    dave.get_by_role("button", name="Log in").click()
    axe.look(dave, "reports of a manager", exclude=ADMIN)


@on_sqlite
def test_every_component(alice, server, open_page, axe):
    for name, page in sizes_of(alice, open_page):
        page.goto(f"{server.url}/components")
        expect(page.locator(".tool-ask:visible")).to_have_count(1)
        page.get_by_role("button", name="Show one with a way back").click()
        axe.look(page, f"components, {name}")
        page.get_by_role("button", name="Keyboard shortcuts", include_hidden=True).evaluate(
            "each => each.click()"
        )
        axe.look(page, f"a dialog, {name}")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Dark").click()
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(28, 27, 25)"
        assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
