"""The WebSocket as a client sees it: the real application, the real SDK, a loopback provider."""

import asyncio
import json
import time

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async as in_store
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.db import OperationalError
from django.test import Client

from assistant import client_frames, consumers, frames, turns
from assistant.models import Generation
from assistant.sockets import STALLED_SECONDS, sockets
from chatcore.env import Rate
from conversations.models import Conversation, Message
from tests.conversations.api import Api
from tests.fakes.provider import WORDS, Reply

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("openai_models", "registry"),
]

SEND = {
    "type": "send",
    "requestId": "r1",
    "conversationId": "c1",
    "messageId": "m1",
    "text": "What is the answer?",
    "model": "openai:gpt-test",
}


def log_in(user) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


class Tab:
    """One open page."""

    def __init__(self, session: str = "", origin: str = "http://localhost", host="localhost"):
        from chatcore.asgi import application

        cookie = f"{django_settings.SESSION_COOKIE_NAME}={session}"
        headers = [(b"cookie", cookie.encode()), (b"host", host.encode())]
        if origin:
            headers.append((b"origin", origin.encode()))
        self.socket = WebsocketCommunicator(application, "/ws/assistant", headers)
        # Frames of their own kind, which may come at any time.
        self.services: list[dict] = []

    async def open(self):
        connected, _ = await self.socket.connect(timeout=5)
        return connected

    async def send(self, frame) -> None:
        raw = frame if isinstance(frame, str) else json.dumps(frame)
        await self.socket.send_to(text_data=raw)

    async def read(self) -> dict | None:
        """The next frame; None if it went to `services`."""
        frame = json.loads(await self.socket.receive_from(timeout=5))
        if frame["type"] != "services":
            return frame
        self.services.append(frame)
        return None

    async def receive(self) -> dict:
        while (frame := await self.read()) is None:
            pass
        if frame["type"] == "ready":
            # The one that follows it.
            assert await self.read() is None
        return frame

    async def until(self, kind: str) -> list[dict]:
        """The frames up to the first of this type."""
        seen: list[dict] = []
        while not seen or seen[-1]["type"] != kind:
            seen.append(await self.receive())
        return seen

    async def close(self) -> None:
        await self.socket.disconnect()


@pytest_asyncio.fixture
async def tab(bob):
    one = Tab(await sync_to_async(log_in)(bob))
    assert await one.open()
    assert await one.receive() == {"type": "ready", "protocol": frames.PROTOCOL_VERSION}
    yield one
    await one.close()


def text_of(seen) -> str:
    return "".join(frame["text"] for frame in seen if frame["type"] == "delta")


async def test_an_answer_streams_in_and_is_saved(tab):
    await tab.send(SEND)
    started, *rest = await tab.until("finished")

    assert started == {
        "type": "started",
        "requestId": "r1",
        "conversationId": "c1",
        "title": "What is the answer?",
        "messageId": "m1",
        "generationId": started["generationId"],
        "answerId": started["answerId"],
        "model": "openai:gpt-test",
    }
    assert text_of(rest) == WORDS
    assert rest[-1]["status"] == "done"
    answer = await in_store(Message.objects.get)(client_id=started["answerId"])
    assert (answer.content, answer.token_count) == (WORDS, 5)


async def test_the_question_is_in_the_store_when_the_provider_is_asked(tab, provider):
    provider.reply_with(Reply(cut_after=2))

    await tab.send(SEND)
    seen = await tab.until("finished")

    assert seen[-1]["status"] == "failed"
    assert seen[-1]["error"]["code"] == "network"
    assert await in_store(Message.objects.filter(client_id="m1").exists)()


async def test_a_second_send_with_the_same_request_id_asks_nothing(tab, provider):
    await tab.send(SEND)
    first = await tab.until("finished")

    await tab.send(SEND)
    started, snapshot = await tab.receive(), await tab.receive()

    assert started["generationId"] == first[0]["generationId"]
    assert (snapshot["type"], snapshot["text"], snapshot["status"]) == ("snapshot", WORDS, "done")
    assert len(provider.requests) == 1


async def test_a_wrong_key_is_told_and_a_retry_makes_another_branch(tab, provider):
    provider.reply_with(Reply(status=401, error={"error": {"message": "no", "code": "x"}}))
    await tab.send(SEND)
    failed = (await tab.until("finished"))[-1]

    again = {"type": "regenerate", "requestId": "r2", "conversationId": "c1", "messageId": "m1"}
    await tab.send(again)
    seen = await tab.until("finished")

    assert failed["error"]["code"] == "wrong_key"
    assert "did not accept the API key" in failed["error"]["message"]
    assert text_of(seen) == WORDS
    statuses = await in_store(
        lambda: list(Message.objects.filter(parent_id="m1").values_list("status", flat=True))
    )()
    assert sorted(statuses) == ["complete", "failed"]


