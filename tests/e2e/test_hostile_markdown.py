"""Nothing that a model writes runs, leaves the page's frame, or asks another host."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.hostile_markdown import CASES
from tests.e2e.steps import ask
from tests.e2e.test_sharing import share
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

WATCH = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", event => violations.push(event.blockedURI));
"""
HTML_TAGS = set(
    "a b blockquote br button code del div em h1 h2 h3 h4 h5 h6 hr i kbd li mark ol p pre s span "
    "strong sub sup table tbody td th thead tr u ul".upper().split()
)
ATTRIBUTES = {
    *("align", "aria-label", "aria-pressed", "class", "data-action", "dir", "href", "rel"),
    *("role", "start", "tabindex", "target", "title", "type"),
}
CLASSES = (
    "image-",
    "link-host",
    "is-",
    "code",
    "hljs",
    "language-",
    "maths",
    "plain",
    "table",
    "tml-",
)
SEEN = """
  body => [...body.querySelectorAll("*")].map(each => ({
    tag: each.tagName,
    isMaths: each.namespaceURI.endsWith("MathML"),
    attributes: each.getAttributeNames(),
    classes: [...each.classList],
    href: each.getAttribute("href"),
  }))
"""


def check(
    page: Page, cases: list[tuple[str, str]], parts: tuple[str, str] = ("#thread", "#composer")
) -> None:
    """`parts` of the page are what they were."""
    body = page.locator(".message-assistant .message-body").last
    for _, shown in cases:
        expect(body).to_contain_text(shown)
    for each in body.evaluate(SEEN):
        if each["isMaths"]:
            # What a formula has is held to a list of its own.
            assert {"href", "style", "id", "src"}.isdisjoint(each["attributes"]), each
        else:
            assert each["tag"] in HTML_TAGS, each
            assert set(each["attributes"]) <= ATTRIBUTES, each
        assert all(name.startswith(CLASSES) or each["tag"] == "SPAN" for name in each["classes"]), (
            each
        )
        if each["href"] is not None:
            assert urlsplit(each["href"]).scheme in {"http", "https", "mailto"}, each
    assert page.evaluate("[typeof window.owned, document.title.includes('owned'), violations]") == [
        "undefined",
        False,
        [],
    ]
    assert page.locator(", ".join(parts)).count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


@on_sqlite
@pytest.mark.parametrize("group", list(CASES))
def test_hostile_markdown_is_shown_and_does_nothing(alice, server, provider, group):
    page = alice
    hosts: set[str | None] = set()
    page.context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.context.add_init_script(WATCH)
    page.reload()
    cases = CASES[group]
    provider.reply_with(Reply(text="\n\n".join(text for text, _ in cases)))

    ask(page, "Do your worst.")
    expect(page.get_by_role("button", name="Send")).to_be_visible()

    check(page, cases)
    page.wait_for_timeout(300)
    page.reload()
    check(page, cases)
    assert hosts <= {"localhost"}
    assert len(page.context.pages) == 1


@on_sqlite
def test_each_hostile_text_alone_does_nothing_either(alice, server, provider):
    page = alice
    hosts: set[str | None] = set()
    page.context.add_init_script(WATCH)
    page.reload()
    cases = [case for group in CASES.values() for case in group]
    page.context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    # Each stands in a block that nothing before it has opened.
    rule = "\n\n---\n\n"
    provider.reply_with(Reply(text=rule.join(text for text, _ in reversed(cases))))

    ask(page, "All at once, the other way round.")
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=60_000)

    check(page, cases)
    page.goto(share(page))
    check(page, cases, parts=(".shared-head", ".shared"))
    assert hosts <= {"localhost"}
