"""The sidebar: its sections, the list of chats and what can be done with each, trash and search."""

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.chats import add_chats
from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.e2e.test_chat import answers, wait_for_answer
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SLOW = Reply(text=" ".join(f"w{n}" for n in range(300)), delay=0.03)


def chat(page: Page, number: int) -> Locator:
    """One of those that `add_chats` has made."""
    return page.locator(f'#chat-list a[data-id="chat-{number}"]')


def listed(page: Page) -> list[str]:
    return page.locator("#chat-list a").evaluate_all("all => all.map(each => each.dataset.id)")


def groups(page: Page) -> list[str]:
    return page.locator("#chat-list h3").all_inner_texts()


def toast(page: Page) -> Locator:
    return page.locator(".toast")


def choose(page: Page, number: int, action: str) -> None:
    """From the menu of a chat."""
    chat(page, number).hover()
    item = page.locator(f'.chat-item:has(a[data-id="chat-{number}"])')
    item.get_by_role("button", name="Actions for").click()
    page.get_by_role("menuitem", name=action).click()


def another_tab(page: Page, url: str) -> Page:
    other = page.context.new_page()
    other.goto(url)
    expect(other.get_by_label("Your message")).to_be_editable()
    return other


def wait_for_socket(page: Page) -> None:
    """The numbers are asked for when the socket is ready."""
    expect(page.locator('[data-usage="today"] .usage-tokens')).to_have_text("0")


# --- Sections -------------------------------------------------------------------------------------
@on_sqlite
def test_sections_close_and_open_and_stay_so_over_a_reload(alice, server):
    page = alice
    add_chats(server, 2)
    page.reload()
    recent = page.get_by_role("button", name="Recent Chats")
    usage = page.get_by_role("button", name="AI Usage")
    expect(chat(page, 1)).to_be_visible()

    recent.click()
    expect(chat(page, 1)).to_be_hidden()
    expect(page.locator("#usage table")).to_be_visible()
    usage.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#usage table")).to_be_hidden()
    page.reload()

    for button in (recent, usage):
        expect(button).to_have_attribute("aria-expanded", "false")
    expect(chat(page, 1)).to_be_hidden()
    expect(page.locator("#usage table")).to_be_hidden()
    recent.click()
    expect(chat(page, 1)).to_be_visible()
    expect(page.locator("#usage table")).to_be_hidden()


@on_sqlite
def test_what_is_closed_is_known_before_the_page_is_painted(alice):
    page = alice
    page.get_by_role("button", name="AI Usage").click()
    page.add_init_script(
        """document.addEventListener("DOMContentLoaded", () => {
          const { height } = document.getElementById("usage-panel").getBoundingClientRect();
          window.atFirst = [height, document.documentElement.dataset.closed];
        });"""
    )

    page.reload()

    assert page.evaluate("window.atFirst") == [0, "usage"]


@on_sqlite
def test_what_one_person_has_closed_is_open_for_the_next(alice):
    alice.get_by_role("button", name="AI Usage").click()

    keys = alice.evaluate("Object.keys(localStorage).filter(key => key.endsWith(':closed'))")

    assert len(keys) == 1
    assert re.fullmatch(r"chatcore:[0-9a-f-]{36}:closed", keys[0])


@on_sqlite
def test_the_sidebar_folds_away_and_stays_away_until_it_is_brought_back(alice):
    page = alice
    shower = page.get_by_role("button", name="Show the sidebar")
    hider = page.get_by_role("button", name="Hide the sidebar")
    expect(shower).to_be_hidden()

    hider.click()
    expect(page.get_by_role("link", name="New chat")).to_be_hidden()
    expect(shower).to_be_focused()
    page.reload()

    expect(shower).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("link", name="New chat")).to_be_hidden()
    shower.click()
    expect(page.get_by_role("link", name="New chat")).to_be_visible()
    expect(hider).to_be_focused()
    expect(hider).to_have_attribute("aria-expanded", "true")


