"""The import on the page of one's data, as a form without a script sends it."""

import io
import json

import pytest
from django.test import Client

from chatcore.env import Rate
from chatcore.ids import new_id
from conversations.models import Conversation
from prompts.models import Prompt
from tests.conversations.chatgpt import as_zip, chat, simple
from tests.conversations.test_export import body_of

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "/settings/data/import"


def send(client, *files: bytes):
    given = [io.BytesIO(each) for each in files]
    for each in given:
        each.name = "export.zip"
    response = client.post(ADDRESS, {"file": given})
    text = body_of(response).decode() if response.streaming else response.text
    return response, " ".join(text.split())


@pytest.fixture
def his(client, bob) -> Client:
    client.force_login(bob)
    return client


def test_the_page_says_what_was_imported_and_the_second_time_that_it_is_there(his):
    given = as_zip({"conversations.json": [simple("Cats"), simple("Dogs")]})

    response, first = send(his, given)
    _, second = send(his, given)

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert "<strong>2 chats imported with 4 messages</strong>." in first
    assert "<strong>0 chats imported</strong>, 2 already there." in second
    assert Conversation.objects.count() == 2


def test_prompts_are_told_with_the_chats(his, monkeypatch):
    monkeypatch.setattr(Prompt, "MOST", 1)
    prompts = [{"id": str(new_id()), "name": name, "text": "Sum up."} for name in ("One", "Two")]
    given = {"format": "chatcore-export", "version": 1, "prompts": prompts, "conversations": []}

    _, first = send(his, json.dumps(given).encode())
    _, second = send(his, json.dumps({**given, "prompts": prompts[:1]}).encode())

    assert "notice-good" in first
    assert "notice-good" in second
    assert (
        "1 prompt imported. 1 prompt was skipped: a person has 1 at most, each with a name and a"
        " text."
    ) in first
    assert "1 prompt was already there." in second


def test_what_was_skipped_is_named_and_escaped(his):
    given = json.dumps([simple("Cats"), chat(title="<b>Empty</b>")]).encode()

    _, page = send(his, given)

    assert "<strong>1 chat imported with 2 messages</strong>, 1 skipped." in page
    assert "<strong><bdi>&lt;b&gt;Empty&lt;/b&gt;</bdi></strong> It has no messages." in page


def test_an_import_that_ended_early_says_so(his):
    given = json.dumps([simple("Cats"), simple("Dogs")]).encode()[:-50]

    _, page = send(his, given)

    assert "The import ended early: A file could not be read to its end" in page
    assert "1 chat imported" in page


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([b"hello"], "This file cannot be imported"),
        ([b"[]"], "There are no chats in this file."),
        ([], "There is no file."),
    ],
)
def test_what_cannot_be_imported_is_told_on_the_page(given, words, his):
    response, page = send(his, *given)

    assert response.status_code == 400
    assert words in page
    assert "conversations.json" in page


def test_it_is_limited(his, settings):
    settings.IMPORT_LIMIT = Rate(1, 3600)
    send(his, json.dumps([simple()]).encode())

    response, page = send(his, json.dumps([simple()]).encode())

    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert "You have imported several times." in page


def test_it_is_asked_for_by_post_with_a_csrf_token(bob):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)

    assert client.post(ADDRESS, {"file": io.BytesIO(b"[]")}).status_code == 403
    assert client.get(ADDRESS)["Location"] == "/settings/data"


def test_a_stranger_is_sent_to_the_log_in(client):
    for ask in (client.get, client.post):
        assert ask(ADDRESS)["Location"] == f"/login?next={ADDRESS}"
