"""Two tools: search for people at RocketReach, and look up how to reach one of them.

A search is free. A lookup costs a credit, so it is sent once: what is kept of an earlier one is
given instead, two of the same at one moment are one, and whatever becomes of it is recorded.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any, ClassVar, Literal

from msgspec import Struct

from assistant.providers.errors import in_words
from assistant.tools.base import Tool, ToolFault
from assistant.tools.desk import Call, Desk, quietly, to_its_end
from assistant.tools.rocketreach_api import (
    Answer,
    Method,
    NoAnswer,
    Refused,
    RocketReach,
    RocketReachFault,
    TooSoon,
    unreadable,
)
from assistant.tools.rocketreach_people import (
    Lookup,
    LookupArguments,
    SearchArguments,
    contact,
    lookup_of,
    person_id,
    profile,
    search_body,
    terms_of,
)

logger = logging.getLogger("chatcore.tools")

# A 429 that says to wait for longer is told instead of waited for, as is a third one.
LONGEST_WAIT_SECONDS = 5.0
MOST_WAITS = 2
MOST_RESULTS = 25


class Patience(Struct, frozen=True, kw_only=True):
    """In seconds. `search` and `lookup` are for all that a tool does, waiting included, and end
    before the tool's own timeout does. The pauses between two polls grow by half each."""

    search: float = 25.0
    lookup: float = 50.0
    first_pause: float = 1.0
    longest_pause: float = 5.0

    def pauses(self) -> Iterator[float]:
        pause = self.first_pause
        while True:
            yield pause
            pause = min(pause * 1.5, self.longest_pause)


def tools_for(rocketreach: RocketReach, desk: Desk, patience: Patience | None = None) -> list[Tool]:
    """Both tools, for one answer."""
    patience = patience or Patience()
    return [
        PersonSearch(rocketreach, desk, patience),
        PersonLookup(rocketreach, desk, patience),
    ]


class _Course:
    """What the ledger is told of a call if it ended now. It begins as one that was cancelled."""

    def __init__(self) -> None:
        self.code = "cancelled"
        self.credits = 0
        self.units = 1

    def may_cost(self, credits: int) -> None:
        self.code = "cancelled_unknown" if credits else "cancelled"
        self.credits = credits

    def ended(self, code: str = "", *, credits: int = 0) -> None:
        self.code = code
        self.credits = credits


class _RocketReachTool:
    endpoint: ClassVar[Literal["person_search", "person_lookup"]]
    method: ClassVar[Method]

    def __init__(self, rocketreach: RocketReach, desk: Desk, patience: Patience) -> None:
        self._rocketreach = rocketreach
        self._desk = desk
        self._patience = patience

    async def _take_turn(self) -> None:
        seconds = await self._desk.take_turn()
        if seconds is not None:
            raise ToolFault(
                "This organisation has reached its limit of requests to RocketReach."
                f" The next one is possible in {in_words(seconds)}."
            )

    @asynccontextmanager
    async def _recorded(self) -> AsyncGenerator[_Course, None]:
        """Whatever ends the block, a cancellation included, is recorded as its course says."""
        course, began = _Course(), monotonic()
        try:
            yield course
        except RocketReachFault as fault:
            course.ended(fault.code, credits=course.credits if fault.may_be_charged else 0)
            raise
        except Exception:
            course.code = "failed_unknown" if course.credits else "failed"
            raise
        finally:
            await self._record(course, round((monotonic() - began) * 1000))

    async def _record(self, course: _Course, duration_ms: int = 0, *, saved: int = 0) -> None:
        call = Call(
            endpoint=self.endpoint,
            method=self.method,
            status="error" if course.code else "success",
            code=course.code,
            units=course.units,
            duration_ms=duration_ms,
            credits=course.credits,
            credits_saved=saved,
        )
        await to_its_end(self._desk.record(call), "could not be recorded")


