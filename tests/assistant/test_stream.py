"""The HTTP stream through the whole application: the real SDK, a loopback provider."""

import json

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async as in_store
from django.db import OperationalError
from django.test import Client

from assistant import turns
from assistant.models import Generation
from chatcore import clock
from chatcore.env import Rate
from conversations.models import Conversation
from tests.assistant.sse import (
    PATH,
    SILENT,
    Http,
    ask,
    client_of,
    saved,
    say,
    session_of,
)
from tests.fakes.provider import WORDS, Reply

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("openai_models", "registry"),
]


# --- An answer ----------------------------------------------------------------------------------
async def test_an_answer_streams_in_and_is_saved(http):
    answer = await (await http.post(ask())).end()

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["cache-control"] == "private, no-cache, no-transform"
    assert answer.types == [
        *("start", "start-step", "text-start", "text-delta"),
        *("message-metadata", "text-end", "finish-step", "message-metadata", "finish", "[DONE]"),
    ]
    assert answer.text == WORDS
    record = await in_store(Generation.objects.get)()
    assert answer.start == {
        "type": "start",
        "messageId": record.answer_id,
        "messageMetadata": {
            "conversationId": "c1",
            "generationId": str(record.pk),
            "questionId": "m1",
            "model": "openai:gpt-test",
        },
    }
    message = await saved(client_id=record.answer_id)
    assert (message.content, message.parent_id, message.token_count) == (WORDS, "m1", 5)


async def test_the_beginning_comes_before_the_provider_has_said_a_word(http, provider):
    provider.reply_with(Reply(silent_after=0))

    answer = await http.post(ask())
    await answer.part()

    assert answer.types == ["start", "start-step"]
    await answer.leave()


async def test_the_first_piece_is_not_kept_for_more(http, provider):
    provider.reply_with(Reply(silent_after=1))

    answer = await (await http.post(ask())).until("text-delta")

    assert answer.text == "The"
    await answer.leave()


async def test_reasoning_and_tools_are_blocks_of_their_own(http, provider):
    provider.reply_with(
        Reply(text="42", reasoning="Hm.", tools=(("call_1", "search", '{"query": "x"}'),))
    )

    answer = await (await http.post(ask())).end()

    assert answer.all("reasoning-delta") == [{"type": "reasoning-delta", "id": "1", "delta": "Hm."}]
    assert answer.text == "42"
    assert answer.all("tool-input-available") == [
        {
            "type": "tool-input-available",
            "toolCallId": "call_1",
            "toolName": "search",
            "dynamic": True,
            "input": {"query": "x"},
        }
    ]
    assert answer.chunks[-2] == {"type": "finish", "finishReason": "tool-calls"}


async def test_a_failure_is_an_error_and_the_stream_ends_in_order(http, provider):
    provider.reply_with(Reply(status=401, error={"error": {"message": "no"}}))

    answer = await (await http.post(ask())).end()

    error = answer.all("message-metadata")[-1]["messageMetadata"]["error"]
    assert error["code"] == "wrong_key"
    assert answer.all("error") == [{"type": "error", "errorText": error["message"]}]
    assert answer.types[-3:] == ["error", "finish", "[DONE]"]
    assert (await saved(client_id=answer.start["messageId"])).status == "failed"


async def test_the_model_of_the_request_answers(http, settings, provider):
    settings.OPENAI_MODELS = ["gpt-test", "gpt-other"]

    answer = await (await http.post(ask(model="openai:gpt-other"))).end()

    assert answer.start["messageMetadata"]["model"] == "openai:gpt-other"
    assert provider.requests[0].body["model"] == "gpt-other"


