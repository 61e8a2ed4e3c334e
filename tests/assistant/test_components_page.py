"""The page of components: for administrators, and linked from nowhere."""

from pathlib import Path

from django.conf import settings

from accounts.models import ApiToken
from conversations.models import Conversation, SharedLink
from prompts.models import Prompt


def test_administrators_see_every_kind_of_message(client, alice):
    client.force_login(alice)

    page = client.get("/components")

    assert page.status_code == 200
    shown = page.context["page"]["messages"]
    assert {each["status"] for each in shown} == {"complete", "failed", "interrupted", "stopped"}
    parts = {part["type"] for each in shown for part in each["parts"]}
    assert parts == {"text", "reasoning", "dynamic-tool"}


def test_rows_of_other_pages_are_shown_and_none_is_stored(client, alice):
    client.force_login(alice)

    page = client.get("/components").text

    for words in ("expires ", "never expires", "expired ", "in the trash: opens nothing"):
        assert words in page
    assert page.count('class="revoke"') == 6
    assert page.count("Delete for good") == 2
    stored = (ApiToken, Conversation, SharedLink, Prompt)
    assert [model.objects.count() for model in stored] == [0] * 4


def test_others_are_refused(client, bob, dave):
    for person in (bob, dave):
        client.force_login(person)

        assert client.get("/components").status_code == 403


def test_whoever_is_not_logged_in_is_asked_to(client, alice):
    assert client.get("/components").url == "/login?next=/components"


def test_no_page_links_to_it():
    templates = Path(settings.BASE_DIR, "templates").rglob("*.html")

    assert [each for each in templates if "assistant:components" in each.read_text()] == []
