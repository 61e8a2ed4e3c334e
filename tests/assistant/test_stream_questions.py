"""Where a question belongs that comes over the HTTP stream, and that it is answered once."""

import asyncio

import pytest

from tests.assistant.sse import (
    ENDLESS,
    SILENT,
    ask,
    saved,
    say,
)
from tests.fakes.provider import WORDS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("openai_models", "registry"),
]


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
