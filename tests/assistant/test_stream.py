"""The HTTP stream through the whole application: the real SDK, a loopback provider."""

import asyncio
import json
import threading

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async as in_store
from django.db import OperationalError
from django.test import Client

from accounts.models import ApiToken, User
from assistant import event_stream, turns
from assistant.models import Generation
from chatcore import clock
from chatcore.env import Rate
from conversations.models import Conversation, Message
from tests.assistant.sse import (
    PATH,
    Http,
    ask,
    client_of,
    say,
    session_of,
    until,
)
from tests.fakes.provider import WORDS, Reply

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("openai_models", "registry"),
]

SILENT = Reply(silent_after=2)
SLOW = Reply(delay=0.05)
# Longer than any test: it runs until it is stopped.
ENDLESS = Reply(text="word " * 10_000, delay=0.01)


@pytest_asyncio.fixture
async def http(bob):
    return await client_of(bob)


async def saved(**which) -> Message:
    return await in_store(Message.objects.get)(**which)


async def count(model) -> int:
    return await in_store(model.objects.count)()


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


# --- Where a question belongs -------------------------------------------------------------------
async def test_a_question_follows_the_answer_before_it(http):
    first = await (await http.post(ask())).end()
    answer_id = first.start["messageId"]

    await (await http.post(ask(say("m1"), say(answer_id, role="assistant"), say("m2")))).end()

    assert (await saved(client_id="m2")).parent_id == answer_id


async def test_messages_that_are_not_stored_are_passed_over(http):
    await (await http.post(ask())).end()

    await (await http.post(ask(say("m1"), say("refused"), say("m2")))).end()

    assert (await saved(client_id="m2")).parent_id == "m1"


async def test_a_question_without_the_others_follows_the_last_message(http):
    first = await (await http.post(ask())).end()

    await (await http.post(ask(say("m2")))).end()

    assert (await saved(client_id="m2")).parent_id == first.start["messageId"]


async def test_the_model_reads_the_stored_messages_not_those_of_the_client(http, provider):
    await (await http.post(ask())).end()

    await (await http.post(ask(say("m1", "Forged"), say("m2", "And why?")))).end()

    said = [message["content"] for message in provider.requests[1].body["messages"]]
    assert said[0] == "What is the answer?\n\nAnd why?"


async def test_nothing_follows_a_question_that_is_being_answered(http, provider):
    provider.reply_with(SILENT)
    running = await (await http.post(ask())).until("text-delta")
    partial = say(running.start["messageId"], "The answer", "assistant")

    refused = await (await http.post(ask(say("m1"), partial, say("m2")))).end()
    await http.stop()
    taken = await (await http.post(ask(say("m1"), partial, say("m2")))).end()

    assert (refused.status, refused.error) == (409, "already_running")
    assert taken.status == 200
    assert (await saved(client_id="m2")).parent_id == running.start["messageId"]


async def test_a_changed_message_is_a_branch_beside_the_earlier_one(http, provider):
    await (await http.post(ask())).end()

    changed = say("m1", "Another question?")
    answer = await (await http.post(ask(changed, messageId="m1"))).end()

    new_id = answer.start["messageMetadata"]["questionId"]
    new = await saved(client_id=new_id)
    assert new_id.startswith("edit-")
    assert (new.content, new.parent_id) == ("Another question?", None)
    assert (await saved(client_id="m1")).content == "What is the answer?"
    assert len(provider.requests[1].body["messages"]) == 1


async def test_a_changed_message_that_is_sent_again_is_answered_once(http, provider):
    await (await http.post(ask())).end()
    changed = ask(say("m1", "Another question?"), messageId="m1")

    first = await (await http.post(changed)).end()
    second = await (await http.post(changed)).end()

    assert first.start == second.start
    assert len(provider.requests) == 2


async def test_another_answer_to_a_changed_message_is_one_to_its_new_words(http, provider):
    await (await http.post(ask())).end()
    changed = say("m1", "Another question?")
    first = await (await http.post(ask(changed, messageId="m1"))).end()

    again = await (await http.post(ask(changed, trigger="regenerate-message"))).end()

    question = first.start["messageMetadata"]["questionId"]
    assert again.start["messageMetadata"]["questionId"] == question
    assert again.start["messageId"] != first.start["messageId"]


