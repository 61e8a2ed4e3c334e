"""What every provider adapter takes and gives."""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

from msgspec import Struct

from assistant.events import Event


class PromptMessage(Struct, frozen=True):
    role: Literal["user", "assistant"]
    text: str


class Prompt(Struct, frozen=True):
    """One call to a model: its name as the provider knows it, and the messages in order."""

    model: str
    messages: tuple[PromptMessage, ...]


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
