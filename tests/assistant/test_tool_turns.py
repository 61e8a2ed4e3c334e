"""Answers with tools through the real SDKs and the store: what is asked, saved and charged."""

from decimal import Decimal
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_store

from analytics.models import UsageRecord
from assistant import catalog, saving, toolkit, turns
from assistant.events import ApprovalAsked, ApprovalGiven, ToolResult
from assistant.models import Generation, GenerationStatus
from chatcore import clock
from conversations.models import Conversation, Message
from tests.assistant.test_toolbox import Adder
from tests.fakes.provider import Reply

pytestmark = pytest.mark.django_db(transaction=True)

ASK = Reply(
    "Let me add.",
    tools=(("call_1", "add", '{"numbers":[1,2]}'),),
    usage={"input": 40, "output": 20},
)
ANSWER = Reply("It is 3.", usage={"input": 70, "output": 6, "cached": 30})


@pytest.fixture
def adder(monkeypatch) -> Adder:
    tool = Adder()
    monkeypatch.setattr(toolkit, "_configured", lambda _turn: [tool])
    return tool


@pytest.fixture
def both_providers(settings, provider):
    settings.OPENAI_API_KEY = settings.ANTHROPIC_API_KEY = "sk-test"
    settings.OPENAI_BASE_URL = provider.openai_url
    settings.ANTHROPIC_BASE_URL = provider.anthropic_url
    settings.OPENAI_MODELS, settings.ANTHROPIC_MODELS = ["gpt-test"], ["claude-test"]
    catalog.providers.cache_clear()
    yield provider
    catalog.providers.cache_clear()


async def begin(registry, user, model="openai:gpt-test", request_id="r1", chat="c1"):
    question = turns.Question(request_id, chat, f"m-{request_id}", None, "What is 1 + 2?")
    turn = await in_store(registry.begin)(user, question, model)
    return registry.find(turn.generation.pk)


async def whole(running) -> list[Any]:
    return [event async for batch in running.follow(0) for event in batch]


async def rows() -> list[UsageRecord]:
    return await in_store(lambda: list(UsageRecord.objects.order_by("step", "recorded_at")))()


@pytest.mark.usefixtures("adder")
@pytest.mark.parametrize("model", ["openai:gpt-test", "anthropic:claude-test"])
async def test_both_providers_are_told_of_the_tools_and_of_what_came_of_them(
    bob, both_providers, registry, model
):
    both_providers.reply_with(ASK, ANSWER)

    running = await begin(registry, bob, model)
    await whole(running)

    first, second = (request.body for request in both_providers.requests)
    if model.startswith("openai"):
        function = first["tools"][0]["function"]
        assert (function["name"], function["parameters"]["required"]) == ("add", ["numbers"])
        call = {"name": "add", "arguments": '{"numbers":[1,2]}'}
        assert second["messages"][1:] == [
            {
                "role": "assistant",
                "content": "Let me add.",
                "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": '{"sum":3}'},
        ]
        return
    assert first["tools"][0]["input_schema"]["required"] == ["numbers"]
    assert second["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me add."},
                {"type": "tool_use", "id": "call_1", "name": "add", "input": {"numbers": [1, 2]}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "call_1",
                    "content": '{"sum":3}',
                    "is_error": False,
                }
            ],
        },
    ]


@pytest.mark.usefixtures("adder")
async def test_each_call_of_an_answer_is_a_row_and_the_chat_has_their_sum(
    bob, both_providers, registry
):
    both_providers.reply_with(ASK, ANSWER)

    running = await begin(registry, bob)
    await whole(running)

    first, second = await rows()
    assert (first.step, first.input_tokens, first.output_tokens) == (1, 40, 20)
    assert (second.step, second.input_tokens, second.cache_read_tokens) == (2, 40, 30)
    assert (second.output_tokens, second.units) == (6, 76)
    assert {row.usage_source for row in (first, second)} == {"provider"}
    assert {row.generation_id for row in (first, second)} == {running.id}
    chat = await in_store(Conversation.objects.get)()
    assert chat.metadata == {"totalTokens": 136, "toolsUsed": ["add"]}
    generation = await in_store(Generation.objects.get)()
    assert (generation.usage["input_tokens"], generation.usage["output_tokens"]) == (80, 26)
    assert generation.usage_source == "provider"