class PersonSearch(_RocketReachTool):
    name: ClassVar[str] = "rocketreach_person_search"
    description: ClassVar[str] = (
        "Search RocketReach for people by name, job title, employer, location, skills or keyword."
        " Free of charge. Gives the id, name, title, employer, location and LinkedIn profile of"
        " each, without ways to reach them: for these, look one up by the id with"
        " rocketreach_person_lookup."
    )
    arguments: ClassVar[type[Struct]] = SearchArguments
    timeout: ClassVar[float] = 30.0
    endpoint = "person_search"
    method = "POST"

    async def asks(self, _arguments: SearchArguments) -> str | None:
        """None: a search costs no credits."""
        return None

    async def run(self, arguments: SearchArguments) -> dict[str, Any]:
        """{"people": [...], "total": 214, "next_start": 11}; the last two if there is more."""
        body = search_body(arguments)
        await self._take_turn()
        until = monotonic() + self._patience.search
        async with self._recorded() as course:
            answer = await _patiently(partial(self._send, body, until), until)
            found = _page(answer)
            course.ended()
        return found

    async def _send(self, body: dict[str, Any], until: float) -> Answer:
        within = until - monotonic()
        return await self._rocketreach.ask("POST", "/person/search", within=within, json=body)


class PersonLookup(_RocketReachTool):
    name: ClassVar[str] = "rocketreach_person_lookup"
    description: ClassVar[str] = (
        "Look up the e-mail addresses and telephone numbers of one person at RocketReach. Costs"
        " one credit if the person is found. Name the person by the id of a search result, by a"
        " LinkedIn profile, by an e-mail address, or by name together with current employer."
    )
    arguments: ClassVar[type[Struct]] = LookupArguments
    timeout: ClassVar[float] = 60.0
    endpoint = "person_lookup"
    method = "GET"

    def __init__(self, rocketreach: RocketReach, desk: Desk, patience: Patience) -> None:
        super().__init__(rocketreach, desk, patience)
        # What `asks` found to be free has to stay so until `run`: nobody was asked.
        self._free: dict[str, dict[str, Any] | int] = {}

    async def asks(self, arguments: LookupArguments) -> str | None:
        """None too for arguments that `run` will not take: nothing is spent on them."""
        try:
            lookup = lookup_of(arguments)
        except ToolFault:
            return None
        free = await self._without_charge(lookup)
        if free is not None:
            self._free[lookup.key] = free
            return None
        return f"Look up how to reach {lookup.words} at RocketReach? This costs one credit."

    async def run(self, arguments: LookupArguments) -> dict[str, Any]:
        """{"found": true, "person": {...}}, {"found": false}, or that it is not finished yet."""
        lookup = lookup_of(arguments)
        until = monotonic() + self._patience.lookup
        # The other half of the time is for a lookup of one's own, should the first one fail.
        waiting = self._patience.lookup / 2
        try:
            async with self._rocketreach.lookups.alone(self._place(lookup), waiting):
                return await self._answer(lookup, until)
        except NoAnswer as fault:
            raise ToolFault(f"{fault} Whether it was charged is not known.") from fault

    def _place(self, lookup: Lookup) -> tuple[str, str]:
        return self._desk.scope, lookup.key

    async def _without_charge(self, lookup: Lookup) -> dict[str, Any] | int | None:
        """The answer that is kept, or the id of an unfinished lookup that has been paid."""
        if (free := self._free.get(lookup.key)) is not None:
            return free
        answer = await quietly(self._desk.kept(lookup.key), "could not be read from the store")
        if answer is not None:
            return answer
        return self._rocketreach.lookups.unfinished.get(self._place(lookup))

    async def _answer(self, lookup: Lookup, until: float) -> dict[str, Any]:
        free = await self._without_charge(lookup)
        if isinstance(free, dict):
            course = _Course()
            course.ended()
            course.units = 0
            await self._record(course, saved=1)
            return free
        if free is None:
            await self._take_turn()
        async with self._recorded() as course:
            if free is None:
                raw = await self._sent(lookup, course, until)
            else:
                course.units = 0
                raw = await self._polled(free, until)
            return await self._told(lookup, raw, course)

    async def _sent(self, lookup: Lookup, course: _Course, until: float) -> dict[str, Any] | None:
        """What RocketReach has at the end: a profile, {} for nobody, None if it is not finished."""
        answer = await _patiently(partial(self._send, lookup, course, until), until)
        if answer.is_missing:
            return {}
        if not isinstance(answer.value, dict):
            raise unreadable()
        if _is_finished(answer.value):
            return answer.value
        known = person_id(answer.value)
        if known is None:
            raise unreadable()
        self._rocketreach.lookups.is_unfinished(self._place(lookup), known)
        return await self._polled(known, until)

    async def _send(self, lookup: Lookup, course: _Course, until: float) -> Answer:
        course.may_cost(1)
        try:
            return await self._rocketreach.ask(
                "GET", "/person/lookup", within=until - monotonic(), params=lookup.parameters
            )
        except RocketReachFault as fault:
            course.may_cost(int(fault.may_be_charged))
            raise

    async def _polled(self, known: int, until: float) -> dict[str, Any] | None:
        """As `_sent`. To ask for the status is free, so what fails is asked again."""
        for pause in self._patience.pauses():
            if monotonic() + pause >= until:
                return None
            await asyncio.sleep(pause)
            try:
                found = await self._status(known, until)
            except Refused as fault:
                if fault.code != "server":
                    return None
            except TooSoon as fault:
                await asyncio.sleep(max(0.0, min(fault.seconds, until - monotonic())))
            except RocketReachFault as fault:
                logger.warning("RocketReach did not tell how a lookup goes: %s", fault.code)
            else:
                if found is not None:
                    return found
        raise AssertionError("unreachable")

    async def _status(self, known: int, until: float) -> dict[str, Any] | None:
        answer = await self._rocketreach.ask(
            "GET",
            "/person/checkStatus",
            within=until - monotonic(),
            params={"ids": str(known)},
        )
        each = answer.value if isinstance(answer.value, list) else [answer.value]
        found = next((raw for raw in each if person_id(raw) == known), None)
        return found if found is not None and _is_finished(found) else None

    async def _told(
        self, lookup: Lookup, raw: dict[str, Any] | None, course: _Course
    ) -> dict[str, Any]:
        """What the model is told, kept if it is a person."""
        # An unfinished lookup that is gone on with was counted when it was sent.
        price = course.units
        if raw is None:
            course.ended("unfinished_unknown", credits=price)
            return {
                "found": None,
                "status": "not finished yet",
                "note": "RocketReach is still looking. Ask for the same again in a minute.",
            }
        self._rocketreach.lookups.unfinished.pop(self._place(lookup), None)
        if raw.get("status") != "complete":
            course.ended()
            return {"found": False}
        person = contact(raw)
        if not (person.get("id") or person.get("name")):
            raise unreadable()
        course.ended(credits=price)
        answer = {"found": True, "person": person}
        terms = (*lookup.terms, *terms_of(person))
        await to_its_end(self._desk.keep(lookup.key, terms, answer), "could not be kept")
        return answer


