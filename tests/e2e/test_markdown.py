"""How the page shows what a model writes: code, formulas, tables, and text from right to left."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

CODE = """Here:

```python
def total(prices):  # all of them
    return sum(prices)
```

Done."""


def body(page: Page):
    return page.locator(".message-assistant .message-body")


def ask_for(page: Page, provider, text: str, **options) -> None:
    provider.reply_with(Reply(text=text, **options))
    ask(page, "Show it.")


def wait_for_answer(page: Page) -> None:
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def direction(page: Page, selector: str) -> list[str]:
    return (
        body(page)
        .locator(selector)
        .evaluate_all("all => all.map(each => getComputedStyle(each).direction)")
    )


@on_sqlite
def test_code_says_its_language_and_is_copied_with_the_keyboard(alice, provider):
    page = alice
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask_for(page, provider, CODE)
    wait_for_answer(page)

    page.locator(".message-body").get_by_role("button", name="Copy").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Copied")).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == (
        "def total(prices):  # all of them\n    return sum(prices)"
    )
    expect(body(page).locator(".code-language")).to_have_text("Python")
    expect(body(page).get_by_role("region", name="Code: Python")).to_be_visible()
    expect(page.locator(".message-body").get_by_role("button", name="Copy")).to_be_focused()


@on_sqlite
def test_code_that_is_being_written_can_be_copied(alice, provider):
    page = alice
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask_for(page, provider, "1. Run\n\n   ```sh\n" + "   ls -l\n" * 100, delay=0.03)
    copy = page.locator(".message-body").get_by_role("button", name=re.compile("^Cop"))
    expect(copy).to_be_visible()

    copy.focus()
    expect(body(page)).to_contain_text(re.compile(r"(ls -l\s+){12}"))
    page.keyboard.press("Enter")

    page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('ls -l')")
    expect(copy).to_be_focused()
    page.get_by_role("button", name="Stop the answer").click()
    wait_for_answer(page)


@on_sqlite
def test_wrapped_lines_are_remembered(alice, provider):
    page = alice
    ask_for(page, provider, f"```\n{'long ' * 200}\n```\n\n```\nshort\n```")
    wait_for_answer(page)
    pre = body(page).locator("pre").first
    is_wide = "pre => pre.scrollWidth > pre.clientWidth"
    assert pre.evaluate(is_wide)

    page.get_by_role("button", name="Wrap").first.click()

    assert not pre.evaluate(is_wide)
    pressed = page.get_by_role("button", name="Wrap", pressed=True)
    expect(pressed).to_have_count(2)
    page.reload()
    expect(pressed).to_have_count(2)
    assert not pre.evaluate(is_wide)


@on_sqlite
def test_libraries_come_with_the_first_code_and_formula(alice, provider):
    page = alice
    loaded: list[str] = []
    page.on(
        "request",
        lambda request: loaded.extend(re.findall("vendor/(highlight|temml)/", request.url)),
    )
    ask_for(page, provider, "Words, $5 and $10.\n\n```\nplain\n```\n\n```cobol\nunknown\n```")
    wait_for_answer(page)
    assert loaded == []

    ask_for(page, provider, CODE)
    expect(body(page).last.locator(".hljs-keyword")).to_have_text(["def", "return"])
    ask_for(page, provider, "So $x_1^2$ and \\(y\\).")
    expect(body(page).last.locator("math")).to_have_count(2)

    assert loaded == ["highlight", "temml"]
    wait_for_answer(page)


@on_sqlite
def test_code_is_coloured_when_it_is_finished(alice, provider):
    page = alice
    ask_for(page, provider, "```python\n" + "def f(): pass\n" * 60 + "```\n\nDone.", delay=0.02)
    expect(body(page)).to_contain_text("def f(): pass\ndef f()")
    expect(body(page).locator("pre span")).to_have_count(0)

    wait_for_answer(page)

    expect(body(page).locator(".hljs-keyword").first).to_have_text("def")


@on_sqlite
def test_very_long_code_stays_plain(alice, provider):
    page = alice
    ask_for(page, provider, "```js\n" + "let x=1;\n" * 6000 + "```\n\nDone.")
    wait_for_answer(page)
    page.locator("#thread-scroll").evaluate("each => { each.scrollTop = each.scrollHeight / 2; }")
    page.wait_for_timeout(300)

    expect(body(page).locator("pre span")).to_have_count(0)


FORMULAS = r"""Inline $a_1 * b_2$ and \(c_{1}\), for $5 and $10.

$$
\begin{aligned}
x &= 1 \\
  &- 2
\end{aligned}
$$

\[ \boxed{y} \]

Broken: $\frac{1$."""


@on_sqlite
def test_formulas_become_mathml_and_broken_ones_stay_as_they_are(alice, provider):
    page = alice
    ask_for(page, provider, FORMULAS, delay=0.15)
    expect(body(page)).to_contain_text("\\begin{aligned}")
    wait_for_answer(page)

    expect(body(page).locator("math")).to_have_count(4)
    expect(body(page).locator("math[display=block]")).to_have_count(2)
    expect(body(page).locator("mtr")).to_have_count(2)
    expect(body(page).locator(".is-faulty")).to_have_text(r"$\frac{1$")
    expect(body(page)).to_contain_text("for $5 and $10.")
    assert body(page).locator("[style]").count() == 0
    page.reload()
    expect(body(page).locator("math")).to_have_count(4)


RIGHT_TO_LEFT = """# שלום עולם

`npm install` هذا الأمر يثبت الحزم.

English again.

- مرحبا $x$

| الاسم | القيمة |
|---|---|
| أ | ب |

```python
print("مرحبا")
```"""


@on_sqlite
def test_each_block_runs_as_its_language_does_and_code_from_left_to_right(alice, provider):
    page = alice
    provider.reply_with(Reply(text=RIGHT_TO_LEFT))

    ask(page, "שלום")
    wait_for_answer(page)

    assert direction(page, "h1, p, ul, table") == ["rtl", "rtl", "ltr", "rtl", "rtl"]
    assert direction(page, "pre, code, .maths") == ["ltr"] * 4
    assert (
        page.locator(".message-user .message-body").evaluate(
            "each => getComputedStyle(each).direction"
        )
        == "rtl"
    )


@on_sqlite
def test_a_wide_table_scrolls_in_its_frame(server, alice, provider, open_page):
    row = "| " + " | ".join(["a rather long cell"] * 12) + " |\n"
    ask_for(alice, provider, f"{row}{'|---' * 12}|\n{row * 3}\n3. three\n4. four\n\n{'x' * 500}")
    wait_for_answer(alice)
    page = open_page(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        storage_state=alice.context.storage_state(),
    )

    page.goto(alice.url)

    frame = page.get_by_role("region", name="Table")
    expect(frame).to_be_visible()
    assert frame.evaluate("each => each.scrollWidth > each.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#thread-scroll").evaluate("each => each.scrollWidth <= each.clientWidth")
    expect(body(page).locator("ol")).to_have_attribute("start", "3")
