"""How a turn begins in the store: the question is saved, and the generation that is to answer it.

Called from threads, one transaction each. Nothing here knows of sockets, and nothing here waits for
a provider. A person waits for this, so it goes by `chatcore.rows` and `chatcore.writes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.policies import NO_POLICY, Policy, policy_of
from analytics import budgets
from analytics.budgets import NO_LIMITS, BudgetExceeded, Limits
from assistant import catalog, tool_uses
from assistant.catalog import Choice
from assistant.events import Event, ReasoningDelta, TextDelta
from assistant.metering import CallState, Payer
from assistant.models import Generation, GenerationStatus
from assistant.providers.base import Prompt, PromptMessage, ToolRound
from chatcore import limits, rows, writes
from chatcore.db import in_transaction
from chatcore.ids import new_id
from conversations import cache
from conversations.models import (
    Conversation,
    Message,
    MessageRole,
    MessageStatus,
    as_text_part,
    branch,
    reasoning_of,
    title_from,
)

# Ids of answers are ours to choose; a question cannot take one.
ANSWER_PREFIX = "answer-"
# Not stored: what the model is told behind an answer that ended early.
GO_ON = (
    "Your answer above was cut off. Go on exactly where it ends."
    " Repeat nothing of it, and do not remark on the interruption."
)
# The code where a monthly budget does not allow another call.
BUDGET_EXCEEDED = "budget_exceeded"
# An answer whose process dies is settled by the reaper; should that fail too, its hold ends.
SETTLED_WITHIN = timedelta(minutes=5)
# More messages than any chat has; a chat is read whole, as the model is to read its branch.
ALL = 1_000_000


class TurnRefused(Exception):
    """The turn cannot begin. `code` is for the client, the text for the person.

    `retry_after` is the seconds to wait where a limit was exceeded; `resets_at` is when a budget
    that does not allow it begins anew.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        resets_at: datetime | None = None,
    ) -> None:
        self.code, self.retry_after, self.resets_at = code, retry_after, resets_at
        super().__init__(message)


@dataclass(frozen=True)
class Question:
    """What a person sends: a new message; or, with `text` None, another answer to an earlier one.

    With `continues`, `message_id` is an answer that ended early, and the new one goes on from it.
    """

    request_id: str
    conversation_id: str
    message_id: str
    parent_id: str | None
    text: str | None
    continues: bool = False


@dataclass(frozen=True)
class Said:
    """What a turn needs to know of a message."""

    client_id: str
    parent_id: str | None
    role: str
    content: str
    # Read of a chat in which tools were used.
    parts: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True)
class Turn:
    """A turn that may run now, or (`is_new` is False) one that this request began earlier.

    `asked` is the question that is answered; `begins_with` is what the answer has already of an
    earlier one, `policy` what its organisation has decided. They are only known of a new turn.
    """

    generation: Generation
    conversation: Conversation
    prompt: Prompt
    is_new: bool
    asked: Said | None = None
    begins_with: tuple[Event, ...] = ()
    policy: Policy = NO_POLICY


def begin(
    user: User,
    question: Question,
    model: str | None,
    *,
    owner: str,
    now: datetime,
    on_saved: Callable[[Turn], None] = lambda _turn: None,
) -> Turn:
    """Save the question, and the generation that is to answer it. Raises TurnRefused.

    `on_saved` is called with a new turn as soon as it is safe, while the rest is still done: all is
    saved before any provider is called. The same request again, be it at the same moment, gets the
    turn that the first one began, and is never refused for a limit.
    """
    # Outside the transaction, which may run several times.
    usage = limits.assistant(user.pk)
    if usage.exceeded:
        return _earlier(user, question) or _refuse(usage)

    policy = policy_of(user.organization_id)
    limits_usd = Limits(
        user_usd=user.monthly_budget_usd, organization_usd=policy.monthly_budget_usd
    )

    def work() -> Turn:
        turns: list[Turn] = []
        # First of all, and so before what else follows the commit.
        transaction.on_commit(lambda: on_saved(turns[0]))
        turn = _begin(user, question, _choose(model), owner=owner, now=now)
        hold_budget(payer_of(turn.generation), turn.prompt.characters, limits_usd, now)
        turns.append(replace(turn, policy=policy))
        return turns[0]

    for _ in range(2):
        try:
            with budgets.in_line(user.organization_id, limits_usd):
                return in_transaction(work)
        except (IntegrityError, TurnRefused, BudgetExceeded) as error:
            # Nearly every request is new. That this one is not shows where it meets the first one.
            if earlier := _earlier(user, question):
                return earlier
            # But a tab may have been quicker between our look and our write: what it wrote is there
            # the second time.
            if isinstance(error, TurnRefused):
                raise
            if isinstance(error, BudgetExceeded):
                raise TurnRefused(BUDGET_EXCEEDED, str(error), resets_at=error.resets_at) from error
    raise TurnRefused("conflict", "This was changed elsewhere. Reload the page.")