async def test_a_tab_that_comes_back_goes_on_where_it_was(tab, bob, provider):
    provider.reply_with(Reply(text="word " * 40, delay=0.01))
    await tab.send(SEND)
    started = await tab.receive()
    first = [await tab.receive() for _ in range(3)]
    await tab.close()
    other = Tab(await sync_to_async(log_in)(bob))
    await other.open()
    await other.receive()

    seq = first[-1]["seq"]
    await other.send({"type": "attach", "generationId": started["generationId"], "after": seq})
    rest = await other.until("finished")

    assert text_of(first) + text_of(rest) == "word " * 40
    assert all(frame["seq"] > seq for frame in rest)
    await other.close()


async def test_attach_without_a_position_gets_all_there_is(tab, bob, provider):
    provider.reply_with(Reply(text="word " * 40, delay=0.01))
    await tab.send(SEND)
    started = await tab.receive()
    await tab.receive()
    other = Tab(await sync_to_async(log_in)(bob))
    await other.open()
    await other.receive()

    await other.send({"type": "attach", "generationId": started["generationId"]})
    snapshot, *rest = await other.until("finished")

    assert (snapshot["type"], snapshot["status"]) == ("snapshot", "running")
    assert snapshot["text"] + text_of(rest) == "word " * 40
    await other.close()


async def test_stop_ends_the_answer_and_keeps_it(tab, provider):
    provider.reply_with(Reply(text="word " * 400, delay=0.01))
    await tab.send(SEND)
    started = await tab.receive()
    await tab.receive()

    await tab.send({"type": "stop", "generationId": started["generationId"]})
    seen = await tab.until("finished")

    assert seen[-1]["status"] == "stopped"
    answer = await in_store(Message.objects.get)(client_id=started["answerId"])
    assert answer.status == "stopped"
    assert answer.content.startswith("word")
    assert len(answer.content) < len("word " * 400)


async def test_a_tab_that_closes_ends_no_answer(tab, registry, provider):
    provider.reply_with(Reply(text="word " * 20, delay=0.01))
    await tab.send(SEND)
    started = await tab.receive()

    await tab.close()
    for task in list(registry._tasks):
        await task

    answer = await in_store(Message.objects.get)(client_id=started["answerId"])
    assert (answer.content, answer.status) == ("word " * 20, "complete")


async def test_a_bad_frame_gets_an_error_and_the_socket_lives(tab):
    for raw in ("no json", '{"type": "dance"}', json.dumps({**SEND, "text": 1})):
        await tab.send(raw)
        assert (await tab.receive())["type"] == "error"

    await tab.send({"type": "ping"})

    assert await tab.receive() == {"type": "pong"}


async def test_a_frame_over_the_limit_is_refused_with_a_clear_error(tab):
    await tab.send(json.dumps({**SEND, "text": "x" * client_frames.MAX_FRAME_BYTES}))

    assert await tab.receive() == {
        "type": "error",
        "code": "too_large",
        "message": "A frame may have at most 900,000 bytes.",
        "requestId": None,
        "field": None,
        "retryAfter": None,
    }


async def test_bytes_are_no_frame(tab):
    await tab.socket.send_to(bytes_data=b"\x00\x01")

    assert (await tab.receive())["code"] == "malformed"


async def test_a_model_that_is_not_offered_is_refused_and_nothing_is_saved(tab):
    await tab.send({**SEND, "model": "openai:gpt-9"})

    error = await tab.receive()

    assert (error["code"], error["requestId"]) == ("unknown_model", "r1")
    assert not await in_store(Conversation.objects.exists)()


async def test_a_question_over_the_limit_is_told_how_long_to_wait(tab, provider, settings):
    settings.ASSISTANT_LIMIT = Rate(1, 24 * 60 * 60)
    await tab.send(SEND)
    await tab.until("finished")

    await tab.send({**SEND, "requestId": "r2", "messageId": "m2"})
    refused = await tab.receive()
    again = {"type": "regenerate", "requestId": "r3", "conversationId": "c1", "messageId": "m1"}
    await tab.send(again)
    refused_again = await tab.receive()

    assert (refused["code"], refused["requestId"]) == ("rate_limited", "r2")
    assert 1 <= refused["retryAfter"] <= 24 * 60 * 60
    assert (refused_again["code"], refused_again["requestId"]) == ("rate_limited", "r3")
    assert len(provider.requests) == 1
    assert not await in_store(Message.objects.filter(client_id="m2").exists)()


