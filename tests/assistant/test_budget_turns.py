"""A budget as the person meets it: refusals, and what is held back while an answer is made."""

from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async as in_store

from accounts.models import User
from analytics import budgets, prices, recording
from analytics.models import ModelPrice, Reservation, SpendingMonth, UsageRecord
from assistant import turns
from assistant.models import Generation, GenerationStatus
from chatcore import clock
from conversations.models import Message
from tests.analytics.test_recording import an_entry
from tests.assistant.sse import SILENT, ask, session_of
from tests.assistant.test_consumers import SEND, Tab
from tests.assistant.test_tool_turns import ANSWER, ASK, begin, until_asked, whole
from tests.assistant.test_toolbox import Adder
from tests.fakes.provider import Reply

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("openai_models", "registry", "priced"),
]


@pytest.fixture
def priced():
    """A dollar for a thousand tokens of either kind, so that an answer is held back at one."""
    prices.forget_prices()
    ModelPrice.objects.create(
        pattern="gpt-test",
        input_usd=Decimal(1000),
        output_usd=Decimal(1000),
        starts_at=clock.now().replace(year=2000),
    )
    yield
    prices.forget_prices()


@pytest.fixture
def adder(monkeypatch) -> Adder:
    from assistant import toolkit

    tool = Adder()
    monkeypatch.setattr(toolkit, "_configured", lambda _turn: [tool])
    return tool


async def budget(user, limit: str, *, spent: str = "0") -> None:
    """Give the person a budget of which so much is spent."""

    def work() -> None:
        User.objects.filter(pk=user.pk).update(monthly_budget_usd=Decimal(limit))
        user.monthly_budget_usd = Decimal(limit)
        if Decimal(spent):
            recording.record_usage(an_entry(user, cost_usd=Decimal(spent), created_at=clock.now()))

    await in_store(work)()


async def held() -> int:
    return await in_store(Reservation.objects.count)()


@pytest.mark.parametrize(
    ("limit", "spent", "message"),
    [
        ("5", "5", "Your monthly budget of $5.00 is used up."),
        ("5", "4.5", "Too little is left of your monthly budget of $5.00 for this."),
    ],
)
async def test_over_http_a_used_up_budget_is_a_402_with_the_day_it_begins_anew(
    bob, http, provider, limit, spent, message
):
    await budget(bob, limit, spent=spent)
    resets_at = budgets.next_month(clock.now())

    answer = await (await http.post(ask())).end()

    assert (answer.status, answer.error) == (402, "budget_exceeded")
    day = f"{resets_at.day} {resets_at:%B %Y}"
    assert answer.json["error"]["message"] == f"{message} It begins anew on {day}."
    assert answer.json["error"]["resetsAt"] == resets_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert provider.requests == []
    assert not await in_store(Message.objects.exists)()
    assert not await in_store(Generation.objects.exists)()


async def test_over_the_socket_it_is_an_error_and_the_question_is_given_back(bob, provider):
    await budget(bob, "5", spent="5")
    tab = Tab(await sync_to_async(session_of)(bob))
    await tab.open()
    await tab.receive()

    await tab.send(SEND)
    (frame,) = await tab.until("error")

    assert (frame["code"], frame["requestId"]) == ("budget_exceeded", "r1")
    assert frame["message"].startswith("Your monthly budget of $5.00 is used up.")
    assert provider.requests == []
    await tab.close()


async def test_an_organisation_that_has_spent_its_budget_stops_all_of_its_people(bob, http):
    def work() -> None:
        bob.organization.monthly_budget_usd = Decimal(1)
        bob.organization.save()
        recording.record_usage(an_entry(bob, cost_usd=Decimal(1), created_at=clock.now()))

    await in_store(work)()

    answer = await (await http.post(ask())).end()

    assert answer.error == "budget_exceeded"
    # What it may spend is not for each of its people to know.
    assert answer.json["error"]["message"].startswith("Your organisation's monthly budget is used")


async def test_an_administrator_without_a_budget_left_is_not_locked_out(alice, client):
    await budget(alice, "1", spent="1")
    await sync_to_async(client.force_login)(alice)

    for path in ("/", "/admin/", "/api/usage"):
        assert (await sync_to_async(client.get)(path)).status_code == 200


async def test_the_estimate_is_held_back_while_the_answer_runs_and_its_cost_counts_after(
    bob, http, provider
):
    provider.reply_with(SILENT, Reply(usage={"input": 30, "output": 20}))
    await budget(bob, "2")
    running = await (await http.post(ask())).until("text-delta")

    refused = await (await http.post(ask(id="c2"))).end()
    assert refused.error == "budget_exceeded"
    await http.stop()
    await running.end()
    second = await (await http.post(ask(id="c2", requestId="r2"))).end()

    assert "finish" in second.types
    stopped, done = await in_store(lambda: list(UsageRecord.objects.order_by("created_at")))()
    assert (stopped.usage_source, done.cost_usd) == ("estimated", Decimal("0.05"))
    assert await held() == 0
    month = await in_store(SpendingMonth.objects.get)(subject_id=bob.pk)
    assert month.spent_usd == stopped.cost_usd + done.cost_usd


async def test_an_answer_that_is_stopped_while_it_asks_lets_go_of_its_reservation(
    bob, registry, provider, adder
):
    adder.question = "Spend one credit?"
    provider.reply_with(ASK)
    await budget(bob, "100")
    running = await begin(registry, bob)
    await until_asked(running)
    assert await held() == 1

    running.stop()
    await whole(running)

    assert await held() == 0


@pytest.mark.usefixtures("adder")
async def test_a_call_that_the_budget_no_longer_allows_ends_the_answer_and_keeps_what_it_has(
    bob, registry, provider
):
    # The first call costs 1.06 dollars; of the second one, 1 dollar and more has to be held back.
    provider.reply_with(
        Reply(
            "Let me add.",
            tools=(("call_1", "add", '{"numbers":[1,2]}'),),
            usage={"input": 40, "output": 1020},
        ),
        ANSWER,
    )
    await budget(bob, "2")

    running = await begin(registry, bob)
    await whole(running)

    assert (running.status, running.error["code"]) == (GenerationStatus.FAILED, "budget_exceeded")
    assert len(provider.requests) == 1
    assert [row.cost_usd for row in await in_store(lambda: list(UsageRecord.objects.all()))()] == [
        Decimal("1.06")
    ]
    answer = await in_store(Message.objects.get)(role="assistant")
    assert answer.content == "Let me add."
    assert await held() == 0


async def test_an_answer_whose_process_died_lets_go_of_its_reservation(bob, registry, provider):
    from assistant import saving

    await budget(bob, "100")
    question = turns.Question("r1", "c1", "m1", None, "Hello")
    turn = await in_store(turns.begin)(
        bob, question, "openai:gpt-test", owner="dead:1", now=clock.now()
    )
    assert await held() == 1

    late = clock.now().replace(year=clock.now().year + 1)
    assert await in_store(saving.interrupt)([turn.generation.pk], late) == [turn.generation.pk]

    assert await held() == 0