@on_sqlite
def test_on_a_phone_the_drawer_keeps_the_focus_and_escape_closes_it(alice, server, open_page):
    add_chats(server, 2)
    page = open_page(**PHONE, storage_state=alice.context.storage_state())
    page.goto(server.url)
    opener = page.get_by_role("button", name="Open the list of chats")

    opener.click()
    places = []
    for _ in range(20):
        page.keyboard.press("Tab")
        places.append(page.evaluate("document.activeElement.closest('#sidebar, body').id"))
    page.keyboard.press("Escape")

    # Between the last and the first one there is the browser itself.
    assert "sidebar" in places
    assert not page.evaluate("document.querySelector('main').inert")
    expect(chat(page, 1)).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    assert page.locator("main").evaluate("main => main.inert")
    sizes = page.locator(
        ".sidebar button:visible, .sidebar a:visible:not(.brand), .sidebar input:visible"
    ).evaluate_all("all => all.map(each => each.getBoundingClientRect().height)")
    assert min(sizes) >= 44
    assert page.evaluate("document.documentElement.scrollWidth") == 390


# --- The list -------------------------------------------------------------------------------------
def test_all_chats_are_reached_by_scrolling_in_groups_by_day(alice, server):
    page = alice
    add_chats(server, 130, hours_apart=24)
    page.reload()
    expect(page.locator("#chat-list a")).to_have_count(50)
    assert groups(page)[:4] == ["Today", "Yesterday", "Previous 7 days", "Previous 30 days"]

    for count in (100, 130):
        page.locator("#chats-view").evaluate("view => view.scrollTo(0, view.scrollHeight)")
        expect(page.locator("#chat-list a")).to_have_count(count)

    assert listed(page) == [f"chat-{number}" for number in range(1, 131)]
    assert len(groups(page)) == len(set(groups(page))) >= 7
    counts = page.locator("#chat-list ol").evaluate_all(
        "all => all.map(each => each.children.length)"
    )
    assert counts[:4] == [1, 1, 6, 23]


@on_sqlite
def test_the_open_chat_is_marked_and_renamed_however_far_down_it_stands(alice, server):
    page = alice
    add_chats(server, 120, hours_apart=8)
    page.goto(f"{server.url}/c/chat-115")

    expect(page.locator("#chat-list section").first).to_contain_text("Open chat")
    expect(chat(page, 115)).to_have_attribute("aria-current", "page")
    expect(chat(page, 115)).to_be_in_viewport()
    chat(page, 115).dblclick()
    page.keyboard.type("Found again")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Found again")
    for count in (101, 120):
        page.locator("#chats-view").evaluate("view => view.scrollTo(0, view.scrollHeight)")
        expect(page.locator("#chat-list a")).to_have_count(count)

    # Where it belongs, and nowhere else.
    assert listed(page) == [f"chat-{number}" for number in range(1, 121)]
    expect(chat(page, 115)).to_have_text("Found again")


@on_sqlite
def test_a_page_that_cannot_be_loaded_says_so_and_is_tried_again(alice, server):
    page = alice
    add_chats(server, 60)
    page.reload()
    page.route("**/api/assistant/conversations?*", lambda route: route.abort())

    page.locator("#chats-view").evaluate("view => view.scrollTo(0, view.scrollHeight)")
    failure = page.locator("#chats-view").get_by_role("alert")
    expect(failure).to_contain_text("The server cannot be reached.")
    page.unroute("**/api/assistant/conversations?*")
    failure.get_by_role("button", name="Try again").click()

    expect(page.locator("#chat-list a")).to_have_count(60)
    expect(failure).to_be_hidden()


@on_sqlite
def test_a_question_raises_its_chat_to_today(alice, server):
    page = alice
    add_chats(server, 3, hours_apart=24 * 40)
    page.goto(f"{server.url}/c/chat-3")
    assert groups(page)[0] == "Today"
    assert listed(page) == ["chat-1", "chat-2", "chat-3"]

    ask(page, "And now?")
    wait_for_answer(page)

    expect(page.locator("#chat-list section").first.locator("a").first).to_have_attribute(
        "data-id", "chat-3"
    )
    assert listed(page) == ["chat-3", "chat-1", "chat-2"]
    expect(chat(page, 3)).to_have_attribute("aria-current", "page")


