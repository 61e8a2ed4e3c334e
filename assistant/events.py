"""What happens while an answer is made, as frozen values. Storage and sockets are elsewhere.

An answer is one call of a provider or several: the model may ask for tools, and is called again
with their results; a call that failed before anything was shown may be made once more. A call is a
`CallBegan`, any number of deltas, signatures, tool calls and usage reports, and a `CallEnded`; the
last one ends with exactly one of `Finished` and `Failed`.
"""

from typing import Literal

from msgspec import Struct


class TextDelta(Struct, frozen=True, tag="text"):
    """The next piece of the answer."""

    text: str


class ReasoningDelta(Struct, frozen=True, tag="reasoning"):
    """The next piece of what the model thinks before and between its answer."""

    text: str


class ReasoningSignature(Struct, frozen=True, tag="reasoning_signature"):
    """The provider's seal on the reasoning since the last seal. Nobody is shown it.

    In a tool loop the reasoning goes back to the provider as it came, with its signature.
    """

    signature: str


class RedactedReasoning(Struct, frozen=True, tag="redacted_reasoning"):
    """Reasoning that the provider keeps to itself, encrypted. It goes back as it came."""

    data: str


class ToolCall(Struct, frozen=True, tag="tool_call"):
    """The model asks for a tool. `arguments` is JSON text as the model wrote it, unchecked."""

    id: str
    name: str
    arguments: str


class ToolResult(Struct, frozen=True, tag="tool_result"):
    """What came of a tool call. `content` is JSON text; of a failure, a sentence that says why."""

    id: str
    name: str
    content: str
    is_error: bool = False


Decision = Literal["once", "chat", "deny", "timeout"]


class ApprovalAsked(Struct, frozen=True, tag="approval_asked"):
    """The tool call of this id spends something: the person has to allow it first."""

    id: str
    name: str
    question: str


class ApprovalGiven(Struct, frozen=True, tag="approval_given"):
    """What the person said: allowed once, allowed in this chat, denied, or nothing in time."""

    id: str
    decision: Decision


class CallBegan(Struct, frozen=True, tag="call_began"):
    """A provider is called, from 1 on; its prompt has so many characters."""

    step: int
    prompt_characters: int


class CallEnded(Struct, frozen=True, tag="call_ended"):
    """That call is over, and is not the last one. `error` is the code of its failure, or ""."""

    error: str = ""


class Usage(Struct, frozen=True, tag="usage"):
    """Tokens of a call so far; a later report replaces an earlier one.

    An adapter and the engine report on one call. The log of an answer has what all its calls came
    to: a call that failed may have been billed as well.

    The classes input, cache read, cache write and output do not overlap. `reasoning_tokens` are
    contained in `output_tokens`, `cache_write_1h_tokens` (kept for an hour) in
    `cache_write_tokens`.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.output_tokens
        )

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            tokens(self.input_tokens + other.input_tokens),
            tokens(self.cache_read_tokens + other.cache_read_tokens),
            tokens(self.cache_write_tokens + other.cache_write_tokens),
            tokens(self.output_tokens + other.output_tokens),
            tokens(self.reasoning_tokens + other.reasoning_tokens),
            tokens(self.cache_write_1h_tokens + other.cache_write_1h_tokens),
        )


LARGEST_COUNT = 2**31 - 1


def tokens(count: object) -> int:
    """A provider's count as a whole number that both stores can hold; 0 for what is none.

    Some compatible servers write null, 5.0 or -1. An answer does not fail over its bill.
    """
    if isinstance(count, bool) or not isinstance(count, int | float) or not count > 0:
        return 0
    return int(min(count, LARGEST_COUNT))


class Retrying(Struct, frozen=True, tag="retrying"):
    """The provider failed before anything was shown, and is asked again in so many seconds.

    `message` is for the person who asked.
    """

    message: str
    seconds: float


class Finished(Struct, frozen=True, tag="finished"):
    """The provider ended the answer: by itself, at the length limit, or to wait for its tools."""

    reason: Literal["stop", "length", "tool_calls"]


class Failed(Struct, frozen=True, tag="failed"):
    """The answer ended early. `message` is for the person who asked; `retry_after` in seconds."""

    code: str
    message: str
    retryable: bool
    retry_after: float | None = None


Event = (
    TextDelta
    | ReasoningDelta
    | ReasoningSignature
    | RedactedReasoning
    | ToolCall
    | ToolResult
    | ApprovalAsked
    | ApprovalGiven
    | CallBegan
    | CallEnded
    | Usage
    | Retrying
    | Finished
    | Failed
)
