"""What a tool that is paid for needs of the application: its limit, its store and its ledger."""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

logger = logging.getLogger("chatcore.tools")

Result = TypeVar("Result")


class Call(Struct, frozen=True, kw_only=True):
    """One use of a tool, for the ledger.

    `units` is 1 where RocketReach was asked for something, 0 where it was given without. `credits`
    are those spent: 1 for a person who was found, and 1 too where `code` ends in "_unknown". Then
    the lookup was sent and its end was never read, so that it may have been charged.
    """

    endpoint: Literal["person_search", "person_lookup"]
    method: Literal["GET", "POST"]
    status: Literal["success", "error"]
    code: str = ""
    units: int = 1
    duration_ms: int = 0
    credits: int = 0
    credits_saved: int = 0


class Desk(Protocol):
    """What the tools need of the application. Each desk belongs to one answer of one person."""

    @property
    def scope(self) -> str:
        """Whose lookups these are: what is kept for one scope is not there for another."""

    async def take_turn(self) -> int | None:
        """Count a request. The seconds to wait if there have been too many; else None."""

    async def kept(self, key: str) -> dict[str, Any] | None:
        """The answer that was kept under this key, None if there is none that may be used."""

    async def keep(self, key: str, terms: tuple[str, ...], answer: dict[str, Any]) -> None:
        """Keep the answer. `terms` are what its person can be found by, to be deleted."""

    async def record(self, call: Call) -> None: ...


async def quietly(work: Awaitable[Result], what: str) -> Result | None:
    """What `work` gives; None if it fails, which the log tells and nobody else."""
    try:
        return await work
    except Exception as error:
        logger.warning("An answer of a paid service %s: %s", what, type(error).__name__)
        return None


# The event loop itself holds tasks only weakly.
_ending: set[asyncio.Task[None]] = set()


async def to_its_end(work: Coroutine[Any, Any, None], what: str) -> None:
    """Done even if whoever waits for it is cancelled meanwhile."""
    task = asyncio.create_task(quietly(work, what))
    _ending.add(task)
    task.add_done_callback(_ending.discard)
    await asyncio.shield(task)
