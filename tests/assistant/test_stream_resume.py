"""Coming back to the HTTP stream, stopping it, and what happens while it runs."""

import asyncio
import json
import threading

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async as in_store
from django.db import OperationalError

from accounts.models import ApiToken, User
from assistant import event_stream, turns
from assistant.models import Generation
from chatcore import clock
from tests.assistant.sse import (
    ENDLESS,
    PATH,
    SILENT,
    SLOW,
    Http,
    ask,
    client_of,
    saved,
    session_of,
    until,
)
from tests.fakes.provider import WORDS, Reply

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("openai_models", "registry"),
]


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
    message = await saved(client_id=answer.start["messageId"])
    assert resumed.text == answer.text == message.content


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
    # Its process looks once a second whether it is to stop.
    assert (stopped.status, stopped.body) == (204, b"")
    assert (await in_store(Generation.objects.get)()).stop_asked


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
    async def fail(*_args, **_kwargs):
        raise OperationalError

    provider.reply_with(SLOW)
    answer = await (await http.post(ask())).until("text-delta")
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", -1)
    monkeypatch.setattr(event_stream, "in_thread", fail)

    await answer.end()

    assert answer.text == WORDS