async def test_a_repeated_request_over_the_limit_is_attached_to_its_answer(tab, provider, settings):
    settings.ASSISTANT_LIMIT = Rate(1, 24 * 60 * 60)
    await tab.send(SEND)
    first = await tab.until("finished")

    await tab.send(SEND)
    started, snapshot = await tab.receive(), await tab.receive()

    assert started == first[0]
    assert (snapshot["text"], snapshot["status"]) == (WORDS, "done")
    assert len(provider.requests) == 1


async def test_nobody_sees_or_stops_anothers_answer(tab, alice, provider):
    provider.reply_with(Reply(text="word " * 100, delay=0.01))
    await tab.send(SEND)
    started = await tab.receive()
    stranger = Tab(await sync_to_async(log_in)(alice))
    await stranger.open()
    await stranger.receive()

    for kind in ("attach", "stop"):
        await stranger.send({"type": kind, "generationId": started["generationId"]})
        assert (await stranger.receive())["code"] == "not_found"

    generation = await in_store(Generation.objects.get)()
    assert generation.status == "running"
    await stranger.close()


@pytest.mark.parametrize("generation_id", ["-" * 36, "x", "", 7, None, {"$gt": ""}])
async def test_what_is_no_generation_is_refused_by_name(generation_id, tab):
    for kind in ("attach", "stop"):
        await tab.send({"type": kind, "generationId": generation_id})

        error = await tab.receive()
        assert (error["code"], error["field"]) == ("invalid", "generationId")


async def test_a_stranger_is_told_to_log_in():
    stranger = Tab("no such session")

    assert await stranger.open()
    message = await stranger.socket.receive_output(timeout=5)

    assert (message["type"], message["code"]) == ("websocket.close", 4401)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "localhost"),
        ("", "localhost"),
        ("null", "localhost"),
        # DNS rebinding: the page's own name points here
        ("http://evil.example", "evil.example"),
        # another service on the same machine
        ("http://localhost:9000", "localhost:8000"),
        ("http://localhost.evil.example", "localhost"),
    ],
)
async def test_a_page_from_elsewhere_gets_no_socket(origin, host, bob):
    page = Tab(await sync_to_async(log_in)(bob), origin=origin, host=host)

    assert not await page.open()


async def test_a_trusted_origin_gets_a_socket(bob, settings):
    settings.TRUSTED_ORIGINS = ["https://chat.example.org"]
    page = Tab(await sync_to_async(log_in)(bob), origin="https://chat.example.org", host="web:8000")

    assert await page.open()
    await page.close()


async def test_a_session_that_ended_asks_nothing_more(tab, bob, provider):
    bob.is_active = False
    await in_store(bob.save)()

    await tab.send(SEND)
    message = await tab.socket.receive_output(timeout=5)

    assert (message["type"], message["code"]) == ("websocket.close", 4401)
    assert provider.requests == []
    assert not await in_store(Message.objects.exists)()


