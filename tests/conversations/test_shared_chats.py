"""What a link opens, for whom, and what it never shows; on both stores."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import User
from chatcore import clock
from chatcore.env import Rate
from conversations import shared_chats, sharing
from conversations.models import Conversation, Message, SharedLink
from tests.conversations.api import Api, say

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 27, 12, 5, tzinfo=UTC)
ANSWER = {
    **say("a1", "", "assistant"),
    "parts": [
        {"type": "reasoning", "text": "a secret thought"},
        {"type": "text", "text": "I look **that** up."},
        {
            "type": "dynamic-tool",
            "toolName": "rocketreach_person_lookup",
            "toolCallId": "call-secret",
            "state": "output-available",
            "input": {"name": "a secret name"},
            "output": {"emails": ["secret@example.org"]},
        },
        {"type": "file", "url": "https://files.example/secret", "text": "a secret file"},
        {"type": "text", "text": "It is 42."},
    ],
    "model": "openai:gpt-secret",
    "tokenCount": 4321,
}


@pytest.fixture
def chat(bob) -> Conversation:
    api = Api(bob)
    messages = [say("q1", "What is it?"), ANSWER]
    metadata = {"totalTokens": 4321, "totalCost": 0.98765, "toolsUsed": ["secret_tool"]}
    body = {"id": "c1", "title": "The answer", "messages": messages, "metadata": metadata}
    assert api.post(body)[0] == 201
    return Conversation.objects.get()


@pytest.fixture
def link(chat, bob) -> SharedLink:
    return sharing.share(bob, "c1", None, NOON)[0]


def add(chat, client_id, content, parent_id, role="user") -> None:
    part = {"type": "text", "text": content}
    message = Message(
        client_id=client_id, content=content, parts=[part], parent_id=parent_id, role=role
    )
    chat.append(message, clock.now())


# --- Who may read -------------------------------------------------------------------------------
LOG_IN, HERE, NOT_HERE = 302, 200, 404
WHO = ["bob", "alice", "dave", "carol", None]


def deactivate_the_owner(link):
    User.objects.filter(pk=link.user_id).update(is_active=False)


def put_into_the_trash(link):
    Conversation.objects.get().soft_delete(clock.now())


def take_out_of_the_trash(link):
    put_into_the_trash(link)
    Conversation.objects.get().restore()


def stop(link):
    sharing.stop(link.user, "c1")


def share_anew(link):
    stop(link)
    sharing.share(link.user, "c1", None, NOON)


def delete_for_good(link):
    Conversation.objects.get().soft_delete(clock.now() - timedelta(days=2))
    call_command("purge_deleted", "--older-than", "1d", stdout=StringIO())
    assert not SharedLink.objects.exists()


def lose_the_message(link):
    Message.objects.filter(client_id="a1").delete()


def lose_the_question(link):
    Message.objects.filter(client_id="q1").delete()


def nothing(link):
    pass


OPENS = [nothing, take_out_of_the_trash]
OPENS_NOT = [
    *(deactivate_the_owner, put_into_the_trash, stop, share_anew, delete_for_good),
    *(lose_the_message, lose_the_question),
]
# For each SHARING: what those of WHO get of a link that is good, and of one that is not.
EXPECTED = {
    "organization": (
        [HERE, HERE, HERE, NOT_HERE, LOG_IN],
        [NOT_HERE, NOT_HERE, NOT_HERE, NOT_HERE, LOG_IN],
    ),
    "anyone": ([HERE] * 5, [NOT_HERE] * 5),
    "off": ([NOT_HERE] * 5, [NOT_HERE] * 5),
}


@pytest.mark.parametrize("mode", EXPECTED)
@pytest.mark.parametrize("what", [*OPENS, *OPENS_NOT], ids=lambda what: what.__name__)
def test_a_link_opens_for_those_it_is_meant_for(
    what, mode, link, settings, client, alice, bob, dave, carol
):
    what(link)
    settings.SHARING = mode
    people = {"alice": alice, "bob": bob, "dave": dave, "carol": carol}
    statuses = []
    for name in WHO:
        client.logout()
        # Whoever is deactivated can log in no more.
        if name is not None and not (name == "bob" and what is deactivate_the_owner):
            client.force_login(people[name])
        statuses.append(client.get(f"/s/{link.token}").status_code)

    expected = list(EXPECTED[mode][what in OPENS_NOT])
    if what is deactivate_the_owner:
        expected[0] = expected[-1]
    assert statuses == expected


def test_whatever_the_reason_the_answer_is_that_to_an_unknown_link(link, client, carol, dave):
    client.force_login(carol)
    hidden = client.get(f"/s/{link.token}")
    unknown = client.get(f"/s/{'0' * 32}")
    client.force_login(dave)
    put_into_the_trash(link)
    in_trash = client.get(f"/s/{link.token}")

    assert hidden.content == unknown.content == in_trash.content
    assert hidden.headers == unknown.headers
    assert (hidden.status_code, unknown.status_code) == (404, 404)


@pytest.mark.parametrize("token", ["0" * 32, "x", "%00", "$gt", "a" * 3000, "ü"])
def test_what_is_no_link_is_not_here(token, client, bob, settings):
    settings.SHARING = "anyone"

    assert client.get(f"/s/{token}").status_code == 404


def test_the_log_in_leads_back(link, client, alice):
    response = client.get(f"/s/{link.token}?page=1")

    assert response["Location"] == f"/login?next=/s/{link.token}%3Fpage%3D1"
    form = {"username": "alice@acme.example", "password": "correct horse battery"}
    back = client.post(response["Location"], form)
    assert back["Location"] == f"/s/{link.token}?page=1"


def test_a_link_is_read_and_not_written_to(link, client, bob):
    client.force_login(bob)

    assert client.post(f"/s/{link.token}").status_code == 405
    assert client.head(f"/s/{link.token}").status_code == 200


# --- What it shows ------------------------------------------------------------------------------
def read(client, link, query="") -> str:
    response = client.get(f"/s/{link.token}{query}")
    assert response.status_code == 200
    return response.text


@pytest.fixture
def reader(client, alice, link):
    client.force_login(alice)
    return lambda query="": read(client, link, query)


def test_the_page_has_title_name_date_questions_and_answers(reader):
    text = reader()

    assert "<title>The answer – Chatcore</title>" in text
    assert '<h1 dir="auto">The answer</h1>' in text
    assert "Shared by <bdi>Bob</bdi>" in text
    assert '<time datetime="2026-11-27T12:05:00+00:00">27 November 2026, 12:05 UTC</time>' in text
    assert '<div class="message-body" dir="auto">What is it?</div>' in text
    assert '<div class="plain" dir="auto">I look **that** up.</div>' in text
    assert '<div class="plain" dir="auto">It is 42.</div>' in text
    assert "Tools used: <bdi>RocketReach person lookup</bdi></p>" in text


def test_neither_reasoning_nor_tools_nor_costs_nor_ids_are_in_it(reader, chat, bob, link):
    text = reader()

    assert "secret" not in text.lower()
    assert not [each for each in ("4321", "0.98", "c1", "q1", "a1") if f'"{each}"' in text]
    keys = [chat.pk, bob.pk, link.pk, *Message.objects.values_list("pk", flat=True)]
    assert not [each for each in keys if str(each) in text or each.hex in text]
    assert bob.email not in text
    assert "4321" not in text
    assert "0.98" not in text


def test_what_comes_later_is_not_shown_until_the_link_is_renewed(reader, chat, bob):
    add(chat, "q2", "A later question", "a1")

    assert "later" not in reader().replace("Later", "")
    sharing.renew(bob, "c1", None, NOON + timedelta(days=1))
    assert "A later question" in reader()
    assert "28 November 2026, 12:05 UTC" in reader()


def test_another_answer_and_an_edited_question_are_not_shown(reader, chat):
    add(chat, "a2", "Another answer", "q1", role="assistant")
    add(chat, "q3", "In other words", None)
    add(chat, "a3", "To other words", "q3", role="assistant")

    text = reader()

    assert "It is 42." in text
    assert not [each for each in ("Another answer", "other words") if each in text]


def test_the_branch_that_was_shown_is_shared_and_not_the_newest(client, alice, chat, bob):
    add(chat, "a2", "Another answer", "q1", role="assistant")
    link, _ = sharing.share(bob, "c1", "a1", NOON)
    client.force_login(alice)

    assert "It is 42." in read(client, link)
    assert "Another answer" not in read(client, link)


def test_how_an_answer_ended_is_told_without_its_error(client, alice, bob):
    error = {"code": "network", "message": "A secret of the provider."}
    answer = {**say("a1", "Half", "assistant"), "status": "failed", "error": error}
    Api(bob).post({"id": "c1", "title": "", "messages": [say("q1"), answer]})
    link, _ = sharing.share(bob, "c1", None, NOON)
    client.force_login(alice)

    text = read(client, link)

    assert "This answer failed." in text
    assert "secret" not in text
    assert '<h1 dir="auto">Untitled</h1>' in text


HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">&lt;'


def test_what_was_written_is_text_and_not_markup(client, bob):
    User.objects.filter(pk=bob.pk).update(name="<b>Bob</b>")
    tool = {"type": "dynamic-tool", "toolName": "<i>tool</i>"}
    answer = {**say("a1", "", "assistant"), "parts": [tool, {"type": "text", "text": HOSTILE}]}
    Api(bob).post({"id": "c1", "title": HOSTILE, "messages": [say("q1", HOSTILE), answer]})
    link, _ = sharing.share(bob, "c1", None, NOON)
    client.force_login(bob)

    text = read(client, link)

    escaped = (
        "&lt;/div&gt;&lt;script&gt;alert(1)&lt;/script&gt;"
        "&lt;img src=x onerror=&quot;alert(2)&quot;&gt;&amp;lt;"
    )
    assert text.count(escaped) == 4  # title, heading, question, answer
    assert "&lt;b&gt;Bob&lt;/b&gt;" in text
    assert "&lt;i&gt;tool&lt;/i&gt;" in text
    assert not [each for each in ("alert(1)</", "<img src=x", "<b>", "<i>") if each in text]


@pytest.mark.parametrize(
    ("name", "mode", "viewer", "by"),
    [
        ("", "organization", "alice", "Shared by <bdi>bob@acme.example</bdi> ·"),
        ("", "anyone", "alice", "Shared by <bdi>bob@acme.example</bdi> ·"),
        ("", "anyone", "carol", "Shared · as of"),
        ("", "anyone", None, "Shared · as of"),
        ("Bob", "anyone", None, "Shared by <bdi>Bob</bdi> ·"),
    ],
)
def test_an_address_is_told_to_colleagues_alone(
    name, mode, viewer, by, link, client, settings, request
):
    settings.SHARING = mode
    User.objects.filter(pk=link.user_id).update(name=name)
    if viewer is not None:
        client.force_login(request.getfixturevalue(viewer))

    assert by in read(client, link)


def test_a_long_chat_comes_in_pages(client, bob, monkeypatch):
    monkeypatch.setattr(shared_chats, "MESSAGES_ON_A_PAGE", 2)
    Api(bob).post({"id": "c1", "messages": [say(f"m{n}", f"Text {n}.") for n in range(1, 6)]})
    link, _ = sharing.share(bob, "c1", None, NOON)
    client.force_login(bob)

    def texts(query):
        thread = read(client, link, query).partition('<div class="thread">')[2]
        return [n for n in range(1, 6) if f"Text {n}." in thread]

    assert [texts(each) for each in ("?page=1", "?page=2", "?page=3")] == [[1, 2], [3, 4], [5]]
    assert read(client, link).count("Page 1 of 3") == 2
    assert 'rel="prev" href="?page=1"' in read(client, link, "?page=2")
    assert 'rel="next" href="?page=3"' in read(client, link, "?page=2")
    assert 'rel="next"' not in read(client, link, "?page=3")


@pytest.mark.parametrize("page", ["0", "2", "-1", "x", "", "1.5", "²", "9" * 5000])
def test_a_page_that_is_none_is_not_here(page, client, alice, link):
    client.force_login(alice)

    assert client.get(f"/s/{link.token}", {"page": page}).status_code == 404


# --- How it is sent -----------------------------------------------------------------------------
def test_nobody_keeps_finds_or_tells_of_what_is_answered(client, alice, link, settings):
    answers = [client.get(f"/s/{link.token}")]
    client.force_login(alice)
    answers += [client.get(f"/s/{link.token}"), client.get("/s/unknown")]
    settings.SHARED_LINK_LIMIT = Rate(1, 60)
    answers += [client.get(f"/s/{link.token}") for _ in range(2)]
    settings.SHARING = "off"
    answers.append(client.get(f"/s/{link.token}"))

    assert [each.status_code for each in answers] == [302, 200, 404, 200, 429, 404]
    for each in answers:
        assert each["Cache-Control"] == "private, no-store"
        assert each["Referrer-Policy"] == "no-referrer"
        assert each["X-Robots-Tag"] == "noindex, nofollow"
        assert "script-src 'self';" in f"{each['Content-Security-Policy']};"
        assert "unsafe" not in each["Content-Security-Policy"]
    assert '<meta name="robots" content="noindex, nofollow">' in answers[1].text


def test_openings_are_counted_for_each_address(client, link, settings):
    settings.SHARING = "anyone"
    settings.SHARED_LINK_LIMIT = Rate(2, 60)

    def open_from(address, token):
        return client.get(f"/s/{token}", REMOTE_ADDR=address)

    guesses = [open_from("192.0.2.1", f"{n:032}") for n in range(3)]
    assert [each.status_code for each in guesses] == [404, 404, 429]
    assert int(guesses[2]["Retry-After"]) > 0
    assert "Try again in" in guesses[2].text
    assert open_from("192.0.2.1", link.token).status_code == 429
    assert open_from("192.0.2.2", link.token).status_code == 200
