"""A title for a new chat, asked of a model once its first answer is saved.

It is a nicety and never in the way: whatever goes wrong, the chat keeps the first words of its
question. The call is charged as any other, in a row of its own (endpoint "title").
"""

import asyncio
import dataclasses
import logging
import re
import unicodedata
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from msgspec.structs import replace

from analytics import budgets, recording
from analytics.budgets import NO_LIMITS, BudgetExceeded
from analytics.entries import UsageEntry
from assistant import catalog, totals, turns
from assistant.events import TextDelta, Usage
from assistant.metering import CallState, Meter, Outcome, Payer
from assistant.providers.base import Prompt, PromptMessage
from assistant.providers.errors import ProviderError
from assistant.services import services
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
# A call whose process dies ends its reservation by itself.
HELD_FOR = timedelta(minutes=1)


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
    meter = Meter(payer, CallState(1, now, prompt.characters))
    try:
        await in_thread(_hold, payer, prompt.characters, now)
    except BudgetExceeded:
        return None
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
    entry = replace(entry, id=_key(payer.generation_id), endpoint=ENDPOINT, step=0)
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


def _hold(payer: Payer, prompt_characters: int, now: datetime) -> None:
    limits = budgets.limits_of(payer.user_id, payer.organization_id)
    if limits == NO_LIMITS:
        return

    def work() -> None:
        budgets.reserve(
            key=_key(payer.generation_id),
            user_id=payer.user_id,
            organization_id=payer.organization_id,
            amount_usd=budgets.estimate_of(
                payer.provider, payer.model, prompt_characters, now, payer.api_url
            ),
            limits=limits,
            now=now,
            lifetime=HELD_FOR,
        )

    with budgets.in_line(payer.organization_id, limits):
        in_transaction(work)


def _keep(entry: UsageEntry, title: str, first_words: str) -> Conversation | None:
    """Charge the call, and give the chat its title if nobody has given it another one."""
    recording.record_usage(entry)

    def work() -> Conversation | None:
        budgets.release(entry.id)
        chat = rows.one(Conversation, id=entry.conversation_id)
        if chat is None:
            return None
        used = totals.used_by_calls([entry.id])
        fields: dict[str, Any] = {}
        metadata = totals.with_answer(chat.metadata, used, totals.Used(), ())
        if metadata != chat.metadata:
            fields["metadata"] = metadata
        is_given = bool(title) and chat.title == first_words and chat.deleted_at is None
        if is_given:
            fields["title"] = title
        if fields:
            chat.change(**fields)
        return chat if is_given else None

    return in_transaction(work)