@pytest.mark.usefixtures("adder", "both_providers")
async def test_the_message_has_the_tool_where_it_stood(bob, registry, provider):
    provider.reply_with(ASK, ANSWER)

    await whole(await begin(registry, bob))

    answer = await in_store(Message.objects.get)(role="assistant")
    assert answer.content == "Let me add.\n\nIt is 3."
    assert answer.parts == [
        {"type": "text", "text": "Let me add."},
        {
            "type": "dynamic-tool",
            "toolName": "add",
            "toolCallId": "call_1",
            "state": "output-available",
            "input": {"numbers": [1, 2]},
            "output": {"sum": 3},
        },
        {"type": "text", "text": "\n\nIt is 3."},
    ]


@pytest.mark.usefixtures("both_providers")
async def test_a_tool_that_fails_is_shown_and_the_answer_goes_on(bob, registry, provider, adder):
    adder.outcome = ZeroDivisionError()
    provider.reply_with(ASK, ANSWER)

    events = await whole(await begin(registry, bob))

    assert ToolResult("call_1", "add", "The tool failed.", is_error=True) in events
    answer = await in_store(Message.objects.get)(role="assistant")
    assert (answer.parts[1]["state"], answer.parts[1]["errorText"]) == (
        "output-error",
        "The tool failed.",
    )
    assert answer.status == "complete"


@pytest.mark.usefixtures("adder", "both_providers")
@pytest.mark.parametrize("model", ["openai:gpt-test", "anthropic:claude-test"])
async def test_the_next_question_tells_the_model_again_what_came_of_its_tools(
    bob, registry, provider, model
):
    provider.reply_with(ASK, ANSWER, Reply("Yes."))
    running = await begin(registry, bob, model)
    await whole(running)

    question = turns.Question("r2", "c1", "m2", running.record.answer_id, "Sure?")
    turn = await in_store(registry.begin)(bob, question, model)
    await whole(registry.find(turn.generation.pk))

    second, third = (request.body["messages"] for request in provider.requests[1:])
    assert third[: len(second)] == second
    assert [message["role"] for message in third[len(second) :]] == ["assistant", "user"]


@pytest.mark.usefixtures("both_providers")
async def test_without_tools_the_model_reads_only_what_was_said(
    bob, registry, provider, adder, monkeypatch
):
    provider.reply_with(ASK, ANSWER, Reply("Yes."))
    running = await begin(registry, bob)
    await whole(running)
    monkeypatch.setattr(toolkit, "_configured", lambda _turn: [])

    question = turns.Question("r2", "c1", "m2", running.record.answer_id, "Sure?")
    turn = await in_store(registry.begin)(bob, question, "openai:gpt-test")
    await whole(registry.find(turn.generation.pk))

    body = provider.requests[-1].body
    assert "tools" not in body
    assert body["messages"][1] == {"role": "assistant", "content": "Let me add.\n\nIt is 3."}
    assert [each["role"] for each in body["messages"]] == ["user", "assistant", "user"]


# --- Asking the person ----------------------------------------------------------------------------
async def until_asked(running) -> None:
    async for batch in running.follow(0):
        if any(isinstance(event, ApprovalAsked) for event in batch):
            return


