"""What the store keeps of an answer while it is made, and how it ends. Called from threads."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from accounts.models import User
from analytics import budgets, recording
from analytics.entries import UsageEntry
from assistant import metering, tool_uses, totals, turns
from assistant.events import Decision
from assistant.metering import CallState, Payer
from assistant.models import Generation, GenerationStatus
from assistant.tool_uses import ToolUse
from chatcore import rows, writes
from chatcore.db import in_transaction, store_is_away
from conversations.models import (
    Conversation,
    Message,
    MessageRole,
    MessageStatus,
    reasoning_of,
)

# A generation whose process was not heard of for this long is taken for dead. The heart beats
# every second, so ten beats were missed.
SILENCE = timedelta(seconds=10)

logger = logging.getLogger("chatcore.saving")


@dataclass(frozen=True)
class Progress:
    """What there is of an answer at a moment. `call` is known where the answer is made."""

    generation_id: UUID
    seq: int
    text: str
    reasoning: str
    tools: tuple[ToolUse, ...] = ()
    call: CallState | None = None


@dataclass(frozen=True)
class Found:
    """A generation, the client's id of its chat, and what is saved of it."""

    generation: Generation
    conversation_id: str
    progress: Progress


def find(user: User, generation_id: UUID) -> Found | None:
    """This person's; None for a stranger's."""
    generation = rows.one(Generation, id=generation_id, user_id=user.pk)
    if generation is None:
        return None
    conversation = rows.one(Conversation, id=generation.conversation_id)
    if conversation is None:
        return None
    return Found(generation, conversation.client_id, _saved(generation))


def _saved(generation: Generation) -> Progress:
    text, reasoning = generation.text, generation.reasoning
    if generation.status != GenerationStatus.RUNNING and (answer := _message_of(generation)):
        text, reasoning = answer.content, reasoning_of(answer.parts)
    tools = tool_uses.from_json(generation.tools)
    return Progress(generation.pk, generation.seq, text, reasoning, tools)


def _message_of(generation: Generation) -> Message | None:
    return rows.one(
        Message, conversation_id=generation.conversation_id, client_id=generation.answer_id
    )


def save_progress(progress: Sequence[Progress], now: datetime) -> None:
    """Keep the text of running answers, and say that their process is alive."""
    changes = [
        (
            {"id": each.generation_id, "status": GenerationStatus.RUNNING},
            {
                "seq": each.seq,
                "text": each.text,
                "reasoning": each.reasoning,
                "tools": tool_uses.as_json(each.tools),
                "call": each.call and each.call.as_json(),
                "heartbeat_at": now,
            },
        )
        for each in progress
    ]
    try:
        in_transaction(partial(writes.update_each, Generation, changes))
    except Exception as error:
        if store_is_away(error):
            raise
        for change in changes:
            with one_of_many("saved on the way"):
                writes.update_each(Generation, [change])


@contextmanager
def one_of_many(what: str) -> Iterator[None]:
    """One answer that the store will not take is no reason to neglect all others."""
    try:
        yield
    except Exception as error:
        if store_is_away(error):
            raise
        logger.exception("An answer could not be %s", what)


def ask_to_stop(generation_id: UUID) -> None:
    """For a process that cannot be reached; it looks within a second."""
    equal = {"id": generation_id, "status": GenerationStatus.RUNNING}
    writes.update(Generation, equal, values={"stop_asked": True})


def asked_to_stop(ours: Collection[UUID]) -> set[UUID]:
    """Those of the answers that run in this process which are to be stopped."""
    asked = Generation.objects.running().filter(stop_asked=True).values_list("pk", flat=True)
    return set(asked).intersection(ours)


def ended(generations: Collection[UUID]) -> dict[UUID, tuple[str, dict[str, Any] | None]]:
    """Status and error of those that have ended; of one that is deleted, as interrupted."""
    found = {
        key: (status, error)
        for key, status, error in Generation.objects.filter(pk__in=generations).values_list(
            "pk", "status", "error"
        )
    }
    gone: tuple[str, None] = (GenerationStatus.INTERRUPTED, None)
    states = {key: found.get(key, gone) for key in generations}
    return {key: state for key, state in states.items() if state[0] != GenerationStatus.RUNNING}