def _earlier(user: User, question: Question) -> Turn | None:
    generation = rows.one(Generation, user_id=user.pk, request_id=question.request_id)
    if generation is None:
        return None
    conversation = rows.one(Conversation, id=generation.conversation_id)
    if conversation is None:
        return None
    generation.conversation = conversation
    return Turn(generation, conversation, Prompt("", ()), is_new=False)


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
    conversation = rows.one(Conversation, client_id=question.conversation_id, user_id=user.pk)
    asked: Said | None
    if conversation is None:
        conversation, asked = _new_chat(user, question, now)
        messages, earlier = [asked], None
    else:
        messages = _messages_of(conversation)
        asked, earlier = _asked(messages, question)
        _check_running(user, conversation, asked)
        # Of two transactions that begin in one chat the second one waits here, or begins again:
        # on MongoDB two that only read the same rows would both find nothing running.
        if asked is None:
            asked = _ask(conversation, messages, question, now)
            messages.append(asked)
        else:
            conversation.change(updated_at=now)
    path = branch(messages, asked.client_id)
    prompt = Prompt(choice.model, _as_prompt(path if earlier is None else [*path, earlier]))
    if earlier is not None:
        prompt = Prompt(choice.model, (*prompt.messages, PromptMessage("user", GO_ON)))
    begins_with = _events_of(conversation, earlier) if earlier is not None else ()
    generation = _generation(user, question, choice, conversation, asked)
    generation.owner = owner
    generation.created_at = generation.heartbeat_at = now
    _keep(generation, begins_with)
    begun = len(generation.text) + len(generation.reasoning)
    state = CallState(1, now, prompt.characters, begun)
    generation.call = state.as_json()
    writes.insert(generation)
    return Turn(generation, conversation, prompt, True, asked, begins_with)


def payer_of(generation: Generation) -> Payer:
    """Whose calls those of this answer are. Its conversation is loaded."""
    return Payer(
        organization_id=generation.conversation.organization_id,
        user_id=generation.user_id,
        conversation_id=generation.conversation_id,
        generation_id=generation.pk,
        request_id=generation.request_id,
        provider=generation.provider,
        model=generation.model,
        api_url=catalog.api_url(generation.provider),
    )


def hold_budget(payer: Payer, prompt_characters: int, limits: Limits, now: datetime) -> None:
    """Hold back what the next call of an answer is likely to cost. Raises BudgetExceeded.

    Call it inside a transaction, which stands in the budgets' line.
    """
    if limits == NO_LIMITS:
        return
    budgets.reserve(
        key=payer.generation_id,
        user_id=payer.user_id,
        organization_id=payer.organization_id,
        amount_usd=budgets.estimate_of(
            payer.provider, payer.model, prompt_characters, now, payer.api_url
        ),
        limits=limits,
        now=now,
        lifetime=timedelta(seconds=settings.ANSWER_DEADLINE_SECONDS) + SETTLED_WITHIN,
    )


def _generation(
    user: User, question: Question, choice: Choice, conversation: Conversation, asked: Said
) -> Generation:
    return Generation(
        conversation=conversation,
        user_id=user.pk,
        request_id=question.request_id,
        parent_id=asked.client_id,
        answer_id=f"{ANSWER_PREFIX}{new_id()}",
        provider=choice.provider,
        model=choice.model,
    )


def _new_chat(user: User, question: Question, now: datetime) -> tuple[Conversation, Said]:
    if question.text is None:
        raise TurnRefused("not_found", "This chat is not there any more.")
    if question.parent_id is not None:
        raise _no_parent()
    _check_running(user, None, None)
    message = _as_message(question, now)
    conversation = Conversation(
        client_id=question.conversation_id,
        user_id=user.pk,
        organization_id=user.organization_id,
        title=title_from(question.text),
        message_count=1,
        created_at=now,
        updated_at=now,
    )
    writes.insert(conversation)
    cache.forget_list(user.pk)
    message.conversation, message.seq = conversation, 1
    writes.insert(message)
    conversation.announce(chats=1, messages=1, at=now)
    return conversation, _said(message)


