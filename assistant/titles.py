"""A title for a new chat, asked of a model once its first answer is saved.

It is a nicety and never in the way: whatever goes wrong, the chat keeps the first words of its
question. The call is charged as any other, in a row of its own (endpoint "title"), also where its
process is killed: it is noted before the provider is asked (assistant/title_calls.py).
"""

import asyncio
import dataclasses
import logging
import re
import unicodedata
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from msgspec.structs import replace

from analytics import budgets, recording, spool
from analytics.budgets import NO_LIMITS, BudgetExceeded, Limits
from analytics.entries import UsageEntry
from assistant import catalog, metering, totals, turns
from assistant.events import TextDelta, Usage
from assistant.metering import CallState, Meter, Outcome, Payer
from assistant.providers.base import Prompt, PromptMessage
from assistant.providers.errors import ProviderError
from assistant.saving import one_of_many
from assistant.services import services
from assistant.title_calls import AT_ONCE, OVER_AFTER, TitleCall
from chatcore import clock, rows
from chatcore.db import in_thread, in_transaction
from chatcore.ids import derived
from conversations.models import Conversation, title_from

logger = logging.getLogger("chatcore.titles")

ENDPOINT = "title"
# Of TITLE_MODEL: the model that answered.
SAME = "same"
ASK = (
    "Write a title for this conversation: at most six words, in the language of the question, on"
    " one line, without quotes. Write the title and nothing else."
)
# Of question and answer; a title needs no more.
READ_CHARACTERS = 2_000
# A title has a dozen. A model that thinks before it writes needs some hundred for that.
MOST_TOKENS = 500
MOST_CHARACTERS = 2_000
SECONDS = 20.0
# What is taken for written by a call that nobody heard of again: six words.
LIKELY_CHARACTERS = 40
# A call whose process dies is settled by another one; should that fail too, its hold ends.
HELD_FOR = OVER_AFTER + timedelta(minutes=5)


@dataclass(frozen=True)
class Wanted:
    """A chat that has the first words of this question as its title."""

    payer: Payer
    question: str
    first_words: str


def wanted(turn: turns.Turn) -> Wanted | None:
    """For a new turn: whether its chat is to get a title when the answer is there."""
    asked = turn.asked
    if not settings.TITLE_MODEL or asked is None or asked.parent_id is not None:
        return None
    first_words = title_from(asked.content)
    if turn.conversation.title != first_words:
        return None
    payer = turns.payer_of(turn.generation)
    return Wanted(payer, asked.content[:READ_CHARACTERS], first_words)


