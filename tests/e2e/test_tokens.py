"""A person makes an API token, uses it, and revokes it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_token_is_shown_once_and_listed_until_it_is_revoked(alice):
    page = alice
    page.locator(".account summary").click()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="API tokens").click()
    page.get_by_label("What it is for").fill("Nightly export")
    page.get_by_role("button", name="Make a token").click()
    field = page.get_by_label("Your new token")
    expect(field).to_have_value(re.compile(r"^cc_[0-9a-f]{64}$"))
    token = field.input_value()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token

    page.reload()

    expect(field).to_have_count(0)
    assert token not in page.content()
    expect(page.locator(".token-name")).to_have_text(["Nightly export"])
    page.get_by_label("Revoke Nightly export").click()
    page.get_by_role("button", name="Revoke for good").click()
    expect(page.get_by_role("status")).to_have_text("“Nightly export” is revoked.")
    expect(page.locator(".token-name")).to_have_count(0)