_MESSAGE_STATUS = {
    GenerationStatus.DONE: MessageStatus.COMPLETE,
    GenerationStatus.STOPPED: MessageStatus.STOPPED,
    GenerationStatus.FAILED: MessageStatus.FAILED,
    GenerationStatus.INTERRUPTED: MessageStatus.INTERRUPTED,
}


def finish(
    progress: Progress,
    status: GenerationStatus,
    *,
    error: dict[str, Any] | None,
    calls: Sequence[UsageEntry] = (),
    now: datetime,
) -> None:
    """Make the answer a message of its conversation, however it ended. Safe to run again.

    `calls` are those that are not in the ledger yet. They go there first: should the process be
    killed between the two, they are found there by whoever ends the answer.
    """
    for entry in calls:
        recording.record_usage(entry)

    def work() -> None:
        budgets.release(progress.generation_id)
        generation = rows.one(Generation, id=progress.generation_id)
        # None: the chat was deleted for good meanwhile.
        if generation is not None:
            _end(generation, progress, status, error, now)

    in_transaction(work)


# --- Between two calls of one answer --------------------------------------------------------------
def end_call(entry: UsageEntry, state: CallState) -> None:
    """A call is over, and the answer goes on. Its reservation stays for the next one."""
    recording.record_usage(entry)
    _keep_state(entry, state)


def begin_call(payer: Payer, state: CallState, now: datetime) -> None:
    """Another call is about to be made. Raises BudgetExceeded."""
    limits = budgets.limits_of(payer.user_id, payer.organization_id)

    def work() -> None:
        turns.hold_budget(payer, state.prompt_characters, limits, now)
        equal = {"id": payer.generation_id, "status": GenerationStatus.RUNNING}
        writes.update(Generation, equal, values={"call": state.as_json()})

    with budgets.in_line(payer.organization_id, limits):
        in_transaction(work)


def _keep_state(entry: UsageEntry, state: CallState) -> None:
    equal = {"id": entry.generation_id, "status": GenerationStatus.RUNNING}
    writes.update(Generation, equal, values={"call": state.as_json()})


# --- What the person says of a tool ---------------------------------------------------------------
def decide(generation: Generation, call_id: str, decision: Decision) -> None:
    """Keep the first word of the person on a tool call, for the process that makes the answer."""

    def work() -> None:
        running = rows.one(Generation, id=generation.pk)
        if running is not None and running.status == GenerationStatus.RUNNING:
            decisions = {call_id: decision, **(running.decisions or {})}
            writes.update(Generation, {"id": running.pk}, values={"decisions": decisions})

    in_transaction(work)


def decisions_on(generations: Collection[UUID]) -> dict[UUID, dict[str, Decision]]:
    """What was said of the tool calls of these answers."""
    found = Generation.objects.filter(pk__in=generations).values_list("pk", "decisions")
    return {key: decisions or {} for key, decisions in found}


def allow_in_chat(conversation_id: UUID, tool: str) -> None:
    """From now on the tool needs no question in this chat."""

    def work() -> None:
        chat = rows.one(Conversation, id=conversation_id)
        if chat is not None and tool not in chat.allowed_tools:
            chat.change(allowed_tools=[*chat.allowed_tools, tool])

    in_transaction(work)


# --- Answers whose process is gone ----------------------------------------------------------------
def silent(now: datetime, *, ours: Collection[UUID] = ()) -> set[UUID]:
    """The generations whose process is gone.

    `ours` run in this process: however long the store was away, they are not dead.
    """
    found = Generation.objects.silent_since(now - SILENCE).values_list("pk", flat=True)
    return set(found).difference(ours)


def interrupt(
    generations: Collection[UUID], now: datetime, *, replays: Mapping[UUID, Progress] | None = None
) -> list[UUID]:
    """End these, if they are silent still, keeping all that is known of them. Those that it ended.

    What was saved is known, and what `replays` has, if that is more.
    """

    def work(key: UUID) -> bool:
        # Looked at again inside the transaction: it may have been heard of since.
        generation = Generation.objects.silent_since(now - SILENCE).filter(pk=key).first()
        if generation is None:
            return False
        budgets.release(key)
        _end(generation, _most(generation, replays), GenerationStatus.INTERRUPTED, None, now)
        return True

    interrupted = []
    for key in generations:
        with one_of_many("interrupted"):
            _charge_the_silent(key, now, replays)
            if in_transaction(partial(work, key)):
                interrupted.append(key)
    return interrupted


