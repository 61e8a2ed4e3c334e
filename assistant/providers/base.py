"""What every provider adapter takes and gives."""

from collections.abc import AsyncGenerator
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from assistant.events import (
    Event,
    ReasoningDelta,
    ReasoningSignature,
    RedactedReasoning,
    TextDelta,
    ToolCall,
    ToolResult,
)


class PromptMessage(Struct, frozen=True):
    role: Literal["user", "assistant"]
    text: str


# What the model itself wrote, as it goes back to it.
Said = TextDelta | ReasoningDelta | ReasoningSignature | RedactedReasoning | ToolCall


class ToolRound(Struct, frozen=True):
    """The model asked for tools: all that it wrote, in order, and what came of each call."""

    said: tuple[Said, ...]
    results: tuple[ToolResult, ...]

    @property
    def text(self) -> str:
        return "".join(each.text for each in self.said if isinstance(each, TextDelta))

    @property
    def calls(self) -> list[ToolCall]:
        return [each for each in self.said if isinstance(each, ToolCall)]

    @property
    def characters(self) -> int:
        return (
            len(self.text)
            + sum(len(call.name) + len(call.arguments) for call in self.calls)
            + sum(len(result.content) for result in self.results)
        )


class ToolSpec(Struct, frozen=True):
    """A tool as a model is told of it. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Prompt(Struct, frozen=True):
    """One call to a model: its name as the provider knows it, and the messages in order.

    With `may_call` False the tools are named, as earlier messages speak of them, and none may be
    asked for. `most_tokens` bounds what is written; None leaves that to the model.
    """

    model: str
    messages: tuple[PromptMessage | ToolRound, ...]
    tools: tuple[ToolSpec, ...] = ()
    may_call: bool = True
    most_tokens: int | None = None

    def without_tools(self) -> "Prompt":
        """For a model that is offered none: of earlier rounds it reads what was said in them."""
        messages: list[PromptMessage | ToolRound] = []
        said = ""
        for each in self.messages:
            if isinstance(each, ToolRound):
                said += each.text
                continue
            if each.role == "assistant":
                messages.append(PromptMessage("assistant", said + each.text))
            else:
                messages += [PromptMessage("assistant", said)] if said.strip() else []
                messages.append(each)
            said = ""
        return Prompt(self.model, tuple(messages))

    @property
    def characters(self) -> int:
        """For an estimate of its tokens."""
        written = sum(
            len(each.text) if isinstance(each, PromptMessage) else each.characters
            for each in self.messages
        )
        return written + (len(msgspec.json.encode(self.tools)) if self.tools else 0)


class Provider(Protocol):
    """An adapter translates and nothing else.

    `answer` yields events that end with `Finished`, or raises a `ProviderError`. Closing the
    generator, or cancelling the task that reads it, closes the connection upstream at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str:
        """Who answers, for people: "OpenAI", or the host of a compatible server."""

    def answer(self, prompt: Prompt) -> AsyncGenerator[Event, None]: ...

    def load(self) -> None:
        """Import what the first answer needs. Takes about a second; safe in a thread."""

    async def close(self) -> None:
        """Close the connections that are kept for the next answer."""