async def give(wanted: Wanted, answer: str) -> Conversation | None:
    """The chat with its new title; None if it keeps the old one. Raises what the store says.

    Cancelled, it notes what was used, and gives none.
    """
    payer = _payer(wanted.payer)
    provider = catalog.providers().get(payer.provider)
    if provider is None or not answer.strip():
        return None
    messages = (
        PromptMessage("user", wanted.question),
        PromptMessage("assistant", answer[:READ_CHARACTERS]),
        PromptMessage("user", ASK),
    )
    prompt = Prompt(payer.model, messages, most_tokens=MOST_TOKENS)
    now = clock.now()
    state = CallState(1, now, prompt.characters)
    if not await _may_begin(payer, state):
        return None
    meter = Meter(payer, state)
    text: list[str] = []
    outcome: Outcome = "done"
    code = ""
    try:
        async with asyncio.timeout(SECONDS), aclosing(provider.answer(prompt)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    if meter.hear_piece():
                        services.answered(provider)
                    text.append(event.text)
                elif isinstance(event, Usage):
                    meter.count(event)
                if sum(map(len, text)) > MOST_CHARACTERS:
                    outcome = "stopped"
                    break
    except ProviderError as error:
        outcome, code = "failed", error.code
        if not meter.has_heard:
            services.failed(provider, code, clock.now())
    except TimeoutError:
        outcome, code = "failed", "timeout"
    except asyncio.CancelledError:
        # This process is going down.
        outcome = "interrupted"
    except Exception as error:
        logger.error("A title could not be made: %s", type(error).__name__)
        outcome, code = "failed", "internal"
    entry = meter.end(outcome, code, sum(map(len, text)))
    assert entry is not None  # it was running
    entry = _of_title(entry)
    title = clean("".join(text)) if outcome == "done" else ""
    return await in_thread(_keep, entry, title, wanted.first_words)


def clean(text: str) -> str:
    """The title in what a model wrote; "" if there is none. It is one line of plain text."""
    text = re.sub(r"<think>.*?(</think>|\Z)", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if line.strip()]
    line = lines[0] if lines else ""
    line = re.sub(r"^\s*(#+|[*_]*title[*_]*:[*_]*)\s*", "", line, flags=re.IGNORECASE)
    # Controls, direction marks and halves of pairs; a joiner holds an emoji together.
    kept = (each for each in line if each == "\u200d" or unicodedata.category(each)[0] != "C")
    return title_from("".join(kept).strip().strip("\"'“”„«»‘’`*_ ").rstrip(".").strip())


def _key(generation_id: UUID) -> UUID:
    return derived(generation_id, ENDPOINT)


def _payer(payer: Payer) -> Payer:
    """Who is asked: the model that answered, or the one of TITLE_MODEL."""
    if settings.TITLE_MODEL == SAME:
        return payer
    provider, _, model = settings.TITLE_MODEL.partition(":")
    api_url = catalog.api_url(provider)
    return dataclasses.replace(payer, provider=provider, model=model, api_url=api_url)


async def _may_begin(payer: Payer, state: CallState) -> bool:
    """Note the call before it is made; False if it is not to be made."""
    beginning = asyncio.create_task(in_thread(_begin, payer, state))
    try:
        await asyncio.shield(beginning)
    except BudgetExceeded:
        return False
    except asyncio.CancelledError:
        # This process is going down, and the thread still writes.
        await asyncio.gather(beginning, return_exceptions=True)
        await in_thread(_forget, _key(payer.generation_id))
        return False
    return True


def _begin(payer: Payer, state: CallState) -> None:
    limits = budgets.limits_of(payer.user_id, payer.organization_id)
    estimate = metering.entry_of(
        payer, state, "interrupted", "", written=LIKELY_CHARACTERS, duration_ms=None
    )

    def work() -> None:
        _hold(payer, state, limits)
        TitleCall.begin(_of_title(estimate))

    with budgets.in_line(payer.organization_id, limits):
        in_transaction(work)


def _hold(payer: Payer, state: CallState, limits: Limits) -> None:
    if limits == NO_LIMITS:
        return
    now = state.began_at
    budgets.reserve(
        key=_key(payer.generation_id),
        user_id=payer.user_id,
        organization_id=payer.organization_id,
        amount_usd=budgets.estimate_of(
            payer.provider, payer.model, state.prompt_characters, now, payer.api_url
        ),
        limits=limits,
        now=now,
        lifetime=HELD_FOR,
    )


def _forget(key: UUID) -> None:
    """The provider was not asked."""

    def work() -> None:
        TitleCall.end(key)
        budgets.release(key)

    in_transaction(work)


def _of_title(entry: UsageEntry) -> UsageEntry:
    assert entry.generation_id is not None  # of a call for an answer
    return replace(entry, id=_key(entry.generation_id), endpoint=ENDPOINT, step=0)


def _keep(entry: UsageEntry, title: str, first_words: str) -> Conversation | None:
    """Charge the call, and give the chat its title if nobody has given it another one.

    If the ledger does not take it now, it is added up with what is abandoned, as what it was.
    """
    is_recorded = recording.record_usage(entry)

    def work() -> Conversation | None:
        chat = rows.one(Conversation, id=entry.conversation_id)
        fields = {}
        if is_recorded:
            fields = _charged_to(chat, entry)
        else:
            TitleCall.know_better(entry)
        if chat is None:
            return None
        is_given = bool(title) and chat.title == first_words and chat.deleted_at is None
        if is_given:
            fields["title"] = title
        if fields:
            chat.change(**fields)
        return chat if is_given else None

    return in_transaction(work)


def _charged_to(chat: Conversation | None, entry: UsageEntry) -> dict[str, Any]:
    # Taken for dead meanwhile, the chat has what the ledger's row said at first.
    before = totals.Used() if TitleCall.end(entry.id) else totals.used_at_first(entry.id)
    budgets.release(entry.id)
    return _added_up(chat, totals.used_by_calls([entry.id]), before) if chat else {}


def charge_the_abandoned(now: datetime) -> bool:
    """Charge by estimate the calls whose process is gone. True: it has asked the store.

    A process that was only asleep corrects it, as with answers.
    """
    for call in TitleCall.objects.abandoned(now)[:AT_ONCE]:
        if spool.has(call.pk):  # its turn is when the ledger has that
            continue
        with one_of_many("charged for its title"):
            # If its process was killed behind that, the ledger knows it already, and better.
            if not recording.of_calls([call.pk]):
                recording.write(call.entry)
            in_transaction(partial(_settle, call.entry))
    return True


def _settle(entry: UsageEntry) -> None:
    if not TitleCall.end(entry.id):
        # Its process, or another one, was quicker.
        return
    budgets.release(entry.id)
    chat = rows.one(Conversation, id=entry.conversation_id)
    if chat and (fields := _added_up(chat, totals.used_at_first(entry.id), totals.Used())):
        chat.change(**fields)


def _added_up(chat: Conversation, used: totals.Used, before: totals.Used) -> dict[str, Any]:
    """What of the chat is to be changed for this call."""
    metadata = totals.with_answer(chat.metadata, used, before, ())
    return {"metadata": metadata} if metadata != chat.metadata else {}
