"""A turn in the store: how it begins, what is kept while it runs, how it ends.

Plain functions on the database, one transaction each, called from threads. Nothing here knows of
sockets, and nothing here waits for a provider.
"""

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, NoReturn
from uuid import UUID

from django.db import IntegrityError

from accounts.models import User
from assistant import catalog
from assistant.catalog import Choice
from assistant.events import Usage
from assistant.models import Generation, GenerationStatus
from assistant.providers.base import Prompt, PromptMessage
from chatcore import limits
from chatcore.db import in_transaction, store_is_away
from chatcore.ids import new_id
from conversations.models import (
    Conversation,
    Message,
    MessageRole,
    MessageStatus,
    as_text_part,
    branch,
    title_from,
)

# A generation whose process was not heard of for this long is taken for dead. The heart beats
# every second, so ten beats were missed.
SILENCE = timedelta(seconds=10)
# Ids of answers are ours to choose; a question cannot take one.
ANSWER_PREFIX = "answer-"

logger = logging.getLogger("chatcore.turns")


class TurnRefused(Exception):
    """The turn cannot begin. `code` is for the client, the text for the person.

    `retry_after` is the seconds to wait where a limit was exceeded.
    """

    def __init__(self, code: str, message: str, *, retry_after: int | None = None) -> None:
        self.code, self.retry_after = code, retry_after
        super().__init__(message)


@dataclass(frozen=True)
class Question:
    """What a person sends: a new message, or (`text` is None) another answer to an earlier one."""

    request_id: str
    conversation_id: str
    message_id: str
    parent_id: str | None
    text: str | None


@dataclass(frozen=True)
class Turn:
    """A turn that may run now, or (`is_new` is False) one that this request began earlier."""

    generation: Generation
    conversation: Conversation
    prompt: Prompt
    is_new: bool


def begin(user: User, question: Question, model: str | None, *, owner: str, now: datetime) -> Turn:
    """Save the question, and the generation that is to answer it. Raises TurnRefused.

    All is saved before any provider is called. The same request again, be it at the same moment,
    gets the turn that the first one began, and is never refused for a limit.
    """
    # Outside the transaction, which may run several times.
    usage = limits.assistant(user.pk)
    if usage.exceeded:
        return _earlier(user, question) or _refuse(usage)

    def work() -> Turn:
        earlier = _earlier(user, question)
        return earlier or _begin(user, question, _choose(model), owner=owner, now=now)

    try:
        return in_transaction(work)
    except IntegrityError:
        # Another tab was quicker between our look and our write; what it wrote is there now.
        try:
            return in_transaction(work)
        except IntegrityError as error:
            raise TurnRefused("conflict", "This was changed elsewhere. Reload the page.") from error


def _earlier(user: User, question: Question) -> Turn | None:
    generation = (
        Generation.objects.for_user(user).filter(request_id=question.request_id).with_chat().first()
    )
    if generation is None:
        return None
    return Turn(generation, generation.conversation, Prompt("", ()), is_new=False)


def _refuse(usage: limits.Usage) -> NoReturn:
    wait = limits.in_words(usage.retry_after)
    raise TurnRefused(
        "rate_limited",
        f"You have sent many questions. You can send again in {wait}.",
        retry_after=usage.retry_after,
    )


def _choose(model: str | None) -> Choice:
    try:
        return catalog.choose(model)
    except catalog.UnknownChoice as error:
        message = "This model is not offered any more. Choose another one."
        raise TurnRefused("unknown_model", message) from error


def _begin(user: User, question: Question, choice: Choice, *, owner: str, now: datetime) -> Turn:
    conversation = _conversation(user, question, now)
    # From here on this chat is ours: on MongoDB two transactions that only read the same rows
    # would both find nothing running, and both begin.
    conversation.lock()
    messages = list(conversation.messages.all())
    asked = next((each for each in messages if each.client_id == question.message_id), None)
    if asked is None:
        asked = _ask(conversation, messages, question, now)
        messages.append(asked)
    elif asked.role != MessageRole.USER or question.text not in (None, asked.content):
        raise TurnRefused("conflict", "There is another message with this id.")
    if (
        Generation.objects.running()
        .filter(conversation=conversation, parent_id=asked.client_id)
        .exists()
    ):
        raise TurnRefused("already_running", "This question is being answered already.")
    generation = Generation.objects.create(
        conversation=conversation,
        user=user,
        request_id=question.request_id,
        parent_id=asked.client_id,
        answer_id=f"{ANSWER_PREFIX}{new_id()}",
        provider=choice.provider,
        model=choice.model,
        owner=owner,
        created_at=now,
        heartbeat_at=now,
    )
    prompt = Prompt(choice.model, _as_prompt(branch(messages, asked.client_id)))
    return Turn(generation, conversation, prompt, is_new=True)


def _conversation(user: User, question: Question, now: datetime) -> Conversation:
    conversation = (
        Conversation.objects.for_user(user).filter(client_id=question.conversation_id).first()
    )
    if conversation is None:
        if question.text is None:
            raise TurnRefused("not_found", "This chat is not there any more.")
        return Conversation.objects.create(
            client_id=question.conversation_id,
            user=user,
            organization_id=user.organization_id,
            title=title_from(question.text),
            created_at=now,
            updated_at=now,
        )
    if conversation.deleted_at is not None:
        raise TurnRefused("deleted", "This chat is in the trash. Restore it to go on.")
    return conversation