# --- A request is answered once -----------------------------------------------------------------
async def test_the_same_message_again_asks_nothing(http, provider):
    first = await (await http.post(ask())).end()

    second = await (await http.post(ask())).end()

    assert second.start == first.start
    assert second.text == WORDS
    assert second.types == [
        *("start", "start-step", "text-start", "text-delta", "text-end", "finish-step"),
        *("message-metadata", "finish", "[DONE]"),
    ]
    assert len(provider.requests) == 1


async def test_the_same_message_again_joins_the_answer_that_runs(http, provider):
    provider.reply_with(ENDLESS)
    first = await (await http.post(ask())).until("text-delta")

    second = await (await http.post(ask())).until("text-delta")
    await http.stop()
    await first.end()
    await second.end()

    assert second.start == first.start
    message = await saved(client_id=first.start["messageId"])
    assert (first.text, second.text) == (message.content, message.content)
    assert len(provider.requests) == 1


async def test_the_same_at_the_same_moment_asks_once(http, provider):
    answers = await asyncio.gather(*(http.post(ask()) for _ in range(4)))
    for answer in answers:
        await answer.end()

    assert {answer.start["messageId"] for answer in answers} == {answers[0].start["messageId"]}
    assert len(provider.requests) == 1


@pytest.mark.parametrize("quoted", ["{}", '"{}"'])
async def test_a_key_names_a_request_by_body_or_header(http, provider, quoted):
    again = ask(trigger="regenerate-message", requestId="r1")
    await (await http.post(ask())).end()

    first = await (await http.post(again)).end()
    del again["requestId"]
    second = await (await http.post(again, idempotency_key=quoted.format("r1"))).end()

    assert second.start == first.start
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    ("body", "key", "field"),
    [(ask(), "a b", "Idempotency-Key"), (ask(requestId="r1"), "r2", "requestId")],
)
async def test_a_key_that_makes_no_sense_is_400(http, body, key, field):
    answer = await (await http.post(body, idempotency_key=key)).end()

    assert (answer.status, list(answer.json["error"]["fields"])) == (400, [field])


async def test_a_key_of_another_conversation_is_a_conflict(http):
    await (await http.post(ask(requestId="r1"))).end()

    answer = await (await http.post({**ask(requestId="r1"), "id": "c2"})).end()

    assert (answer.status, answer.error) == (409, "conflict")


async def test_another_answer_is_asked_for_each_time(http, provider):
    first = await (await http.post(ask())).end()
    again = ask(trigger="regenerate-message", messageId=first.start["messageId"])

    second = await (await http.post(again)).end()
    third = await (await http.post(again)).end()

    assert len({each.start["messageId"] for each in (first, second, third)}) == 3
    parents = {
        (await saved(client_id=each.start["messageId"])).parent_id for each in (second, third)
    }
    assert parents == {"m1"}
    assert len(provider.requests) == 3


async def test_another_answer_to_an_earlier_question_goes_by_the_answers_id(http):
    first = await (await http.post(ask())).end()
    await (await http.post(ask(say("m2")))).end()
    # A client that does not cut its list of messages behind the answer.
    again = ask(
        *(say("m1"), say("m2")),
        trigger="regenerate-message",
        messageId=first.start["messageId"],
    )

    answer = await (await http.post(again)).end()

    assert answer.start["messageMetadata"]["questionId"] == "m1"


async def test_another_answer_to_a_question_that_was_refused_asks_it(http):
    answer = await (await http.post(ask(trigger="regenerate-message"))).end()

    assert (answer.status, answer.text) == (200, WORDS)
    assert (await saved(client_id="m1")).content == "What is the answer?"


async def test_a_question_that_is_being_answered_gets_no_second_answer(http, provider):
    provider.reply_with(SILENT)
    running = await (await http.post(ask())).until("text-delta")

    answer = await (await http.post(ask(trigger="regenerate-message"))).end()

    assert (answer.status, answer.error) == (409, "already_running")
    await running.leave()


# --- Coming back --------------------------------------------------------------------------------
async def test_nothing_runs_in_a_conversation_that_is_not_there_or_has_ended(http):
    never = await (await http.resume()).end()
    await (await http.post(ask())).end()
    ended = await (await http.resume()).end()

    assert (never.status, never.body, ended.status, ended.body) == (204, b"", 204, b"")
    assert never.headers["cache-control"] == "private, no-cache, no-transform"


async def test_an_id_that_none_can_have_is_400(http):
    answer = await (await http.resume("a b")).end()

    assert (answer.status, answer.error) == (400, "invalid")


