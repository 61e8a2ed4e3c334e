"""Titles that chats get by themselves, through the real SDKs and the store."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async as in_store
from msgspec.structs import replace

from accounts.models import User
from analytics import recording
from analytics.entries import TokenCounts
from analytics.models import Reservation, UsageRecord
from assistant import saving, titles
from assistant.providers.base import Prompt, PromptMessage
from assistant.providers.demo import DemoProvider
from assistant.title_calls import OVER_AFTER, TitleCall
from chatcore import clock
from conversations.models import Conversation
from tests.assistant.test_consumers import SEND, Tab, log_in
from tests.fakes.provider import Reply

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("openai_models", "registry", "on"),
]
TITLE = Reply("“The meaning of everything.”", usage={"input": 30, "output": 6})


@pytest.fixture
def on(settings):
    settings.TITLE_MODEL = "same"


async def opened(user) -> Tab:
    tab = Tab(await sync_to_async(log_in)(user))
    await tab.open()
    await tab.receive()
    return tab


async def title_tasks(registry) -> None:
    while registry._titles or registry._running:
        await asyncio.sleep(0.01)


async def chat() -> Conversation:
    return await in_store(Conversation.objects.get)(client_id="c1")


async def rows() -> list[tuple[str, str, int, int]]:
    def read():
        fields = ("endpoint", "status", "input_tokens", "output_tokens")
        return list(UsageRecord.objects.order_by("created_at").values_list(*fields))

    return await in_store(read)()


async def test_all_tabs_are_told_the_title_and_its_call_is_charged(bob, provider):
    provider.reply_with(Reply(), TITLE)
    tab, other = await opened(bob), await opened(bob)

    await tab.send(SEND)
    seen, heard = await tab.until("changed"), await other.until("changed")

    assert seen[-1] == heard[-1]
    assert (seen[-1]["conversationId"], seen[-1]["title"]) == ("c1", "The meaning of everything")
    saved = await chat()
    assert saved.title == "The meaning of everything"
    assert saved.metadata["totalTokens"] == 15 + 36
    assert await rows() == [("assistant_stream", "success", 10, 5), ("title", "success", 30, 6)]
    body = provider.requests[1].body
    assert body["max_tokens"] == titles.MOST_TOKENS
    assert [each["role"] for each in body["messages"]] == ["user", "assistant", "user"]
    for each in (tab, other):
        await each.close()


async def test_only_the_first_answer_makes_a_title(bob, provider, registry):
    provider.reply_with(Reply(), TITLE)
    tab = await opened(bob)
    await tab.send(SEND)
    answer = (await tab.until("finished"))[0]["answerId"]
    await title_tasks(registry)

    await tab.send({**SEND, "requestId": "r2", "messageId": "m2", "parentId": answer})
    await tab.until("finished")
    await title_tasks(registry)

    assert len(provider.requests) == 3
    await tab.close()


async def test_a_chat_that_was_renamed_meanwhile_keeps_its_name(bob, provider, registry):
    provider.reply_with(Reply(), Reply("A title", delay=0.2))
    tab = await opened(bob)
    await tab.send(SEND)
    await tab.until("finished")

    await in_store(Conversation.objects.filter(client_id="c1").update)(title="Mine")
    await title_tasks(registry)

    assert (await chat()).title == "Mine"
    assert [row[0] for row in await rows()] == ["assistant_stream", "title"]
    await tab.close()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500, error={"error": {"message": "no"}}),
        Reply("A title", cut_after=1),
        Reply("   "),
    ],
)
async def test_a_call_that_fails_leaves_the_first_words(bob, provider, registry, reply):
    provider.reply_with(Reply(), reply)
    tab = await opened(bob)

    await tab.send(SEND)
    finished = (await tab.until("finished"))[-1]
    await title_tasks(registry)

    assert finished["status"] == "done"
    assert (await chat()).title == "What is the answer?"
    assert len(provider.requests) == 2
    await tab.close()


async def test_a_provider_that_says_nothing_is_not_waited_for(bob, provider, registry, monkeypatch):
    monkeypatch.setattr(titles, "SECONDS", 0.2)
    provider.reply_with(Reply(), Reply("A title", silent_after=0))
    tab = await opened(bob)

    await tab.send(SEND)
    await tab.until("finished")
    await asyncio.wait_for(title_tasks(registry), 5)

    assert (await chat()).title == "What is the answer?"
    assert (await rows())[1][:2] == ("title", "error")
    await tab.close()


async def test_a_process_that_stops_does_not_wait_for_a_title(bob, provider, registry):
    provider.reply_with(Reply(), Reply("A title", silent_after=0))
    tab = await opened(bob)
    await tab.send(SEND)
    await tab.until("finished")
    while len(provider.requests) < 2:
        await asyncio.sleep(0.01)

    await asyncio.wait_for(registry.close(), 5)

    assert (await chat()).title == "What is the answer?"
    assert (await rows())[1][:2] == ("title", "error")


async def test_no_title_is_made_of_an_answer_that_failed(bob, provider, registry):
    provider.reply_with(Reply(cut_after=2))
    tab = await opened(bob)

    await tab.send(SEND)
    await tab.until("finished")
    await title_tasks(registry)

    assert len(provider.requests) == 1
    await tab.close()


async def test_a_used_up_budget_pays_for_no_title(bob, provider, registry):
    from analytics.recording import record_usage
    from tests.analytics.test_recording import an_entry

    provider.reply_with(Reply(delay=0.05))
    tab = await opened(bob)
    await in_store(User.objects.filter(pk=bob.pk).update)(monthly_budget_usd=Decimal(5))
    await tab.send(SEND)
    await tab.until("delta")
    spent = an_entry(bob, cost_usd=Decimal(5), created_at=clock.now())
    await in_store(record_usage)(spent)
    await tab.until("finished")
    await title_tasks(registry)

    assert len(provider.requests) == 1
    assert (await chat()).title == "What is the answer?"
    assert await in_store(Reservation.objects.count)() == 0
    await tab.close()


# --- Calls whose process is killed ----------------------------------------------------------------
async def test_a_call_is_noted_while_it_runs_and_no_longer(bob, provider, registry):
    provider.reply_with(Reply(), Reply("A title", delay=0.2))
    tab = await opened(bob)
    await tab.send(SEND)
    await tab.until("finished")
    while len(provider.requests) < 2:
        await asyncio.sleep(0.01)

    running = await in_store(TitleCall.objects.count)()
    await title_tasks(registry)

    assert running == 1
    assert await in_store(TitleCall.objects.count)() == 0
    await tab.close()


@pytest.fixture
async def abandoned(bob, provider, registry, monkeypatch):
    """A call that its process has not ended: that one still sleeps, and wakes with `wake()`."""
    asleep = asyncio.Event()
    keep = titles._keep

    async def in_thread(work, *args, **kwargs):
        if work is keep:
            await asleep.wait()
        return await in_store(work)(*args, **kwargs)

    monkeypatch.setattr(titles, "in_thread", in_thread)
    provider.reply_with(Reply(), TITLE)
    tab = await opened(bob)
    await tab.send(SEND)
    await tab.until("finished")
    while len(provider.requests) < 2:
        await asyncio.sleep(0.01)

    async def wake() -> None:
        asleep.set()
        await title_tasks(registry)

    yield wake
    await wake()
    await tab.close()


async def charge_the_abandoned(**later: float) -> None:
    await in_store(titles.charge_the_abandoned)(clock.now() + timedelta(**later))


# Question, answer and what is asked of them have 217 characters, 4 to a token; a title has 40.
ESTIMATE = (55, 10)


async def test_a_call_whose_process_is_gone_is_charged_by_estimate(abandoned):
    await charge_the_abandoned(seconds=OVER_AFTER.total_seconds() - 5)
    before = await rows()

    for _ in range(2):
        await charge_the_abandoned(minutes=2)

    assert [row[0] for row in before] == ["assistant_stream"]
    assert (await rows())[1:] == [("title", "error", *ESTIMATE)]
    assert (await chat()).metadata["totalTokens"] == 15 + sum(ESTIMATE)
    assert await in_store(TitleCall.objects.count)() == 0


async def test_a_call_that_the_ledger_takes_late_is_added_up_with_the_abandoned(
    abandoned, monkeypatch, settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    with monkeypatch.context() as refusing:
        refusing.setattr(recording, "append", lambda _rows: 1 / 0)
        await abandoned()
        # The estimate is refused as well, and does not take the place of what waits.
        await charge_the_abandoned(minutes=2)
    before = await chat()

    await in_store(recording.drain_spool)(saving.recount)
    await charge_the_abandoned(minutes=2)

    assert (before.title, before.metadata["totalTokens"]) == ("The meaning of everything", 15)
    assert (await rows())[1:] == [("title", "success", 30, 6)]
    assert (await chat()).metadata["totalTokens"] == 15 + 36
    assert await in_store(TitleCall.objects.count)() == 0


@pytest.mark.parametrize("is_drained_first", [True, False])
async def test_a_call_that_failed_and_is_recorded_late_is_not_charged(
    bob, provider, registry, monkeypatch, settings, tmp_path, is_drained_first
):
    settings.DATA_DIR = tmp_path
    provider.reply_with(Reply(), Reply(status=500, error={"error": {"message": "no"}}))
    append = recording.append

    def refuse_titles(new) -> None:
        if any(row.endpoint == "title" for row in new):
            raise ValueError("no")
        append(new)

    tab = await opened(bob)
    with monkeypatch.context() as refusing:
        refusing.setattr(recording, "append", refuse_titles)
        await tab.send(SEND)
        await tab.until("finished")
        await title_tasks(registry)
    await tab.close()

    if not is_drained_first:
        await charge_the_abandoned(minutes=2)
    await in_store(recording.drain_spool)(saving.recount)
    await charge_the_abandoned(minutes=2)

    assert (await rows())[1:] == [("title", "error", 0, 0)]
    assert (await chat()).metadata["totalTokens"] == 15
    assert await in_store(TitleCall.objects.count)() == 0


async def test_a_process_that_was_killed_behind_the_ledger_is_not_charged_by_estimate(
    abandoned, monkeypatch
):
    estimate = (await in_store(TitleCall.objects.get)()).entry
    await in_store(recording.write)(replace(estimate, tokens=TokenCounts()))

    await charge_the_abandoned(minutes=2)

    assert (await rows())[1:] == [("title", "error", 0, 0)]
    assert (await chat()).metadata["totalTokens"] == 15


async def test_a_process_that_was_only_asleep_corrects_the_estimate(abandoned):
    await charge_the_abandoned(minutes=2)

    await abandoned()

    # Its own row, and what the provider counted less the estimate.
    adjusted = ("title", "error", 30 - ESTIMATE[0], 6 - ESTIMATE[1])
    assert sorted((await rows())[1:]) == sorted([("title", "error", *ESTIMATE), adjusted])
    saved = await chat()
    assert saved.metadata["totalTokens"] == 15 + 36
    assert saved.title == "The meaning of everything"


async def test_a_call_is_charged_though_its_chat_is_gone_for_good(abandoned):
    await in_store(Conversation.objects.all().delete)()

    await charge_the_abandoned(minutes=2)

    assert (await rows())[1:] == [("title", "error", *ESTIMATE)]
    assert await in_store(TitleCall.objects.count)() == 0


async def test_what_was_held_of_a_budget_is_let_go_of(bob, provider, registry, abandoned):
    record = await in_store(TitleCall.objects.get)()
    await in_store(Reservation.objects.create)(
        pk=record.pk,
        user_id=bob.pk,
        organization_id=bob.organization_id,
        amount_usd=Decimal(1),
        expires_at=clock.now() + timedelta(hours=1),
    )

    await charge_the_abandoned(minutes=2)

    assert await in_store(Reservation.objects.count)() == 0


async def test_a_process_that_stops_before_it_asks_charges_nothing(
    bob, provider, registry, monkeypatch
):
    begun = asyncio.Event()
    begin = titles._begin

    def slow(*args):
        loop.call_soon_threadsafe(begun.set)
        begin(*args)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(titles, "_begin", slow)
    provider.reply_with(Reply(), TITLE)
    tab = await opened(bob)
    await tab.send(SEND)
    await tab.until("finished")
    await begun.wait()

    await asyncio.wait_for(registry.close(), 5)
    await charge_the_abandoned(minutes=2)

    assert await in_store(TitleCall.objects.count)() == 0
    assert len(provider.requests) == len(await rows())


@pytest.mark.parametrize(("setting", "models"), [("", 1), ("openai:small", 2), ("nobody:x", 1)])
async def test_the_setting_says_who_is_asked(bob, provider, registry, settings, setting, models):
    settings.TITLE_MODEL = setting
    provider.reply_with(Reply(), TITLE)
    tab = await opened(bob)

    await tab.send(SEND)
    await tab.until("finished")
    await title_tasks(registry)

    asked = [request.body["model"] for request in provider.requests]
    assert asked == ["gpt-test", "small"][:models]
    await tab.close()


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ('"Hello there."', "Hello there"),
        ("**Title:** Hello", "Hello"),
        ("# Hello\n\nAnd more", "Hello"),
        ("<think>Which one?</think>\nHello", "Hello"),
        ("<think>Which one", ""),
        ("a\u202eb\x00c\ud800", "abc"),
        ("<b>Hello</b>", "<b>Hello</b>"),
        ("word " * 100, "word " * 14 + "word…"),
    ],
)
def test_a_title_is_one_plain_line(written, title):
    assert titles.clean(written) == title


async def test_the_demo_makes_one_of_the_first_words():
    messages = (
        PromptMessage("user", "What is the answer to all of this?"),
        PromptMessage("assistant", "42"),
        PromptMessage("user", titles.ASK),
    )
    prompt = Prompt("demo", messages, most_tokens=titles.MOST_TOKENS)

    events = [each async for each in DemoProvider().answer(prompt)]

    assert events[0].text == "What is the answer to all"
