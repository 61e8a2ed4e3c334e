"""What happens while an answer is made, as frozen values. Storage and sockets are elsewhere.

An answer is any number of deltas, tool calls and usage reports, and then exactly one of `Finished`
and `Failed`.
"""

from typing import Literal

from msgspec import Struct


class TextDelta(Struct, frozen=True, tag="text"):
    """The next piece of the answer."""

    text: str


class ReasoningDelta(Struct, frozen=True, tag="reasoning"):
    """The next piece of what the model thinks before and between its answer."""

    text: str


class ToolCall(Struct, frozen=True, tag="tool_call"):
    """The model asks for a tool. `arguments` is JSON text as the model wrote it, unchecked."""

    id: str
    name: str
    arguments: str


class Usage(Struct, frozen=True, tag="usage"):
    """Tokens of one provider call so far; a later report replaces an earlier one.

    The classes input, cache read, cache write and output do not overlap; `reasoning_tokens` are
    contained in `output_tokens`.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.output_tokens
        )


LARGEST_COUNT = 2**31 - 1


def tokens(count: object) -> int:
    """A provider's count as a whole number that both stores can hold; 0 for what is none.

    Some compatible servers write null, 5.0 or -1. An answer does not fail over its bill.
    """
    if isinstance(count, bool) or not isinstance(count, int | float) or not count > 0:
        return 0
    return int(min(count, LARGEST_COUNT))


class Finished(Struct, frozen=True, tag="finished"):
    """The provider ended the answer: by itself, at the length limit, or to wait for its tools."""

    reason: Literal["stop", "length", "tool_calls"]


class Failed(Struct, frozen=True, tag="failed"):
    """The answer ended early. `message` is for the person who asked; `retry_after` in seconds."""

    code: str
    message: str
    retryable: bool
    retry_after: float | None = None


Event = TextDelta | ReasoningDelta | ToolCall | Usage | Finished | Failed