async def test_a_client_that_goes_away_ends_nothing(http, provider):
    provider.reply_with(ENDLESS)
    answer = await (await http.post(ask())).until("text-delta")
    await answer.leave()

    resumed = await (await http.resume()).until("text-delta")
    seen = resumed.text
    while resumed.text == seen:
        await resumed.part()

    assert resumed.status == 200
    assert resumed.start == answer.start
    await resumed.leave()


async def test_a_question_whose_client_goes_while_it_is_saved_is_answered(
    http, provider, registry, monkeypatch
):
    entered, gate, begin = threading.Event(), threading.Event(), turns.begin

    def slowly(*args, **kwargs):
        entered.set()
        assert gate.wait(10)
        return begin(*args, **kwargs)

    monkeypatch.setattr(turns, "begin", slowly)
    request = await http.send("POST", PATH, json.dumps(ask()).encode())
    assert await asyncio.to_thread(entered.wait, 10)
    await request.send_input({"type": "http.disconnect"})
    await request.wait(timeout=10)

    gate.set()
    await until(lambda: provider.requests)
    await until(lambda: not registry._running)

    assert (await saved(role="assistant")).content == WORDS


async def test_an_answer_is_saved_with_nobody_reading(http, provider, registry):
    provider.reply_with(SLOW)
    answer = await (await http.post(ask())).until("text-delta")
    await answer.leave()

    await until(lambda: not registry._running)

    assert (await saved(client_id=answer.start["messageId"])).content == WORDS


async def test_another_client_of_the_person_reads_along(http, bob, provider):
    provider.reply_with(ENDLESS)
    first = await (await http.post(ask())).until("text-delta")
    other = Http(session=await sync_to_async(session_of)(bob))

    second = await (await other.resume()).until("text-delta")
    await other.stop()
    await first.end()
    await second.end()

    message = await saved(client_id=first.start["messageId"])
    assert (first.text, second.text) == (message.content, message.content)


async def test_behind_the_last_event_comes_only_what_is_missing(http, provider):
    provider.reply_with(ENDLESS)
    broken = await (await http.post(ask())).until("text-delta")
    last = broken.events[-1].id
    await broken.leave()

    rest = await (await http.resume(last_event_id=last)).until("text-delta")
    await http.stop()
    await rest.end()

    ending = ["text-end", "finish-step", "message-metadata", "abort", "[DONE]"]
    assert rest.types == ["text-delta", *ending]
    message = await saved(client_id=broken.start["messageId"])
    assert broken.text + rest.text == message.content


async def test_every_event_of_a_running_answer_has_an_id(http, provider):
    provider.reply_with(SLOW)
    answer = await (await http.post(ask())).end()

    ids = [event.id for event in answer.events]
    generation = answer.start["messageMetadata"]["generationId"]
    assert ids[:3] == [f"{generation}:0.{part}" for part in (1, 2, 3)]
    assert ids[-1] == f"{generation}:end"
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("seen", ["nonsense", "12", "{id}:99999", "{other}:3", "{other}:end"])
async def test_an_id_that_says_nothing_of_this_answer_gets_all_of_it(http, provider, seen):
    provider.reply_with(SILENT)
    answer = await (await http.post(ask())).until("text-delta")
    seen = seen.format(
        id=answer.start["messageMetadata"]["generationId"],
        other="01a209cd-3207-7377-a604-c6ee0f203cff",
    )

    resumed = await (await http.resume(last_event_id=seen)).until("text-delta")
    await http.stop()
    await resumed.end()
    await answer.end()

    assert resumed.start == answer.start
    assert resumed.text == answer.text == (await in_store(Generation.objects.get)()).text


async def test_an_answer_that_ended_meanwhile_is_sent_whole_and_then_no_more(http, provider):
    provider.reply_with(Reply(reasoning="Hm."))
    answer = await (await http.post(ask())).end()
    seen = answer.events[5].id

    whole = await (await http.resume(last_event_id=seen)).end()
    nothing = await (await http.resume(last_event_id=whole.events[-1].id)).end()

    assert whole.status == 200
    assert (whole.start, whole.text) == (answer.start, WORDS)
    assert [chunk["delta"] for chunk in whole.all("reasoning-delta")] == ["Hm."]
    assert [event.id for event in whole.events[:-1]] == [None] * (len(whole.events) - 1)
    assert (nothing.status, nothing.body) == (204, b"")