@pytest.mark.usefixtures("both_providers")
async def test_what_is_allowed_for_the_chat_is_not_asked_in_its_next_answer(
    bob, registry, provider, adder
):
    adder.question = "Spend one credit?"
    provider.reply_with(ASK, ANSWER, ASK, ANSWER)
    running = await begin(registry, bob)
    await until_asked(running)

    await registry.decide(running.record, "call_1", "chat")
    await whole(running)
    events = await whole(await begin(registry, bob, request_id="r2"))

    assert not any(isinstance(event, ApprovalAsked) for event in events)
    assert adder.done == [3, 3]
    assert (await in_store(Conversation.objects.get)()).allowed_tools == ["add"]


@pytest.mark.usefixtures("both_providers")
async def test_a_decision_that_reached_another_process_is_found_in_the_store(
    bob, registry, provider, adder, monkeypatch
):
    adder.question = "Spend one credit?"
    provider.reply_with(ASK, ANSWER)
    running = await begin(registry, bob)
    await until_asked(running)

    # As a process does that does not make the answer; the second word comes too late.
    await in_store(saving.decide)(running.record, "call_1", "deny")
    await in_store(saving.decide)(running.record, "call_1", "once")
    events = await whole(running)

    assert ApprovalGiven("call_1", "deny") in events
    assert adder.done == []
    # After a reload the card says so still.
    answer = await in_store(Message.objects.get)(role="assistant")
    assert answer.parts[1]["decision"] == "deny"


@pytest.mark.usefixtures("both_providers")
async def test_an_answer_that_is_stopped_while_it_asks_is_charged_for_the_call_it_made(
    bob, registry, provider, adder
):
    adder.question = "Spend one credit?"
    provider.reply_with(ASK)
    running = await begin(registry, bob)
    await until_asked(running)

    running.stop()
    await whole(running)

    assert running.status == GenerationStatus.STOPPED
    (row,) = await rows()
    assert (row.step, row.units, row.usage_source) == (1, 60, "provider")
    answer = await in_store(Message.objects.get)(role="assistant")
    # Nobody can answer any more.
    assert answer.parts[1]["state"] == "approval-requested" or "output" not in answer.parts[1]


@pytest.mark.usefixtures("both_providers")
async def test_the_reaper_charges_no_call_that_was_not_made(bob, registry, provider, adder):
    adder.question = "Spend one credit?"
    provider.reply_with(ASK)
    running = await begin(registry, bob)
    await until_asked(running)
    late = clock.now().replace(year=clock.now().year + 1)

    await in_store(saving.interrupt)([running.id], late)

    assert [row.step for row in await rows()] == [1]
    running.stop()
    await whole(running)
    assert [row.step for row in await rows()] == [1]


@pytest.mark.usefixtures("adder", "both_providers")
async def test_two_answers_at_once_add_up_in_their_chat(bob, registry, provider, settings):
    provider.default = Reply("Ok.", usage={"input": 10, "output": 1})
    first = await begin(registry, bob)
    await whole(first)

    several = [await begin(registry, bob, request_id=f"n{number}") for number in range(6)]
    for each in several:
        await whole(each)

    chat = await in_store(Conversation.objects.get)()
    assert chat.metadata["totalTokens"] == 7 * 11
    assert sum(row.units for row in await rows()) == 7 * 11
    provider.default = Reply()


async def test_costs_add_up_to_the_last_decimal(bob, both_providers, registry):
    from analytics.models import ModelPrice

    await in_store(ModelPrice.objects.create)(
        pattern="gpt-test",
        input_usd=Decimal("0.15"),
        output_usd=Decimal("0.6"),
        starts_at=clock.now().replace(year=2000),
    )
    both_providers.reply_with(*[Reply(usage={"input": 7, "output": 3})] * 3)

    for number in range(3):
        await whole(await begin(registry, bob, request_id=f"r{number}"))

    # 7 tokens at 0.15 and 3 at 0.60 dollars for a million.
    cost = Decimal("0.00000285")
    assert [row.cost_usd for row in await rows()] == [cost] * 3
    chat = await in_store(Conversation.objects.get)()
    assert chat.metadata["totalCost"] == "0.0000085500"