def _is_finished(raw: dict[str, Any]) -> bool:
    """The other states, such as waiting, searching and progress, ask for patience."""
    return raw.get("status") in ("complete", "failed")


def _page(answer: Answer) -> dict[str, Any]:
    """The people of a search. RocketReach documents a list, and sends an object around one."""
    if answer.is_missing:
        return {"people": []}
    value = answer.value if isinstance(answer.value, dict) else {"profiles": answer.value}
    profiles = value.get("profiles")
    if not isinstance(profiles, list):
        raise unreadable()
    people = [each for raw in profiles[:MOST_RESULTS] if (each := profile(raw))]
    about = value.get("pagination")
    about = about if isinstance(about, dict) else {}
    numbers = {"total": about.get("total"), "next_start": about.get("next")}
    known = {name: number for name, number in numbers.items() if type(number) is int}
    return {"people": people, **known}


async def _patiently(send: Callable[[], Awaitable[Answer]], until: float) -> Answer:
    """What `send` gives, sent again where RocketReach asked for a short pause first."""
    for _ in range(MOST_WAITS):
        try:
            return await send()
        except TooSoon as fault:
            is_long = fault.seconds > LONGEST_WAIT_SECONDS
            if is_long or monotonic() + fault.seconds >= until:
                raise
            await asyncio.sleep(fault.seconds)
    return await send()