def _ask(
    conversation: Conversation, messages: list[Message], question: Question, now: datetime
) -> Message:
    if question.text is None:
        raise TurnRefused("not_found", "This message is not there any more.")
    if question.message_id.startswith(ANSWER_PREFIX):
        raise TurnRefused("conflict", "Ids that begin with answer- are those of answers.")
    if question.parent_id is not None and all(
        each.client_id != question.parent_id for each in messages
    ):
        raise TurnRefused("not_found", "The message before this one is not there any more.")
    return conversation.append(
        Message(
            client_id=question.message_id,
            parent_id=question.parent_id,
            role=MessageRole.USER,
            content=question.text,
            parts=[as_text_part(question.text)],
        ),
        now,
    )


def _as_prompt(path: list[Message]) -> tuple[PromptMessage, ...]:
    """What the model reads: roles in turn, and no message without a word.

    An answer that failed at once leaves two questions side by side; some servers refuse that, and
    all refuse blank messages.
    """
    prompt: list[PromptMessage] = []
    for message in path:
        role: Literal["user", "assistant"] = (
            "user" if message.role == MessageRole.USER else "assistant"
        )
        if not message.content.strip():
            continue
        if prompt and prompt[-1].role == role:
            prompt[-1] = PromptMessage(role, f"{prompt[-1].text}\n\n{message.content}")
        else:
            prompt.append(PromptMessage(role, message.content))
    return tuple(prompt)


@dataclass(frozen=True)
class Progress:
    """What there is of an answer at a moment."""

    generation_id: UUID
    seq: int
    text: str
    reasoning: str


def progress_of(generation: Generation) -> Progress:
    """What is saved of a generation."""
    return Progress(generation.pk, generation.seq, generation.text, generation.reasoning)


def save_progress(progress: Iterable[Progress], now: datetime) -> None:
    """Keep the text of running answers, and say that their process is alive."""
    for each in progress:
        with _one_of_many("saved on the way"):
            Generation.objects.filter(pk=each.generation_id).running().update(
                seq=each.seq, text=each.text, reasoning=each.reasoning, heartbeat_at=now
            )


@contextmanager
def _one_of_many(what: str) -> Iterator[None]:
    """One answer that the store will not take is no reason to neglect all others."""
    try:
        yield
    except Exception as error:
        if store_is_away(error):
            raise
        logger.exception("An answer could not be %s", what)


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
    usage: Usage | None,
    now: datetime,
) -> None:
    """Make the answer a message of its conversation, however it ended. Safe to run again."""

    def work() -> None:
        generation = Generation.objects.filter(pk=progress.generation_id).with_chat().first()
        if generation is None:
            return  # the chat was deleted for good meanwhile
        generation.seq = progress.seq
        generation.text, generation.reasoning = progress.text, progress.reasoning
        generation.error = error
        _end(generation, status, usage, now)

    in_transaction(work)


def interrupt_silent(now: datetime, *, ours: Collection[UUID] = ()) -> int:
    """End the generations whose process is gone, keeping what was saved. How many there were.

    `ours` run in this process: however long the store was away, they are not dead.
    """

    def interrupt(key: UUID) -> bool:
        # Looked at again inside the transaction: it may have been heard of since.
        generation = silent.filter(pk=key).with_chat().first()
        if generation is None:
            return False
        _end(generation, GenerationStatus.INTERRUPTED, None, now)
        return True

    silent = Generation.objects.silent_since(now - SILENCE)
    interrupted = 0
    for key in set(silent.values_list("pk", flat=True)).difference(ours):
        with _one_of_many("interrupted"):
            interrupted += in_transaction(partial(interrupt, key))
    return interrupted


def _end(
    generation: Generation, status: GenerationStatus, usage: Usage | None, now: datetime
) -> None:
    generation.status = status
    generation.finished_at = generation.heartbeat_at = now
    generation.save()
    _save_answer(generation, usage, now)


def _save_answer(generation: Generation, usage: Usage | None, now: datetime) -> None:
    conversation = generation.conversation
    answer = conversation.messages.filter(client_id=generation.answer_id).first() or Message(
        client_id=generation.answer_id, parent_id=generation.parent_id, role=MessageRole.ASSISTANT
    )
    is_counted = answer.token_count is not None
    answer.content = generation.text
    answer.parts = [as_text_part(generation.text)] if generation.text else []
    if generation.reasoning:
        answer.parts.insert(0, {"type": "reasoning", "text": generation.reasoning})
    answer.model = f"{generation.provider}:{generation.model}"
    answer.status = _MESSAGE_STATUS[GenerationStatus(generation.status)]
    answer.error = generation.error
    answer.token_count = usage.output_tokens if usage else answer.token_count
    if answer._state.adding:
        conversation.append(answer, now)
    else:
        # It was taken for dead too early, while its process was only asleep.
        answer.save()
        conversation.change()
    if usage is not None and not is_counted:
        _count_tokens(conversation, usage)


def _count_tokens(conversation: Conversation, usage: Usage) -> None:
    # Read behind the write of `append`: until this transaction ends no other one can pass there.
    conversation.refresh_from_db(fields=["metadata"])
    total = (conversation.metadata.get("totalTokens") or 0) + usage.total_tokens
    conversation.change(metadata={**conversation.metadata, "totalTokens": total})
