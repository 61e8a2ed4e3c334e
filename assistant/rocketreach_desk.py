"""RocketReach's tools for one answer, with the limit, the store and the ledger of this application.

Everything here that waits does so in a thread.
"""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings

from analytics.entries import UsageEntry
from analytics.recording import record_usage
from assistant.contacts import Contact
from assistant.tools.base import Tool
from assistant.tools.desk import Call
from assistant.tools.rocketreach import tools_for
from assistant.tools.rocketreach_api import RocketReach
from chatcore import clock, limits
from chatcore.db import in_thread
from chatcore.ids import new_id

PROVIDER = "rocketreach"

# One for each key and address, as they keep connections and know which lookups are running.
_rocketreach: dict[tuple[str, str], RocketReach] = {}


def rocketreach_tools(
    user_id: UUID,
    organization_id: UUID,
    conversation_id: UUID | None,
    generation_id: UUID | None,
    request_id: str,
) -> list[Tool]:
    """The tools for one answer to this person; none where there is no key."""
    if not settings.ROCKETREACH_API_KEY:
        return []
    desk = OrganizationDesk(
        user_id=user_id,
        organization_id=organization_id,
        conversation_id=conversation_id,
        generation_id=generation_id,
        request_id=request_id,
    )
    return tools_for(_of_settings(), desk)


async def close() -> None:
    """Close the connections of this event loop."""
    for each in list(_rocketreach.values()):
        await each.close()


def _of_settings() -> RocketReach:
    place = settings.ROCKETREACH_API_KEY, settings.ROCKETREACH_BASE_URL
    if place not in _rocketreach:
        _rocketreach[place] = RocketReach(api_key=place[0], base_url=place[1])
    return _rocketreach[place]


class OrganizationDesk:
    """The `Desk` of one answer. Its organisation shares the limit and what was looked up."""

    def __init__(
        self,
        *,
        user_id: UUID,
        organization_id: UUID,
        conversation_id: UUID | None = None,
        generation_id: UUID | None = None,
        request_id: str = "",
    ) -> None:
        self._organization_id = organization_id
        self._of_the_answer = partial(
            UsageEntry,
            organization_id=organization_id,
            user_id=user_id,
            conversation_id=conversation_id,
            generation_id=generation_id,
            request_id=request_id,
        )

    @property
    def scope(self) -> str:
        return str(self._organization_id)

    async def take_turn(self) -> int | None:
        usage = await in_thread(limits.rocketreach, self._organization_id)
        return usage.retry_after if usage.exceeded else None

    async def kept(self, key: str) -> dict[str, Any] | None:
        return await in_thread(Contact.kept, self._organization_id, key, clock.now())

    async def keep(self, key: str, terms: tuple[str, ...], answer: dict[str, Any]) -> None:
        await in_thread(Contact.keep, self._organization_id, key, terms, answer, clock.now())

    async def record(self, call: Call) -> None:
        entry = self._of_the_answer(
            id=new_id(),
            provider=PROVIDER,
            endpoint=call.endpoint,
            method=call.method,
            units=call.units,
            status=call.status,
            error=call.code,
            duration_ms=call.duration_ms,
            credits=call.credits,
            credits_saved=call.credits_saved,
            is_paid_in_credits=True,
            created_at=clock.now() - timedelta(milliseconds=call.duration_ms),
        )
        await in_thread(record_usage, entry)
