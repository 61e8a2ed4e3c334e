"""A call of a provider as whoever made it reports it. Plain values: it may wait in a file."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from msgspec import Struct

# Of English text, by OpenAI's rule of thumb for its tokenizers. Other languages need some more.
CHARACTERS_PER_TOKEN = 4


def tokens_in(characters: int) -> int:
    """How many tokens so many characters are likely to be, rounded up; none of less than none."""
    return -(-max(0, characters) // CHARACTERS_PER_TOKEN)


class TokenCounts(Struct, frozen=True, kw_only=True):
    """Tokens of one call in the one normal form.

    Input, cache read, cache write and output do not overlap. `cache_write_1h` are those of the
    cache writes that are kept for an hour; `reasoning` are those of the output that were thought.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.output


NO_TOKENS = TokenCounts()


class UsageEntry(Struct, frozen=True, kw_only=True):
    """One call. The same `id` again is the same call, which is charged once.

    `units` None means the tokens of a `model`, or 1 call of anything else. `api_url` is the address
    of a server that is not the provider's own, whose prices nobody but an administrator knows. A
    caller that knows what it paid says so in `cost_usd`, or in `credits` of the provider's own
    currency.
    """

    id: UUID
    organization_id: UUID
    user_id: UUID
    provider: str
    endpoint: str
    status: Literal["success", "error"]
    created_at: datetime
    method: str = "POST"
    model: str = ""
    units: int | None = None
    duration_ms: int = 0
    ttft_ms: int | None = None
    error: str = ""
    tokens: TokenCounts = NO_TOKENS
    usage_source: Literal["provider", "estimated"] = "provider"
    api_url: str = ""
    cost_usd: Decimal | None = None
    credits: int = 0
    credits_saved: int = 0
    is_paid_in_credits: bool = False
    conversation_id: UUID | None = None
    generation_id: UUID | None = None
    step: int = 0
    request_id: str = ""
