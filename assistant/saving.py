"""What the store keeps of an answer while it is made, and how it ends. Called from threads."""

import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from accounts.models import User
from assistant.events import Usage
from assistant.models import Generation, GenerationStatus, UsageSource
from chatcore import rows, writes
from chatcore.db import in_transaction, store_is_away
from conversations.models import (
    Conversation,
    Message,
    MessageRole,
    MessageStatus,
    as_text_part,
    reasoning_of,
)

# A generation whose process was not heard of for this long is taken for dead. The heart beats
# every second, so ten beats were missed.
SILENCE = timedelta(seconds=10)
# Of English text, by OpenAI's rule of thumb for its tokenizers.
CHARACTERS_PER_TOKEN = 4

logger = logging.getLogger("chatcore.saving")


@dataclass(frozen=True)
class Progress:
    """What there is of an answer at a moment."""

    generation_id: UUID
    seq: int
    text: str
    reasoning: str


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
    return Progress(generation.pk, generation.seq, text, reasoning)


def _message_of(generation: Generation) -> Message | None:
    return rows.one(
        Message, conversation_id=generation.conversation_id, client_id=generation.answer_id
    )


def save_progress(progress: Sequence[Progress], now: datetime) -> None:
    """Keep the text of running answers, and say that their process is alive."""
    changes = [
        (
            {"id": each.generation_id, "status": GenerationStatus.RUNNING},
            {"seq": each.seq, "text": each.text, "reasoning": each.reasoning, "heartbeat_at": now},
        )
        for each in progress
    ]
    try:
        in_transaction(partial(writes.update_each, Generation, changes))
    except Exception as error:
        if store_is_away(error):
            raise
        for change in changes:
            with _one_of_many("saved on the way"):
                writes.update_each(Generation, [change])


@contextmanager
def _one_of_many(what: str) -> Iterator[None]:
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


@dataclass(frozen=True)
class Ending:
    """How an answer ended, and what the provider counted, if it did."""

    status: GenerationStatus
    error: dict[str, Any] | None
    usage: Usage | None


def finish(
    progress: Progress,
    status: GenerationStatus,
    *,
    error: dict[str, Any] | None,
    usage: Usage | None,
    now: datetime,
) -> None:
    """Make the answer a message of its conversation, however it ended. Safe to run again."""

    def work() -> None:
        generation = rows.one(Generation, id=progress.generation_id)
        # None: the chat was deleted for good meanwhile.
        if generation is not None:
            _end(generation, progress, Ending(status, error, usage), now)

    in_transaction(work)


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
        progress = _saved(generation)
        if (replay := (replays or {}).get(key)) and replay.seq > progress.seq:
            progress = replay
        ending = Ending(GenerationStatus.INTERRUPTED, None, None)
        _end(generation, progress, ending, now)
        return True

    interrupted = []
    for key in generations:
        with _one_of_many("interrupted"):
            if in_transaction(partial(work, key)):
                interrupted.append(key)
    return interrupted


def _end(generation: Generation, progress: Progress, ending: Ending, now: datetime) -> None:
    usage, source = _usage(generation, progress, ending)
    writes.update(
        Generation,
        {"id": generation.pk},
        values={
            "status": ending.status,
            "seq": progress.seq,
            "text": "",
            "reasoning": "",
            "error": ending.error,
            "usage": usage and msgspec.to_builtins(usage),
            "usage_source": source,
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
    is_counted = answer.token_count is not None
    _fill(answer, progress, ending)
    fields: dict[str, Any] = {}
    if ending.usage is not None and not is_counted:
        total = (conversation.metadata.get("totalTokens") or 0) + ending.usage.total_tokens
        fields["metadata"] = {**conversation.metadata, "totalTokens": total}
    if earlier is None:
        conversation.append(answer, now, **fields)
    else:
        answer.save()
        conversation.change(**fields)


def _fill(answer: Message, progress: Progress, ending: Ending) -> None:
    answer.content = progress.text
    answer.parts = [as_text_part(progress.text)] if progress.text else []
    if progress.reasoning:
        answer.parts.insert(0, {"type": "reasoning", "text": progress.reasoning})
    answer.status = _MESSAGE_STATUS[ending.status]
    answer.error = ending.error
    if ending.usage is not None:
        answer.token_count = ending.usage.output_tokens


def _usage(generation: Generation, progress: Progress, ending: Ending) -> tuple[Usage | None, str]:
    """What this answer used, and who says so. None if it failed before a model was at work.

    A provider's count is whole only at the end of its answer. Of one that was cut short, what it
    had counted is taken, and the rest estimated by the number of characters.
    """
    counted = ending.usage
    written = len(progress.text) + len(progress.reasoning)
    if counted is not None and ending.status == GenerationStatus.DONE:
        return counted, UsageSource.PROVIDER
    if counted is None and not written and ending.status == GenerationStatus.FAILED:
        return None, ""
    counted = counted or Usage(input_tokens=_tokens(generation.prompt_characters))
    output = max(counted.output_tokens, _tokens(written))
    return msgspec.structs.replace(counted, output_tokens=output), UsageSource.ESTIMATED


def _tokens(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)