async def test_a_page_that_was_logged_out_elsewhere_stops_reading(tab, bob, provider, monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_SESSION_SECONDS", 0.1)
    provider.reply_with(Reply(text="word " * 400, delay=0.01))
    await tab.send(SEND)
    await tab.until("delta")
    bob.is_active = False
    await in_store(bob.save)()

    async with asyncio.timeout(5):
        while (message := await tab.socket.receive_output())["type"] != "websocket.close":
            pass

    assert message["code"] == 4401


async def test_an_answer_is_read_on_while_the_store_is_away(tab, provider, monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_SESSION_SECONDS", 0.05)
    provider.reply_with(Reply(text="word " * 40, delay=0.01))
    await tab.send(SEND)
    first = await tab.until("delta")

    def away(_session_key):
        raise OperationalError("away")

    monkeypatch.setattr(consumers, "user_of_session", away)
    rest = await tab.until("finished")

    assert text_of(first) + text_of(rest) == "word " * 40


async def test_an_unknown_socket_address_is_refused():
    from chatcore.asgi import application

    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    socket = WebsocketCommunicator(application, "/ws/other", headers)

    connected, _ = await socket.connect()

    assert not connected


# --- Other tabs -----------------------------------------------------------------------------------
async def another_tab(user) -> Tab:
    one = Tab(await sync_to_async(log_in)(user))
    await one.open()
    await one.receive()
    return one


async def test_other_tabs_of_the_person_hear_of_a_turn_and_follow_it(tab, bob, alice, provider):
    other, stranger = await another_tab(bob), await another_tab(alice)

    await tab.send(SEND)
    started, *rest = await tab.until("finished")
    begun, ended = await other.receive(), await other.receive()
    await other.send({"type": "attach", "generationId": begun["generationId"], "after": 0})
    followed = await other.receive()

    assert begun == {
        "type": "begun",
        **{name: started[name] for name in ("requestId", "conversationId", "title", "model")},
        **{name: started[name] for name in ("generationId", "answerId")},
        "question": {"id": "m1", "parentId": None, "text": "What is the answer?"},
    }
    assert ended == {"type": "ended", "generationId": started["generationId"]}
    assert followed["text"] == text_of(rest) == WORDS
    assert {"begun", "ended"}.isdisjoint(frame["type"] for frame in rest)
    assert await tab.socket.receive_nothing()
    assert await stranger.socket.receive_nothing()
    await other.close()
    await stranger.close()


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_every_tab_of_the_person_hears_of_a_chat_that_the_api_has_changed(
    tab, bob, alice, is_deleted
):
    stranger = await another_tab(alice)
    await tab.send(SEND)
    await tab.until("finished")
    api = await sync_to_async(Api)(bob)

    if is_deleted:
        await in_store(api.delete)(id="c1")
    else:
        await in_store(api.patch)({"id": "c1", "title": "Everything"})

    chat = await Conversation.objects.aget(client_id="c1")
    assert await tab.receive() == {
        "type": "changed",
        "conversationId": "c1",
        "title": "What is the answer?" if is_deleted else "Everything",
        "updatedAt": chat.updated_at.isoformat(),
        "isDeleted": is_deleted,
    }
    assert await stranger.socket.receive_nothing()
    await stranger.close()


# --- What happened while nothing could be heard ---------------------------------------------------
SYNC = {"type": "sync", "conversationId": "c1"}


async def test_a_tab_that_shows_all_of_a_chat_is_told_so(tab):
    await tab.send(SEND)
    started, *_ = await tab.until("finished")

    await tab.send({**SYNC, "messageId": started["answerId"]})

    assert await tab.receive() == {"type": "unchanged", "conversationId": "c1"}


async def test_a_tab_that_missed_something_gets_what_is_to_be_shown(tab):
    await tab.send(SEND)
    started, *_ = await tab.until("finished")

    await tab.send({**SYNC, "messageId": "m1"})
    frame = await tab.receive()

    question, answer = frame.pop("messages")
    assert frame == {
        "type": "conversation",
        "conversationId": "c1",
        "title": "What is the answer?",
        "running": None,
    }
    assert (question["id"], question["role"]) == ("m1", "user")
    assert answer.pop("createdAt") > question["createdAt"]
    assert answer == {
        "id": started["answerId"],
        "parentId": "m1",
        "role": "assistant",
        "parts": [{"type": "text", "text": WORDS}],
        "model": "openai:gpt-test",
        "status": "complete",
        "error": None,
        "siblings": [started["answerId"]],
    }


async def test_a_tab_that_missed_the_beginning_of_an_answer_is_told_what_to_attach_to(
    tab, provider
):
    provider.reply_with(Reply(silent_after=1))
    await tab.send(SEND)
    started, *_ = await tab.until("delta")

    # Shown or not: a page that asks follows nothing.
    await tab.send({**SYNC, "messageId": "m1"})
    frame = (await tab.until("conversation"))[-1]

    assert [message["id"] for message in frame["messages"]] == ["m1"]
    assert frame["running"] == {
        "generationId": started["generationId"],
        "answerId": started["answerId"],
        "parentId": "m1",
        "model": "openai:gpt-test",
        "siblings": [started["answerId"]],
    }


async def test_a_tab_is_shown_the_branch_it_asks_for_and_syncs_in_it(tab, provider):
    await tab.send(SEND)
    first, *_ = await tab.until("finished")
    await tab.send({**SEND, "requestId": "r2", "messageId": "m2", "text": "Other words?"})
    second, *_ = await tab.until("finished")

    await tab.send({"type": "show", "conversationId": "c1", "messageId": "m1"})
    shown = await tab.receive()
    await tab.send({**SYNC, "messageId": first["answerId"]})
    synced = await tab.receive()

    assert [each["id"] for each in shown["messages"]] == ["m1", first["answerId"]]
    assert shown["messages"][0]["siblings"] == ["m1", "m2"]
    assert [each["id"] for each in synced["messages"]] == ["m1", first["answerId"]]
    await tab.send({**SYNC, "messageId": second["answerId"]})
    assert await tab.receive() == {"type": "unchanged", "conversationId": "c1"}


async def test_a_branch_of_somebody_else_is_not_shown(tab, alice):
    await tab.send(SEND)
    await tab.until("finished")
    stranger = await another_tab(alice)

    await stranger.send({"type": "show", "conversationId": "c1", "messageId": "m1"})

    assert (await stranger.receive())["code"] == "not_found"
    await stranger.close()


async def test_a_chat_in_the_trash_or_of_somebody_else_is_not_there(tab, alice, bob):
    await tab.send(SEND)
    started, *_ = await tab.until("finished")
    stranger = await another_tab(alice)

    await stranger.send({**SYNC, "messageId": started["answerId"]})
    chat = await in_store(Conversation.objects.get)(client_id="c1")
    await in_store(chat.soft_delete)(chat.created_at)
    await tab.send({**SYNC, "messageId": started["answerId"]})

    for frame in (await stranger.receive(), await tab.receive()):
        assert (frame["type"], frame["code"]) == ("error", "not_found")
        assert frame["message"] == "This chat is not there any more."
    await stranger.close()


# --- Going on from an answer that ended early -----------------------------------------------------
async def test_an_answer_that_broke_off_is_continued_in_one_text(tab, provider):
    # Cut off in its middle, where the provider is not asked again.
    provider.reply_with(Reply("Half an answer", cut_after=2), Reply(" and the rest."))
    await tab.send(SEND)
    first, *_, failed = await tab.until("finished")

    answer_id = first["answerId"]
    goes_on = {"type": "continue", "requestId": "r2", "conversationId": "c1"}
    await tab.send({**goes_on, "messageId": answer_id})
    started, *rest = await tab.until("finished")

    assert failed["status"] == "failed"
    assert (started["messageId"], rest[-1]["status"]) == ("m1", "done")
    assert text_of(rest) == "Half an and the rest."
    asked = [(each["role"], each["content"]) for each in provider.requests[-1].body["messages"]]
    assert asked == [
        ("user", "What is the answer?"),
        ("assistant", "Half an"),
        ("user", turns.GO_ON),
    ]
    stored = {each.client_id: each.content async for each in Message.objects.filter(parent_id="m1")}
    assert stored == {answer_id: "Half an", started["answerId"]: "Half an and the rest."}


# --- Sockets out of order -------------------------------------------------------------------------
async def test_a_socket_that_sends_without_end_is_closed(tab, monkeypatch):
    monkeypatch.setattr(consumers, "MOST_FRAMES", 3)
    for _ in range(4):
        await tab.send({"type": "ping"})

    seen = [await tab.socket.receive_output(timeout=5) for _ in range(4)]

    assert [each["type"] for each in seen] == [*["websocket.send"] * 3, "websocket.close"]
    assert seen[-1]["code"] == consumers.TOO_MANY_FRAMES


async def test_a_socket_follows_so_many_answers_and_no_more(tab, provider, monkeypatch):
    monkeypatch.setattr(consumers, "MOST_FOLLOWED", 1)
    provider.reply_with(Reply(silent_after=1), Reply())
    await tab.send(SEND)
    await tab.until("delta")

    await tab.send({**SEND, "requestId": "r2", "conversationId": "c2"})
    started, error = await tab.until("error")

    assert (started["requestId"], error["code"]) == ("r2", "too_many_followed")


async def test_a_page_that_does_not_read_is_dropped_with_a_code(tab, bob):
    (socket,) = sockets._of[str(bob.pk)]
    now = time.monotonic()

    socket.waits_since = now - STALLED_SECONDS + 1
    sockets.drop_stalled(now)
    socket.waits_since = None
    sockets.drop_stalled(now + 3600)
    assert await tab.socket.receive_nothing()
    socket.waits_since = now - STALLED_SECONDS - 1
    sockets.drop_stalled(now)

    closed = await tab.socket.receive_output(timeout=5)
    assert (closed["type"], closed["code"]) == ("websocket.close", consumers.DID_NOT_READ)