def people_of(generations: Collection[UUID]) -> dict[UUID, UUID]:
    """Whose these are."""
    return dict(Generation.objects.filter(pk__in=generations).values_list("pk", "user_id"))


def _most(generation: Generation, replays: Mapping[UUID, Progress] | None) -> Progress:
    saved = _saved(generation)
    replay = (replays or {}).get(generation.pk)
    return replay if replay is not None and replay.seq > saved.seq else saved


def _charge_the_silent(key: UUID, now: datetime, replays: Mapping[UUID, Progress] | None) -> None:
    """Record the call at which the process died. What it has recorded itself stays."""
    found = Generation.objects.silent_since(now - SILENCE).filter(pk=key).with_chat().first()
    state = metering.state_from(found.call) if found else None
    if found is None or state is None or state.is_over:
        return
    entry = metering.entry_of(
        turns.payer_of(found),
        state,
        "interrupted",
        "",
        written=_written(_most(found, replays)),
        duration_ms=round((found.heartbeat_at - state.began_at).total_seconds() * 1000),
    )
    recording.record_usage(entry)


def _written(progress: Progress) -> int:
    arguments = sum(len(use.arguments) for use in progress.tools)
    return len(progress.text) + len(progress.reasoning) + arguments


# --- The end --------------------------------------------------------------------------------------
def _end(
    generation: Generation,
    progress: Progress,
    status: GenerationStatus,
    error: dict[str, Any] | None,
    now: datetime,
) -> None:
    state = progress.call or metering.state_from(generation.call)
    used = _used(generation, state)
    writes.update(
        Generation,
        {"id": generation.pk},
        values={
            "status": status,
            "seq": progress.seq,
            "text": "",
            "reasoning": "",
            "tools": tool_uses.as_json(progress.tools),
            "call": state and state.as_json(),
            "error": error,
            **_values_of(used),
            "heartbeat_at": now,
            "finished_at": now,
        },
    )
    conversation = rows.one(Conversation, id=generation.conversation_id)
    if conversation is None:
        return
    # There already if it was taken for dead too early, while its process was only asleep.
    earlier = _message_of(generation)
    answer = earlier or Message(
        client_id=generation.answer_id,
        parent_id=generation.parent_id,
        role=MessageRole.ASSISTANT,
        model=f"{generation.provider}:{generation.model}",
    )
    _fill(answer, progress, status, error)
    answer.token_count = used.counted_output
    before = totals.noted_of(generation)
    metadata = totals.with_answer(conversation.metadata, used, before, progress.tools)
    fields: dict[str, Any] = {"metadata": metadata} if metadata != conversation.metadata else {}
    if earlier is None:
        conversation.append(answer, now, **fields)
    else:
        answer.save()
        conversation.change(**fields)


def _used(generation: Generation, state: CallState | None) -> totals.Used:
    return totals.used_by(generation.pk, state.step if state else 0)


def _values_of(used: totals.Used) -> dict[str, Any]:
    return {
        "usage": used.usage and msgspec.to_builtins(used.usage),
        "usage_source": used.source,
        "cost_usd": used.cost_usd,
    }


def recount(entry: UsageEntry) -> bool:
    """The ledger has taken this call late: its answer may have ended without it.

    False while the answer runs: it may be ending at this moment, by what it has read before.
    """
    key = entry.generation_id
    return key is None or in_transaction(partial(_recount, key))


def _recount(key: UUID) -> bool:
    generation = rows.one(Generation, id=key)
    if generation is None:
        return True
    if generation.status == GenerationStatus.RUNNING:
        return False
    used = _used(generation, metering.state_from(generation.call))
    before = totals.noted_of(generation)
    if used == before:
        return True
    writes.update(Generation, {"id": key}, values=_values_of(used))
    conversation = rows.one(Conversation, id=generation.conversation_id)
    if conversation is not None:
        metadata = totals.with_answer(conversation.metadata, used, before, ())
        conversation.change(metadata=metadata)
    if answer := _message_of(generation):
        answer.token_count = used.counted_output
        answer.save()
    return True


def _fill(
    answer: Message, progress: Progress, status: GenerationStatus, error: dict[str, Any] | None
) -> None:
    answer.content = progress.text
    answer.parts = tool_uses.parts_of(progress.text, progress.tools)
    if progress.reasoning:
        answer.parts.insert(0, {"type": "reasoning", "text": progress.reasoning})
    answer.status = _MESSAGE_STATUS[status]
    answer.error = error
