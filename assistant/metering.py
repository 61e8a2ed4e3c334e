"""What each call of a provider comes to, as an entry of the ledger. Plain values, no store.

A provider's count is whole only at the end of its call. Of a call that was cut short, what it had
counted is taken, and the rest is estimated by the number of characters.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from analytics.entries import TokenCounts, UsageEntry, tokens_in
from analytics.recording import call_id
from assistant.events import Usage

ENDPOINT = "assistant_stream"
# Failures with which a provider ends its answer in good order: what it has counted is whole.
TOLD_AT_THE_END = frozenset({"refused", "context_too_long"})
# Failures of a model that was at work, and is likely to be charged for.
WAITED_FOR = frozenset({"timeout", "deadline"})

Outcome = Literal["done", "stopped", "interrupted", "failed"]


@dataclass(frozen=True)
class Payer:
    """Whose answer it is, and what makes it."""

    organization_id: UUID
    user_id: UUID
    conversation_id: UUID
    generation_id: UUID
    request_id: str
    provider: str
    model: str
    api_url: str


class CallState(Struct, rename="camel"):
    """The call that runs, as it is saved with its answer: what a reaper needs for an estimate.

    `written_before` are the characters of the answer that earlier calls wrote. `is_over`: it is
    recorded, and nothing else is being called.
    """

    step: int
    began_at: datetime
    prompt_characters: int
    written_before: int = 0
    usage: Usage | None = None
    is_over: bool = False

    def as_json(self) -> dict[str, object]:
        value: dict[str, object] = msgspec.to_builtins(self)
        return value


def state_from(stored: dict[str, object] | None) -> CallState | None:
    return None if stored is None else msgspec.convert(stored, CallState)


class Meter:
    """Follows the calls of one answer. `written` is how many characters the answer has so far."""

    def __init__(self, payer: Payer, state: CallState) -> None:
        self._payer = payer
        self.state = state
        self._began = time.monotonic()
        self._first_piece: float | None = None
        self._earlier = Usage()

    def begin(self, state: CallState) -> None:
        """Another call."""
        self.state = state
        self._began = time.monotonic()
        self._first_piece = None

    @property
    def has_heard(self) -> bool:
        """Whether a piece has come of the call."""
        return self._first_piece is not None

    def hear_piece(self) -> bool:
        """Whether it is the first one of the call."""
        is_first = self._first_piece is None
        if is_first:
            self._first_piece = time.monotonic()
        return is_first

    def count(self, usage: Usage) -> Usage:
        """What all calls of the answer have come to with this report."""
        self.state.usage = usage
        return self._earlier + usage

    def end(self, outcome: Outcome, error: str, written: int) -> UsageEntry | None:
        """The entry for the call that runs; None if none does."""
        if self.state.is_over:
            return None
        entry = entry_of(
            self._payer,
            self.state,
            outcome,
            error,
            written=written,
            duration_ms=_milliseconds(self._began, time.monotonic()),
            ttft_ms=_milliseconds(self._began, self._first_piece),
        )
        self._earlier += self.state.usage or Usage()
        self.state.is_over = True
        return entry


def _milliseconds(begin: float, end: float | None) -> int | None:
    return None if end is None else round((end - begin) * 1000)


def entry_of(
    payer: Payer,
    state: CallState,
    outcome: Outcome,
    error: str,
    *,
    written: int,
    duration_ms: int | None,
    ttft_ms: int | None = None,
) -> UsageEntry:
    """The ledger's entry for a call that is over."""
    tokens, is_counted = _tokens_of(state, outcome, error, written - state.written_before)
    return UsageEntry(
        id=call_id(payer.generation_id, state.step),
        organization_id=payer.organization_id,
        user_id=payer.user_id,
        conversation_id=payer.conversation_id,
        generation_id=payer.generation_id,
        request_id=payer.request_id,
        step=state.step,
        provider=payer.provider,
        model=payer.model,
        api_url=payer.api_url,
        endpoint=ENDPOINT,
        status="success" if outcome in ("done", "stopped") else "error",
        error=error or ("" if outcome in ("done", "failed") else outcome),
        created_at=state.began_at,
        duration_ms=duration_ms or 0,
        ttft_ms=ttft_ms,
        tokens=tokens,
        usage_source="provider" if is_counted else "estimated",
    )


def _tokens_of(
    state: CallState, outcome: Outcome, error: str, written: int
) -> tuple[TokenCounts, bool]:
    """What the call used, and whether the provider says so."""
    counted = state.usage
    if counted is not None and (outcome == "done" or error in TOLD_AT_THE_END):
        return _counts(counted), True
    was_at_work = written > 0 or outcome != "failed" or error in WAITED_FOR
    if counted is None and not was_at_work:
        return TokenCounts(), False
    counted = counted or Usage(input_tokens=tokens_in(state.prompt_characters))
    output = max(counted.output_tokens, tokens_in(written))
    return _counts(msgspec.structs.replace(counted, output_tokens=output)), False


def _counts(usage: Usage) -> TokenCounts:
    return TokenCounts(
        input=usage.input_tokens,
        cache_read=usage.cache_read_tokens,
        cache_write=usage.cache_write_tokens,
        # Parts are no more than what they are parts of, whatever a server says.
        cache_write_1h=min(usage.cache_write_1h_tokens, usage.cache_write_tokens),
        output=usage.output_tokens,
        reasoning=min(usage.reasoning_tokens, usage.output_tokens),
    )
