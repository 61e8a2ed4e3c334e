"""What people choose for themselves, on both stores."""

import re

import pytest
from django.db import OperationalError

from accounts import context
from accounts.models import Theme, User

GOOD = {"name": "Bobby", "theme": "dark", "default_model": "openai:gpt-test"}


@pytest.fixture
def page(client, bob, openai_models):
    client.force_login(bob)
    return client


def theme_of(text: str) -> str:
    [theme] = re.findall(r'<html lang="en" data-theme="(\w+)">', text)
    return str(theme)


@pytest.mark.parametrize("address", ["/settings", "/password", "/tokens"])
def test_a_stranger_is_sent_to_the_log_in(address, client, db):
    for send in (client.get, client.post):
        response = send(address)

        assert (response.status_code, response["Location"]) == (302, f"/login?next={address}")


def test_the_page_shows_what_holds(page):
    text = page.get("/settings").text

    assert "bob@acme.example" in text
    assert "Acme" in text
    assert 'value="Bob"' in text
    assert re.search(r'value="system"[^>]* checked', text)


def test_what_is_chosen_is_kept(page, bob):
    response = page.post("/settings", GOOD, follow=True)

    assert "Your settings are saved." in response.text
    bob.refresh_from_db()
    assert (bob.name, bob.theme, bob.default_model) == ("Bobby", "dark", "openai:gpt-test")


def test_what_is_chosen_is_ones_own(page, bob, alice):
    page.post("/settings", {**GOOD, "user": str(alice.pk), "email": "x@acme.example"})

    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.name, alice.theme, alice.default_model) == ("Alice", "system", "")
    assert (bob.email, bob.role) == ("bob@acme.example", "member")


@pytest.mark.parametrize(
    "wrong",
    [
        {"theme": "pink"},
        {"theme": ""},
        {"default_model": "openai:gpt-none"},
        {"name": "n" * 121},
        {"name": "a\0b"},
    ],
)
def test_a_form_with_a_fault_changes_nothing(wrong, page, bob):
    response = page.post("/settings", {**GOOD, **wrong})

    assert response.status_code == 200
    assert "field-error" in response.text
    assert User.objects.get(pk=bob.pk).theme == Theme.SYSTEM


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/", "/settings", "/tokens", "/nothing-here"])
def test_each_page_is_painted_in_the_theme_at_once(address, theme, page, bob):
    User.objects.filter(pk=bob.pk).update(theme=theme)

    text = page.get(address).text

    assert theme_of(text) == theme
    assert f'<meta name="color-scheme" content="{theme}">' in text


def test_without_a_choice_and_for_strangers_the_device_decides(client, page):
    texts = [page.get("/settings").text]
    page.logout()
    texts.append(client.get("/login", follow=True).text)

    for text in texts:
        assert theme_of(text) == "system"
        assert '<meta name="color-scheme" content="light dark">' in text


def test_while_the_store_is_away_the_device_decides(rf):
    class Away:
        @property
        def user(self):
            raise OperationalError("away")

    assert context.theme_of(Away()) == Theme.SYSTEM


def test_a_new_chat_begins_with_the_default_model_and_an_old_one_does_not(page, bob):
    User.objects.filter(pk=bob.pk).update(default_model="openai:gpt-test")

    assert 'data-default-model="openai:gpt-test"' in page.get("/").text


def test_a_model_that_is_gone_is_told_and_can_be_replaced(page, bob):
    User.objects.filter(pk=bob.pk).update(default_model="openai:gpt-old")

    new_chat, settings = page.get("/").text, page.get("/settings").text

    assert "data-default-model" not in new_chat
    assert "openai:gpt-old</bdi> is no longer offered" in new_chat
    assert "<code>openai:gpt-old</code> is no longer offered" in settings
    page.post("/settings", GOOD)
    assert "no longer offered" not in page.get("/").text