@on_sqlite
def test_whoever_has_no_chats_is_told_that_they_will_be_here(alice):
    expect(alice.get_by_text("Your chats will be listed here.")).to_be_visible()

    ask(alice, "The first one?")

    expect(alice.locator("#chat-list a")).to_have_text(["The first one?"])
    expect(alice.get_by_text("Your chats will be listed here.")).to_be_hidden()


# --- Search ---------------------------------------------------------------------------------------
def test_a_search_shows_titles_and_words_of_messages_with_the_hit_marked(alice, server):
    page = alice
    add_chats(server, 8)
    page.reload()
    field = page.get_by_role("searchbox", name="Search chats")

    field.fill("NEEDLE")
    found = page.locator("#search-list a")
    expect(found).to_have_count(1)
    expect(found.locator("mark")).to_have_text("needle")
    expect(found.locator(".found-snippet")).to_contain_text("There is a needle in this hay.")
    expect(page.locator("#sidebar-status")).to_have_text("1 chat found.")
    expect(page.locator("#chat-list")).to_be_hidden()
    field.fill("lisbon")
    expect(found.locator(".found-title mark")).to_have_text(["Lisbon"] * 1)
    field.fill("no such word")
    expect(page.locator("#search-view .side-empty")).to_be_visible()
    field.press("Escape")

    expect(field).to_have_value("")
    expect(chat(page, 1)).to_be_visible()
    field.fill("needle")
    expect(found.locator("mark")).to_have_text("needle")
    field.press("ArrowDown")
    expect(found.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/c/chat-3$"))


@on_sqlite
def test_older_results_come_when_they_are_scrolled_to(alice, server):
    page = alice
    add_chats(server, 70)
    page.reload()

    page.get_by_label("Search chats").fill("tell me more")
    expect(page.locator("#search-list a")).to_have_count(50)
    page.locator("#search-view").evaluate("view => view.scrollTo(0, view.scrollHeight)")

    expect(page.locator("#search-list a")).to_have_count(70)
    expect(page.locator("#sidebar-status")).to_have_text("70 chats found.")


# --- Renaming -------------------------------------------------------------------------------------
def test_a_chat_is_renamed_where_it_stands_and_the_page_and_other_tabs_follow(alice, server):
    page = alice
    add_chats(server, 3)
    page.goto(f"{server.url}/c/chat-3")
    other = another_tab(page, f"{server.url}/c/chat-3")
    wait_for_socket(other)
    places = listed(page)
    assert places[-1] == "chat-3"

    chat(page, 3).dblclick()
    field = page.get_by_role("textbox", name="Name of the chat")
    expect(field).to_be_focused()
    field.fill("The landlord")
    field.press("Enter")

    expect(chat(page, 3)).to_have_text("The landlord")
    expect(chat(page, 3)).to_be_focused()
    for each in (page, other):
        expect(each).to_have_title("The landlord – Chatcore")
        expect(each.get_by_role("heading", level=1)).to_have_text("The landlord")
        expect(chat(each, 3)).to_have_text("The landlord")
    page.reload()
    expect(chat(page, 3)).to_have_text("The landlord")
    assert listed(page) == listed(other) == places


@on_sqlite
def test_f2_and_the_menu_begin_to_rename_and_escape_leaves_the_name(alice, server):
    page = alice
    add_chats(server, 3)
    page.reload()
    name = chat(page, 2).inner_text()
    field = page.get_by_role("textbox", name="Name of the chat")

    chat(page, 2).focus()
    page.keyboard.press("F2")
    field.fill("Something else")
    field.press("Escape")
    expect(chat(page, 2)).to_have_text(name)
    expect(chat(page, 2)).to_be_focused()
    choose(page, 2, "Rename")
    expect(field).to_have_value(name)
    field.fill("   ")
    field.press("Enter")

    expect(chat(page, 2)).to_have_text(name)
    expect(page).to_have_url(f"{server.url}/")


@on_sqlite
def test_a_double_click_on_another_chat_opens_it_and_renames_it(alice, server):
    page = alice
    add_chats(server, 3)
    page.reload()

    chat(page, 3).dblclick()

    expect(page).to_have_url(f"{server.url}/c/chat-3")
    expect(page.get_by_role("textbox", name="Name of the chat")).to_be_focused()


@on_sqlite
def test_a_name_that_cannot_be_saved_is_taken_back(alice, server):
    page = alice
    add_chats(server, 3)
    page.goto(f"{server.url}/c/chat-2")
    name = chat(page, 2).inner_text()
    page.route("**/api/assistant/conversations", lambda route: route.abort())

    choose(page, 2, "Rename")
    page.keyboard.type("Something else")
    page.keyboard.press("Enter")

    expect(toast(page)).to_contain_text("The chat keeps its name. The server cannot be reached.")
    expect(chat(page, 2)).to_have_text(name)
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


# --- Deleting -------------------------------------------------------------------------------------
def test_a_chat_goes_into_the_trash_and_undo_brings_it_back(alice, server):
    page = alice
    add_chats(server, 3)
    page.reload()
    other = another_tab(page, server.url)
    wait_for_socket(other)

    choose(page, 2, "Delete")
    expect(toast(page)).to_contain_text("Moved to the trash.")
    expect(chat(page, 2)).to_have_count(0)
    expect(chat(page, 3)).to_be_focused()
    expect(chat(other, 2)).to_have_count(0)
    toast(page).get_by_role("button", name="Undo").click()

    expect(chat(page, 2)).to_be_focused()
    expect(chat(other, 2)).to_be_visible()
    for each in (page, other):
        assert listed(each) == ["chat-1", "chat-2", "chat-3"]


@on_sqlite
def test_the_chat_that_is_shown_gives_way_to_a_new_one_and_undo_opens_it_again(alice, server):
    page = alice
    add_chats(server, 3)
    page.goto(f"{server.url}/c/chat-2")

    choose(page, 2, "Delete")
    expect(page).to_have_url(f"{server.url}/")
    expect(chat(page, 2)).to_have_count(0)
    toast(page).get_by_role("button", name="Undo").click()

    expect(page).to_have_url(f"{server.url}/c/chat-2")
    expect(chat(page, 2)).to_have_attribute("aria-current", "page")
    page.reload()
    expect(toast(page)).to_have_count(0)


@on_sqlite
def test_a_chat_that_cannot_be_deleted_stays(alice, server):
    page = alice
    add_chats(server, 3)
    page.reload()
    page.route("**/api/assistant/conversations?*", lambda route: route.abort())

    choose(page, 2, "Delete")

    expect(toast(page)).to_contain_text("The chat is not deleted.")
    assert listed(page) == ["chat-1", "chat-2", "chat-3"]


@on_sqlite
def test_the_trash_lists_what_was_deleted_and_gives_it_back(alice, server):
    page = alice
    add_chats(server, 2, deleted=1)
    page.reload()
    other = another_tab(page, server.url)
    wait_for_socket(other)
    other.get_by_role("button", name="Trash").click()
    deleted = other.locator("#trash-list .deleted-title")
    expect(deleted).to_have_text(["Ideas for the offsite in Lisbon 3"])

    page.get_by_role("button", name="Trash").click()
    expect(page.get_by_role("button", name="Back to the chats")).to_be_focused()
    restore = page.get_by_role("button", name="Restore Ideas for the offsite in Lisbon 3")
    restore.click()

    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    page.get_by_role("button", name="Back to the chats").click()
    expect(page.get_by_role("button", name="Trash")).to_be_focused()
    expect(chat(page, 3)).to_be_visible()
    # What is done in one tab is seen in the trash of another.
    expect(other.get_by_text("The trash is empty.")).to_be_visible()
    title = chat(page, 2).inner_text()
    choose(page, 2, "Delete")
    expect(deleted).to_have_text([title])
    toast(page).get_by_role("button", name="Undo").click()
    expect(other.get_by_text("The trash is empty.")).to_be_visible()


@on_sqlite
def test_the_menu_of_a_chat_is_gone_through_with_the_arrow_keys(alice, server):
    page = alice
    add_chats(server, 2)
    page.reload()
    button = page.get_by_role("button", name="Actions for").first
    rename, delete = (page.get_by_role("menuitem", name=name) for name in ("Rename", "Delete"))

    button.focus()
    page.keyboard.press("Enter")
    expect(rename).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(delete).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(rename).to_be_focused()
    page.keyboard.press("Escape")

    expect(delete).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    expect(rename).to_be_visible()
    button.click()
    expect(rename).to_be_hidden()


# --- What runs ------------------------------------------------------------------------------------
def test_an_answer_that_runs_is_marked_in_every_tab_until_it_has_ended(alice, server, provider):
    page = alice
    provider.reply_with(SLOW)
    other = another_tab(page, server.url)
    wait_for_socket(other)

    ask(page, "Count.")
    expect(answers(page)).to_have_text(re.compile(r"w5\b"))
    later = another_tab(page, server.url)
    for each in (page, other, later):
        expect(each.get_by_role("img", name="An answer is being written")).to_be_visible()
    page.get_by_role("button", name="Stop the answer").click()

    for each in (page, other, later):
        expect(each.get_by_role("img", name="An answer is being written")).to_have_count(0)


@on_sqlite
def test_an_answer_that_ended_while_the_connection_was_lost_is_not_marked(alice, server, provider):
    page = alice
    provider.reply_with(SLOW)
    other = another_tab(page, server.url)
    wait_for_socket(other)
    ask(page, "Count.")
    expect(other.get_by_role("img", name="An answer is being written")).to_be_visible()

    other.evaluate("window.dispatchEvent(new Event('offline'))")
    server.stop()
    server.start()

    expect(other.get_by_role("img", name="An answer is being written")).to_have_count(
        0, timeout=30_000
    )


# --- Usage ----------------------------------------------------------------------------------------
@on_sqlite
def test_usage_is_drawn_by_day_and_told_in_words(alice, provider):
    page = alice
    wait_for_socket(page)
    expect(page.locator("#usage-days")).to_be_hidden()
    provider.reply_with(Reply(usage={"input": 700, "output": 500}))

    ask(page, "What does this cost?")
    wait_for_answer(page)

    expect(page.locator("#usage-days li")).to_have_text([re.compile(": 1.2k tokens, unpriced$")])
    today = time.localtime().tm_mday
    expect(page.locator(".usage-bar")).to_have_count(today)
    heights = page.locator(".usage-bar").evaluate_all(
        "all => all.map(each => each.getAttribute('height'))"
    )
    assert heights == ["0"] * (today - 1) + ["48"]


# --- On a phone -----------------------------------------------------------------------------------
@on_sqlite
def test_on_a_phone_all_of_it_is_done_in_the_drawer(alice, server, open_page):
    add_chats(server, 60)
    page = open_page(**PHONE, storage_state=alice.context.storage_state())
    page.goto(server.url)
    page.get_by_role("button", name="Open the list of chats").tap()
    menu = page.locator('.chat-item:has(a[data-id="chat-2"])').get_by_role(
        "button", name="Actions for"
    )

    menu.tap()
    page.get_by_role("menuitem", name="Rename").tap()
    page.get_by_role("textbox", name="Name of the chat").fill("The landlord")
    page.keyboard.press("Enter")
    expect(chat(page, 2)).to_have_text("The landlord")
    menu.tap()
    page.get_by_role("menuitem", name="Delete").tap()
    expect(chat(page, 2)).to_have_count(0)
    page.get_by_role("button", name="Trash").tap()
    page.get_by_role("button", name="Restore The landlord").tap()
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    page.get_by_role("button", name="Back to the chats").tap()
    expect(chat(page, 2)).to_be_visible()
    page.locator("#chats-view").evaluate("view => view.scrollTo(0, view.scrollHeight)")
    expect(page.locator("#chat-list a")).to_have_count(60)
    page.get_by_role("button", name="AI Usage").tap()
    expect(page.locator("#usage table")).to_be_hidden()
    page.get_by_label("Search chats").fill("needle")
    page.locator("#search-list a").tap()

    expect(page).to_have_url(f"{server.url}/c/chat-3")
    expect(chat(page, 3)).to_be_hidden()
