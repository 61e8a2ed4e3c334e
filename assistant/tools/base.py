"""What every tool takes and gives."""

from typing import Any, ClassVar, Protocol

from msgspec import Struct


class ToolFault(Exception):
    """The tool could not do what it was asked. The text is told to the model and to the person."""


class Tool(Protocol):
    """One thing that a model can ask for.

    `arguments` is the type of what the model has to write: its JSON schema is shown to the model,
    and what the model wrote is checked by it before anything else happens: `asks` and `run` get a
    value of that type. `timeout` is in seconds, for `run` alone.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    arguments: ClassVar[type[Struct]]
    timeout: ClassVar[float]

    async def asks(self, arguments: Any) -> str | None:
        """The question to the person who has to allow it first; None if nothing is spent."""

    async def run(self, arguments: Any) -> Any:
        """What the model is told, as a value that JSON knows. Raises ToolFault."""
