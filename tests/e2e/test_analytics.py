"""The reports: for administrators all people, for managers their own, for members none."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.e2e.team import add_team
from tests.fakes.provider import Reply
from tests.server import PASSWORD, Server

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

PEOPLE = 30  # that used a model: the team, Bob and Carol


def log_in(page: Page, server: Server, email: str, then: str = "/admin/analytics/") -> None:
    page.goto(f"{server.url}/login?next={then}")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{server.url}{then}")


def table(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def heads(page: Page, name: str) -> list[str]:
    """The first column: a link for each person."""
    links = table(page, name).locator("tbody th").get_by_role("link")
    expect(links.first).to_be_visible()
    return links.all_inner_texts()


def column(page: Page, name: str, number: int) -> list[str]:
    cells = table(page, name).locator(f"tbody tr td:nth-child({number})")
    return cells.all_inner_texts()


def card(page: Page, label: str) -> Locator:
    return page.locator(".stat").filter(has=page.locator(f'dt:text-is("{label}")'))


def is_wider_than_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


def is_painted(canvas: Locator) -> bool:
    """Whether anything was drawn on it."""
    script = """canvas => canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data.some(each => each > 0)"""
    return bool(canvas.evaluate(script))


def test_an_administrator_finds_what_was_asked_and_whoever_asked(alice, server, provider):
    provider.reply_with(Reply(usage={"input": 700, "output": 500}))
    ask(alice, "What does this cost?")
    expect(alice.locator(".message-assistant")).to_have_count(1)
    expect(alice.get_by_role("button", name="Send")).to_be_visible()

    alice.locator(".account summary").click()
    alice.get_by_role("link", name="Usage reports").click()

    expect(alice.get_by_role("heading", name="Usage reports")).to_be_visible()
    expect(card(alice, "AI tokens")).to_contain_text("1.2k")
    expect(card(alice, "AI cost")).to_contain_text("unpriced")
    expect(card(alice, "Chats")).to_contain_text(re.compile(r"1\s*no figure before"))
    expect(card(alice, "Messages")).to_contain_text("2")
    assert heads(alice, "AI usage by person") == ["Alice"]
    assert column(alice, "AI usage by person", 2) == ["1.2k"]
    assert heads(alice, "Conversation activity") == ["Alice"]
    expect(alice.locator("#rocketreach")).to_contain_text("Nobody has looked up a contact")

    alice.get_by_role("link", name="Set a price").click()

    expect(alice.get_by_label("Pattern:")).to_be_visible()


def test_tables_are_sorted_searched_and_paged(alice, server):
    add_team(server, calls_each=2)
    alice.goto(f"{server.url}/admin/")
    alice.get_by_role("link", name="Usage reports").click()
    name = "AI usage by person"
    expect(alice.locator("#ai .pager")).to_contain_text(f"1–25 of {PEOPLE}")
    assert len(heads(alice, name)) == 25

    table(alice, name).get_by_role("link", name="Calls").click()

    header = table(alice, name).get_by_role("columnheader", name="Calls")
    expect(header).to_have_attribute("aria-sort", "descending")
    calls = [int(each) for each in column(alice, name, 3)]
    assert calls == sorted(calls, reverse=True)
    assert "ai_sort=-calls" in alice.url

    alice.get_by_role("navigation", name=f"Pages of {name}").get_by_role("link").click()

    expect(alice.locator("#ai .pager")).to_contain_text(f"26–{PEOPLE} of {PEOPLE}")
    assert len(heads(alice, name)) == PEOPLE - 25
    address = alice.url

    alice.locator("#ai").get_by_role("searchbox", name="Name or e-mail").fill("member-11@")
    alice.keyboard.press("Enter")

    expect(alice.locator("#ai .pager")).to_contain_text("1–1 of 1 found for “member-11@”")
    assert heads(alice, name) == ["Member 11"]
    assert len(heads(alice, "Conversation activity")) == 25
    alice.goto(address)
    assert len(heads(alice, name)) == PEOPLE - 25


@on_sqlite
def test_a_person_is_opened_with_the_same_period(alice, server):
    add_team(server, calls_each=8)
    alice.goto(f"{server.url}/admin/analytics?ai_q=member-26")
    alice.get_by_role("navigation", name="Period").get_by_role("link", name="7 days").click()
    expect(alice.locator(".window")).to_contain_text("Last 7 days")
    tokens = column(alice, "AI usage by person", 2)

    table(alice, "AI usage by person").get_by_role("link", name="Member 26").click()

    expect(alice.get_by_role("heading", name="Member 26")).to_be_visible()
    expect(alice.locator(".window")).to_contain_text("Last 7 days")
    assert [card(alice, "AI tokens").locator(".stat-number").inner_text()] == tokens
    expect(table(alice, "Models and tools")).to_be_visible()
    expect(alice.get_by_role("heading", name="Latest errors")).to_be_visible()
    expect(alice.locator("canvas")).to_have_count(2)

    alice.get_by_role("link", name="All people").click()

    expect(alice.locator(".window")).to_contain_text("Last 7 days")


@on_sqlite
def test_charts_are_drawn_and_a_table_stands_behind_them(alice, server):
    add_team(server, calls_each=4)
    alice.goto(f"{server.url}/admin/analytics/")

    expect(alice.locator("canvas")).to_have_count(2)
    assert all(is_painted(each) for each in alice.locator("canvas").all())
    expect(alice.locator("table.bars tbody tr")).to_have_count(4)

    days = table(alice, "AI usage by day")
    expect(days).to_be_hidden()
    alice.get_by_text("Show as a table").click()
    expect(days).to_be_visible()
    assert 30 <= days.locator("tbody tr").count() <= 31

    alice.locator('[data-chart="tokens"] .u-over').hover()
    read = re.compile(r"20\d\d: [\d,]+ tokens")
    expect(alice.locator(".chart-readout").nth(1)).to_have_text(read)


@on_sqlite
def test_other_days_and_one_organisation_are_chosen_in_a_form(alice, server):
    add_team(server, calls_each=2)
    alice.goto(f"{server.url}/admin/analytics/")
    first = alice.evaluate("new Date(Date.now() - 60 * 86400e3).toISOString().slice(0, 10)")

    alice.get_by_label("From").fill(first)
    alice.get_by_role("combobox", name="Organisation").select_option("Globex")
    alice.get_by_role("button", name="Show").click()

    expect(alice.get_by_label("From")).to_have_value(first)
    assert heads(alice, "AI usage by person") == ["Carol"]
    csv = alice.locator("#ai").get_by_role("link", name="CSV").get_attribute("href")
    answer = alice.request.get(f"{server.url}{csv}")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text().splitlines()
    assert len(lines) == 2
    assert "carol@globex.example" in lines[1]


@on_sqlite
def test_times_are_those_of_the_browser(alice, server, open_page):
    state = alice.context.storage_state()
    page = open_page(storage_state=state, timezone_id="Asia/Tokyo")

    page.goto(f"{server.url}/admin/analytics/")

    expect(page.locator(".as-of")).to_contain_text("Times are in Asia/Tokyo.")
    page.reload()
    expect(page.locator(".as-of")).to_contain_text("Times are in Asia/Tokyo.")


@on_sqlite
def test_the_page_refreshes_itself_and_moves_nothing(alice, server, open_page):
    page = open_page(storage_state=alice.context.storage_state())
    page.clock.install()
    add_team(server, calls_each=2)
    page.goto(f"{server.url}/admin/analytics/")
    page.get_by_text("Show as a table").click()
    page.get_by_label("Refresh every minute").check()
    page.evaluate("window.scrollTo(0, 900)")
    users = card(page, "People").locator(".stat-number")
    expect(users).to_have_text("32")
    alice.goto(f"{server.url}/admin/accounts/user/add/")
    alice.get_by_label("E-mail:").fill("new@acme.example")
    alice.get_by_label("Password:").first.fill(PASSWORD)
    alice.get_by_label("Password confirmation:").fill(PASSWORD)
    alice.get_by_role("button", name="Save", exact=True).click()
    expect(alice.locator(".success")).to_be_visible()

    page.clock.run_for(61_000)

    expect(users).to_have_text("33")
    assert page.evaluate("window.scrollY") == 900
    expect(table(page, "AI usage by day")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(2)
    page.reload()
    expect(page.get_by_label("Refresh every minute")).to_be_checked()


def test_a_manager_sees_their_own_people_and_a_member_nobody(alice, server, open_page):
    add_team(server, calls_each=1)
    manager, member = open_page(), open_page()

    log_in(manager, server, "dave@acme.example")

    manager.goto(f"{server.url}/admin/analytics/?ai_sort=name")
    expect(manager.locator("#ai .pager")).to_contain_text(f"1–25 of {PEOPLE - 1}")
    manager.goto(f"{server.url}/admin/analytics/?ai_q=carol")
    expect(manager.locator("#ai")).to_contain_text("Nothing is found for “carol”.")
    expect(manager.get_by_role("combobox", name="Organisation")).to_have_count(0)
    expect(manager.locator("#nav-sidebar")).to_have_count(0)
    for address in ("/admin/", "/admin/analytics/modelprice/add/", "/admin/accounts/user/"):
        assert manager.request.get(f"{server.url}{address}").status == 403
    manager.get_by_role("button", name="Log out").click()
    manager.wait_for_url(f"{server.url}/login")

    log_in(member, server, "bob@acme.example", then="/")
    assert member.request.get(f"{server.url}/admin/analytics").status == 403
    assert member.request.get(f"{server.url}/admin/analytics/").status == 403
    member.locator(".account summary").click()
    expect(member.get_by_role("link", name="Settings")).to_be_visible()
    expect(member.get_by_role("link", name="Usage reports")).to_have_count(0)


@on_sqlite
def test_it_reads_without_javascript(alice, server, open_page):
    add_team(server, calls_each=2)
    state = alice.context.storage_state()
    page = open_page(java_script_enabled=False, storage_state=state)

    page.goto(f"{server.url}/admin/analytics/")

    expect(card(page, "AI cost")).to_contain_text("$")
    assert len(heads(page, "AI usage by person")) == 25
    expect(page.locator("table.bars tbody tr")).to_have_count(4)
    expect(page.locator(".as-of")).to_contain_text("Times are in UTC.")
    expect(page.get_by_label("Refresh every minute")).to_be_hidden()
    expect(page.get_by_text("Cost by day")).to_be_hidden()
    page.get_by_text("Show as a table").click()
    expect(table(page, "AI usage by day")).to_be_visible()


@on_sqlite
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_it_fits_a_phone(alice, server, open_page, color_scheme):
    add_team(server, calls_each=2)
    phone = {"width": 390, "height": 844}
    state = alice.context.storage_state()
    page = open_page(viewport=phone, storage_state=state, color_scheme=color_scheme)

    page.goto(f"{server.url}/admin/analytics/")
    expect(page.locator("canvas")).to_have_count(2)

    assert not is_wider_than_the_window(page)
    boxes = [each.bounding_box() for each in page.locator(".stat").all()]
    assert sorted({round(box["x"]) for box in boxes if box}) == [
        round(boxes[0]["x"]),
        round(boxes[2]["x"]),
    ]
    page.get_by_text("Show as a table").click()
    assert not is_wider_than_the_window(page)
    table(page, "AI usage by person").get_by_role("link", name="Member 26").click()
    expect(page.get_by_role("heading", name="Member 26")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(2)
    assert not is_wider_than_the_window(page)
