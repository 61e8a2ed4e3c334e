"""A loopback server that answers as RocketReach documents it, and misbehaves on demand.

What it answers is a `Reply`: queued with `rocketreach.reply_with(...)`, one for each request, or
`rocketreach.default` when the queue is empty.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.loopback import LoopbackServer

JANE: dict[str, Any] = {
    "id": 42,
    "status": "complete",
    "name": "Jane Doe",
    "profile_pic": "https://pictures.example/42.png",
    "linkedin_url": "https://www.linkedin.com/in/jane-doe",
    "location": "Berlin, Germany",
    "current_title": "Head of Sales",
    "current_employer": "Acme",
    "job_history": [{"company_name": "Globex", "title": "Clerk"}],
    "birth_year": 1980,
    "emails": [
        {
            "email": "jane@acme.example",
            "type": "professional",
            "grade": "A",
            "smtp_valid": "valid",
            "last_validation_check": "2026-01-01T12:00:00Z",
        },
        {"email": "jane.doe@mail.example", "type": "personal", "grade": "B", "smtp_valid": None},
    ],
    "phones": [{"number": "+49 30 1234567", "type": "work", "premium": True}],
}

# What a search says of a person: e-mails only as a teaser.
JANE_FOUND: dict[str, Any] = {
    **{name: JANE[name] for name in ("id", "name", "linkedin_url", "location")},
    **{name: JANE[name] for name in ("current_title", "current_employer", "profile_pic")},
    "status": "not queued",
    "teaser": {"emails": ["acme.example"]},
}


@dataclass(frozen=True)
class Reply:
    """What one request gets. `delay` is in seconds, before anything is sent."""

    status: int = 200
    body: Any = None  # JSON, or bytes as they are
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False  # drop the connection in place of an answer


@dataclass(frozen=True)
class Request:
    """What the server was sent."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: Any


def found(*people: dict[str, Any], total: int | None = None, start: int = 1) -> Reply:
    """A search that succeeds, with status 201."""
    about = {"start": start, "next": start + len(people), "total": total or len(people)}
    return Reply(201, {"profiles": list(people), "pagination": about})


def complete(**fields: Any) -> Reply:
    return Reply(body={**JANE, **fields})


def unfinished(status: str = "searching") -> Reply:
    """A lookup that goes on; no e-mails yet."""
    return Reply(body={"id": 42, "status": status, "name": "Jane Doe", "emails": None})


def checked(profile: dict[str, Any]) -> Reply:
    """An answer of checkStatus, which is a list."""
    return Reply(body=[profile])


def refused(status: int, message: str = "No.", **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"status": status, "message": message}, names)


class FakeRocketReach(LoopbackServer):
    """Runs in a thread of its own until `stop()`."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.default = complete()
        self._queue: deque[Reply] = deque()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v2"

    @property
    def paths(self) -> list[str]:
        """Which calls came, in order, without what is common to all: "/person/lookup"."""
        return [request.path.removeprefix("/api/v2") for request in self.requests]

    def reply_with(self, *replies: Reply) -> None:
        self._queue.extend(replies)

    def forget(self) -> None:
        """As if just started."""
        self.requests.clear()
        self._queue.clear()

    def start(self) -> "FakeRocketReach":
        self._serve()
        return self

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_route("*", "/{path:.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        reply = self._queue.popleft() if self._queue else self.default
        self.requests.append(
            Request(
                request.method,
                request.path,
                dict(request.headers),
                dict(request.query),
                json.loads(content) if content else None,
            )
        )
        await asyncio.sleep(reply.delay)
        if reply.cut and request.transport is not None:
            request.transport.abort()
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        return web.Response(
            status=reply.status,
            headers={"Content-Type": "application/json", **reply.headers},
            body=body,
        )