def _messages_of(conversation: Conversation) -> list[Said]:
    if conversation.deleted_at is not None:
        raise TurnRefused("deleted", "This chat is in the trash. Restore it to go on.")
    parts = ("parts",) if conversation.metadata.get("toolsUsed") else ()
    found = rows.read(
        Message,
        ("client_id", "parent_id", "role", "content", *parts),
        equal={"conversation_id": conversation.pk},
        limit=ALL,
    )
    return [Said(**row) for row in found]


def _asked(messages: Sequence[Said], question: Question) -> tuple[Said | None, Said | None]:
    """The stored question that is meant, None for a new one; and the answer to go on from."""
    by_id = {each.client_id: each for each in messages}
    found = by_id.get(question.message_id)
    if question.continues:
        parent = by_id.get(found.parent_id or "") if found else None
        if found is None or parent is None:
            raise TurnRefused("not_found", "This answer is not there any more.")
        if found.role != MessageRole.ASSISTANT or not found.content.strip():
            raise TurnRefused("conflict", "There is nothing to go on from.")
        return parent, found
    if found is None:
        if question.text is None:
            raise TurnRefused("not_found", "This message is not there any more.")
        if question.parent_id is not None and question.parent_id not in by_id:
            raise _no_parent()
    elif found.role != MessageRole.USER or question.text not in (None, found.content):
        raise TurnRefused("conflict", "There is another message with this id.")
    return found, None


def _no_parent() -> TurnRefused:
    return TurnRefused("not_found", "The message before this one is not there any more.")


def _check_running(user: User, conversation: Conversation | None, asked: Said | None) -> None:
    """A question is answered once at a time, and nobody takes all the places."""
    most = settings.RUNNING_LIMIT
    running = rows.read(
        Generation,
        ("conversation_id", "parent_id"),
        equal={"user_id": user.pk, "status": GenerationStatus.RUNNING},
        limit=most or ALL,
    )
    places = [(row["conversation_id"], row["parent_id"]) for row in running]
    if conversation and asked and (conversation.pk, asked.client_id) in places:
        raise TurnRefused("already_running", "This question is being answered already.")
    if most is not None and len(running) >= most:
        raise TurnRefused(
            "too_many_running",
            f"You have {most} answers running. Wait for one of them, or stop one.",
        )


def _ask(
    conversation: Conversation, messages: Sequence[Said], question: Question, now: datetime
) -> Said:
    message = _as_message(question, now)
    conversation.append(message, now)
    return _said(message)


def _as_message(question: Question, now: datetime) -> Message:
    assert question.text is not None  # the callers have looked
    if question.message_id.startswith(ANSWER_PREFIX):
        raise TurnRefused("conflict", "Ids that begin with answer- are those of answers.")
    return Message(
        client_id=question.message_id,
        parent_id=question.parent_id,
        role=MessageRole.USER,
        content=question.text,
        parts=[as_text_part(question.text)],
        created_at=now,
    )


def _said(message: Message) -> Said:
    return Said(message.client_id, message.parent_id, message.role, message.content)


def _events_of(conversation: Conversation, earlier: Said) -> tuple[Event, ...]:
    """What the new answer has already. Raises TurnRefused for one that is complete."""
    answer = rows.one(Message, conversation_id=conversation.pk, client_id=earlier.client_id)
    if answer is None or answer.status == MessageStatus.COMPLETE:
        raise TurnRefused("conflict", "This answer is complete.")
    reasoning = reasoning_of(answer.parts)
    text = TextDelta(answer.content)
    return (ReasoningDelta(reasoning), text) if reasoning else (text,)


def _keep(generation: Generation, begins_with: Sequence[Event]) -> None:
    """Should the process be killed in the next second, what was there is there."""
    generation.seq = len(begins_with)
    for event in begins_with:
        if isinstance(event, TextDelta):
            generation.text = event.text
        elif isinstance(event, ReasoningDelta):
            generation.reasoning = event.text


def _as_prompt(path: Sequence[Said]) -> tuple[PromptMessage | ToolRound, ...]:
    """What the model reads: roles in turn, and no message without a word.

    An answer that failed at once leaves two questions side by side; some servers refuse that, and
    all refuse blank messages. Of an answer with tools the model reads what came of them as well.
    """
    prompt: list[PromptMessage | ToolRound] = []
    for message in path:
        role: Literal["user", "assistant"] = (
            "user" if message.role == MessageRole.USER else "assistant"
        )
        rounds, text = tool_uses.rounds_of(message.parts, message.content)
        prompt += rounds
        if not text.strip():
            continue
        last = prompt[-1] if prompt else None
        if isinstance(last, PromptMessage) and last.role == role:
            prompt[-1] = PromptMessage(role, f"{last.text}\n\n{text}")
        else:
            prompt.append(PromptMessage(role, text))
    return tuple(prompt)