# --- Who asks -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", PATH), ("GET", f"{PATH}/c1/stream"), ("DELETE", f"{PATH}/c1/stream")],
)
async def test_a_stranger_is_asked_for_a_token(db, method, path):
    answer = await (await Http().open(method, path, b"{}")).end()

    assert (answer.status, answer.error) == (401, "not_authenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_wrong_token_is_told_in_json_to_whoever_accepts_only_events(db):
    answer = await (await Http(token="cc_wrong").resume(accept="text/event-stream")).end()

    assert (answer.status, answer.error) == (401, "authentication_failed")
    assert answer.headers["content-type"] == "application/json"


async def test_a_session_needs_its_csrf_token_to_ask_and_to_stop(bob):
    session = await sync_to_async(session_of)(bob)
    without, with_token = Http(session=session, csrf=False), Http(session=session)

    refused = await (await without.post(ask())).end()
    not_stopped = await without.stop()
    answer = await (await with_token.post(ask())).end()
    stopped = await with_token.stop()

    assert (refused.status, refused.error) == (403, "csrf_failed")
    assert (not_stopped.status, not_stopped.error) == (403, "csrf_failed")
    assert (answer.status, answer.text) == (200, WORDS)
    assert stopped.status == 204


async def test_an_address_takes_only_its_methods(http):
    got = await (await http.open("GET", PATH)).end()
    head = await (await http.open("HEAD", f"{PATH}/c1/stream")).end()

    assert (got.status, head.status) == (405, 405)


async def test_somebody_elses_conversation_is_as_one_that_is_not_there(http, carol, provider):
    provider.reply_with(SILENT)
    hers = await (await http.post(ask())).until("text-delta")
    stranger = await client_of(carol)

    resumed = await (await stranger.resume()).end()
    stopped = await stranger.stop()

    assert (resumed.status, resumed.body) == (204, b"")
    assert stopped.status == 204
    assert (await in_store(Generation.objects.get)()).status == "running"
    await hers.leave()


# --- What is refused ----------------------------------------------------------------------------
def file_part(**_):
    return {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**ask(), "id": "no such id"}, "id"),
        ({**ask(), "messages": []}, "messages"),
        ({"id": "c1"}, "messages"),
        (ask(trigger="resume-stream"), "trigger"),
        (ask(model=""), "model"),
        (ask(requestId="a b"), "requestId"),
        (ask(say("m 1")), "messages[0].id"),
        (ask(say("m1", " ")), "messages[0]"),
        (ask(say("m1", "x" * 200_001)), "messages[0]"),
        (ask(say("m1"), say("a1", role="assistant")), "messages[1]"),
        (ask({**say("m1"), "parts": [file_part()]}), "messages[0].parts[0]"),
        (ask({**say("m1"), "parts": [{"type": "text", "text": 1}]}), "messages[0].parts[0].text"),
        (ask({**say("m1"), "parts": "text"}), "messages[0].parts"),
        (ask({**say("m1"), "role": "tool"}), "messages[0].role"),
        (ask(say("m1", "a\x00b")), "messages[0].parts[0].text"),
    ],
)
def test_what_cannot_be_taken_names_its_field(bob, body, field):
    client = Client()
    client.force_login(bob)

    answer = client.post(PATH, json.dumps(body), "application/json")

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
    assert Conversation.objects.count() == 0


def test_files_are_refused_in_words(bob):
    client = Client()
    client.force_login(bob)
    message = {**say("m1"), "parts": [*say("m1")["parts"], file_part()]}

    answer = client.post(PATH, json.dumps(ask(message)), "application/json")

    assert answer.json()["error"]["message"] == (
        "messages[0].parts[1]: is a file, and files are not taken."
    )


def test_a_body_that_is_too_large_is_413(bob):
    client = Client()
    client.force_login(bob)

    answer = client.post(PATH, b" " * (8 * 1024 * 1024 + 1), "application/json")

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


async def test_fields_of_others_are_ignored(http):
    message = {**say("m1"), "metadata": {"a": 1}, "parts": [{"type": "data-x"}, *say("")["parts"]]}

    answer = await (await http.post(ask(message, theme="dark"))).end()

    assert (answer.status, answer.text) == (200, WORDS)


async def test_a_model_that_is_not_offered_is_400(http):
    answer = await (await http.post(ask(model="openai:gone"))).end()

    assert (answer.status, answer.error) == (400, "unknown_model")


async def test_a_conversation_in_the_trash_takes_no_question(http, bob):
    await (await http.post(ask())).end()
    chat = await in_store(Conversation.objects.get)()
    await in_store(chat.soft_delete)(clock.now())

    answer = await (await http.post(ask(say("m1"), say("m2")))).end()

    assert (answer.status, answer.error) == (409, "deleted")


async def test_a_limit_is_429_and_says_when_it_ends(http, settings):
    settings.ASSISTANT_LIMIT = Rate(1, 60)
    await (await http.post(ask())).end()

    answer = await (await http.post(ask(say("m1"), say("m2")))).end()

    assert (answer.status, answer.error) == (429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 61
    assert answer.headers["ratelimit-limit"] == "1"
    assert answer.headers["ratelimit-remaining"] == "0"
    assert answer.headers["ratelimit-reset"] == answer.headers["retry-after"]


async def test_a_repeated_request_is_not_refused_for_the_limit(http, settings):
    settings.ASSISTANT_LIMIT = Rate(1, 60)
    await (await http.post(ask())).end()

    answer = await (await http.post(ask())).end()

    assert (answer.status, answer.text) == (200, WORDS)


@pytest.mark.parametrize(
    ("code", "status"), [("restarting", 503), ("too_many_running", 409), ("conflict", 409)]
)
async def test_a_refused_turn_is_an_error_with_its_code(http, monkeypatch, code, status):
    def refuse(*_args, **_kwargs):
        raise turns.TurnRefused(code, "Not now.")

    monkeypatch.setattr(turns, "begin", refuse)

    answer = await (await http.post(ask())).end()

    assert (answer.status, answer.error) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_store_that_is_away_is_503(http, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OperationalError

    monkeypatch.setattr(turns, "begin", fail)

    answer = await (await http.post(ask())).end()

    assert (answer.status, answer.error) == (503, "store_away")
