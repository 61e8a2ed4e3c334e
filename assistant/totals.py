"""What an answer came to, by the ledger, and what its chat has come to with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from analytics import recording
from analytics.models import UsageRecord, UsageSource
from assistant.events import Usage, tokens
from assistant.models import Generation
from assistant.tool_uses import ToolUse

# More names are not shown of one chat.
MOST_TOOLS = 200


@dataclass(frozen=True)
class Used:
    """`usage` None: no model was at work. `cost_usd` is of what is priced, None if nothing is."""

    usage: Usage | None = None
    source: str = ""
    cost_usd: Decimal | None = None

    @property
    def tokens(self) -> int:
        return self.usage.total_tokens if self.usage else 0

    @property
    def counted_output(self) -> int | None:
        """The tokens that were written, if the provider counted all of them."""
        if self.usage is None or self.source != UsageSource.PROVIDER:
            return None
        return self.usage.output_tokens


def used_by(generation_id: UUID, last_step: int) -> Used:
    """What the calls of an answer came to, with what was adjusted since."""
    return used_by_calls(recording.call_id(generation_id, step) for step in range(1, last_step + 1))


def used_by_calls(ids: Iterable[UUID]) -> Used:
    """As `used_by`, of the calls with these ids."""
    return _used(recording.of_calls(ids))


def used_at_first(key: UUID) -> Used:
    """What the call came to when it was recorded, without what was adjusted since."""
    return _used([row for row in recording.of_calls([key]) if row.adjusts is None])


def _used(rows: Sequence[UsageRecord]) -> Used:
    usage = _sum(rows)
    if not usage.total_tokens:
        return Used()
    costs = [row.cost_usd for row in rows if row.cost_usd is not None]
    is_estimated = sum(row.estimated_calls for row in rows if row.units or row.adjusts) > 0
    source = UsageSource.ESTIMATED if is_estimated else UsageSource.PROVIDER
    # What was not used costs nothing, which says nothing of the price of the rest.
    is_priced = any(row.cost_usd is not None and row.units for row in rows)
    return Used(usage, source, sum(costs, Decimal(0)) if is_priced else None)


def _sum(rows: Sequence[UsageRecord]) -> Usage:
    def total(name: str) -> int:
        return tokens(sum(getattr(row, name) for row in rows))

    return Usage(
        input_tokens=total("input_tokens"),
        cache_read_tokens=total("cache_read_tokens"),
        cache_write_tokens=total("cache_write_tokens"),
        output_tokens=total("output_tokens"),
        reasoning_tokens=total("reasoning_tokens"),
        cache_write_1h_tokens=total("cache_write_1h_tokens"),
    )


def noted_of(generation: Generation) -> Used:
    """What was added to the chat when the answer ended before, should it end again."""
    if not generation.usage:
        return Used()
    usage = msgspec.convert(generation.usage, Usage)
    return Used(usage, generation.usage_source, generation.cost_usd)


def with_answer(
    metadata: dict[str, Any], used: Used, before: Used, tools: Sequence[ToolUse]
) -> dict[str, Any]:
    """The metadata of a chat when an answer of it has ended.

    `before` is what the same answer had added when it ended before. The cost stands in the store
    as text, so that sums stay exact.
    """
    changed = dict(metadata)
    if used.tokens or before.tokens:
        total = (metadata.get("totalTokens") or 0) + used.tokens - before.tokens
        changed["totalTokens"] = max(0, total)
    if used.cost_usd is not None:
        cost = Decimal(str(metadata.get("totalCost") or 0))
        changed["totalCost"] = f"{cost + used.cost_usd - (before.cost_usd or 0):f}"
    if names := [use.name for use in tools]:
        known = metadata.get("toolsUsed") or []
        changed["toolsUsed"] = list(dict.fromkeys([*known, *names]))[:MOST_TOOLS]
    return changed
