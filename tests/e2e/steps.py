"""What a person does on the pages, for browser tests and for the pictures of the docs."""

from playwright.sync_api import Page

from tests.server import PASSWORD, Server


def make_first_account(page: Page, server: Server) -> None:
    """Through the printed link, up to the empty chat page."""
    page.goto(server.line.split()[-1])
    page.get_by_label("Your name").fill("Alice")
    page.get_by_label("Your organisation").fill("Acme")
    page.get_by_label("E-mail").fill("alice@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url(f"{server.url}/")


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your message").fill(question)
    page.keyboard.press("Enter")


def choose_model(page: Page, name: str) -> None:
    page.get_by_role("button", name="Model:").click()
    page.get_by_role("option", name=name).click()