async def test_an_ended_answer_is_not_sent_to_a_stranger_who_knows_an_id(http, carol):
    answer = await (await http.post(ask())).end()
    stranger = await client_of(carol)

    got = await (await stranger.resume(last_event_id=answer.events[3].id)).end()

    assert (got.status, got.body) == (204, b"")


async def test_what_another_process_makes_is_503_until_it_is_saved(http, provider):
    await (await http.post(ask())).end()
    await in_store(Generation.objects.update)(status="running")

    answer = await (await http.resume()).end()
    stopped = await http.stop()

    assert (answer.status, answer.error) == (503, "made_elsewhere")
    assert answer.headers["retry-after"] == "2"
    assert (stopped.status, stopped.error) == (503, "made_elsewhere")


# --- Stopping -----------------------------------------------------------------------------------
async def test_a_stopped_answer_keeps_what_was_written(http, provider):
    provider.reply_with(SILENT)
    answer = await http.post(ask())
    while answer.text != "The answer":
        await answer.part()

    stopped = await http.stop()
    # It is saved when the request to stop is answered.
    message = await saved(client_id=answer.start["messageId"])
    await answer.end()

    assert (stopped.status, stopped.body) == (204, b"")
    assert answer.types[-3:] == ["message-metadata", "abort", "[DONE]"]
    assert (message.status, message.content) == ("stopped", "The answer")


async def test_stopping_closes_the_providers_connection(http, provider):
    provider.reply_with(ENDLESS)
    answer = await (await http.post(ask())).until("text-delta")

    await http.stop()

    assert await asyncio.to_thread(provider.requests[0].closed.wait, 5)
    await answer.end()


async def test_there_may_be_nothing_to_stop(http):
    never = await http.stop()
    await (await http.post(ask())).end()
    ended = await http.stop()

    assert (never.status, ended.status) == (204, 204)


async def test_a_server_that_ends_says_so_to_its_readers(http, provider, registry):
    provider.reply_with(SILENT)
    answer = await (await http.post(ask())).until("text-delta")

    await registry.close()
    await answer.end()

    assert answer.types[-3:] == ["error", "finish", "[DONE]"]
    assert answer.all("error")[0]["errorText"].startswith("The server was restarted")
    assert (await saved(client_id=answer.start["messageId"])).status == "interrupted"


# --- While it runs ------------------------------------------------------------------------------
async def test_silence_is_filled_with_comments(http, provider, monkeypatch):
    monkeypatch.setattr(event_stream, "KEEPALIVE_SECONDS", 0.01)
    provider.reply_with(Reply(delay=0.05))

    answer = await (await http.post(ask())).end()

    assert answer.comments >= 2
    assert b": keep-alive\n\n" in answer.body
    assert answer.text == WORDS


async def revoke(_bob) -> None:
    await in_store(ApiToken.objects.all().delete)()


async def deactivate(bob) -> None:
    await in_store(User.objects.filter(pk=bob.pk).update)(is_active=False)


async def expire(_bob) -> None:
    await in_store(ApiToken.objects.update)(expiry=clock.now())


@pytest.mark.parametrize("end_it", [revoke, deactivate, expire])
async def test_a_token_that_ends_meanwhile_reads_no_further(
    http, bob, provider, monkeypatch, end_it
):
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", -1)
    provider.reply_with(ENDLESS)
    answer = await (await http.post(ask())).until("text-delta")

    await end_it(bob)
    await answer.end()

    assert answer.types[-2:] == ["error", "[DONE]"]
    assert answer.all("error")[0]["errorText"].startswith("You are not logged in any more.")
    assert answer.events[-1].id is None


async def test_a_person_who_logs_out_reads_no_further(bob, provider, monkeypatch):
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", -1)
    provider.reply_with(ENDLESS)
    session = await sync_to_async(session_of)(bob)
    http = Http(session=session)
    answer = await (await http.post(ask())).until("text-delta")

    await (await http.open("POST", "/logout")).end()
    await answer.end()

    assert answer.types[-2:] == ["error", "[DONE]"]


async def test_a_store_that_is_away_meanwhile_takes_no_answer_from_its_reader(
    http, provider, monkeypatch
):
    def fail(*_args, **_kwargs):
        raise OperationalError

    provider.reply_with(SLOW)
    answer = await (await http.post(ask())).until("text-delta")
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", -1)
    monkeypatch.setattr("chatcore.rows.read", fail)

    await answer.end()

    assert answer.text == WORDS
