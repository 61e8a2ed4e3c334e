"""RocketReach over HTTP: one request at a time, each sent once, and what its failures mean.

RocketReachFault            a ToolFault with the code that the ledger gets
├── NotSent                 no connection; nothing can have been charged
├── NoAnswer                sent, and nothing whole came back; it may have been charged
├── TooSoon                 429; after `seconds` the same may be sent again
└── Refused                 another status than success, of which nothing is charged
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from weakref import WeakKeyDictionary, WeakValueDictionary

import msgspec
from msgspec import Struct

from assistant.providers.errors import in_words, retry_after_seconds
from assistant.providers.wire import ClientPerLoop
from assistant.tools.base import ToolFault

logger = logging.getLogger("chatcore.tools")

BASE_URL = "https://api.rocketreach.co/api/v2"
CONNECT_SECONDS = 5.0
# From the first byte sent to the last one read.
REQUEST_SECONDS = 20.0
# A profile with all its jobs has some 50 kB.
MAX_BODY_BYTES = 2_000_000
# RocketReach takes 10 requests a second of one key.
MOST_CONNECTIONS = 5
# Lookups of which the id is remembered until they are finished.
MOST_UNFINISHED = 1000

# What stands in front of RocketReach speaks: it had passed the request on, or may have.
_GATEWAY = frozenset({502, 504, *range(520, 528)})

Method = Literal["GET", "POST"]


class RocketReachFault(ToolFault):
    code = "failed"
    may_be_charged = False


class NotSent(RocketReachFault):
    code = "network"

    def __init__(self) -> None:
        super().__init__("RocketReach could not be reached. Nothing was sent. Try again later.")


class NoAnswer(RocketReachFault):
    """`code` is "timeout", "network", "gateway" or "unreadable", with "_unknown" behind it."""

    may_be_charged = True

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = f"{code}_unknown"


class TooSoon(RocketReachFault):
    code = "rate_limited"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"RocketReach takes no more requests for {in_words(seconds)}.")
        self.seconds = seconds


class Refused(RocketReachFault):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Answer(Struct, frozen=True):
    """The JSON value of a success, or `is_missing`: there is no such person."""

    value: Any = None
    is_missing: bool = False


class Lookups:
    """The lookups of this process, each known by a scope and a key of its own.

    `unfinished` has the RocketReach id of each that was charged, or will be, and is not finished.
    """

    def __init__(self) -> None:
        self.unfinished: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._locks: WeakKeyDictionary[
            asyncio.AbstractEventLoop, WeakValueDictionary[tuple[str, str], asyncio.Lock]
        ] = WeakKeyDictionary()

    def is_unfinished(self, place: tuple[str, str], person_id: int) -> None:
        self.unfinished[place] = person_id
        if len(self.unfinished) > MOST_UNFINISHED:
            self.unfinished.popitem(last=False)

    @asynccontextmanager
    async def alone(self, place: tuple[str, str], within: float) -> AsyncGenerator[None, None]:
        """Whoever wants the same at the same moment waits. Raises ToolFault after `within` s."""
        locks = self._locks.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
        # Held here, it lives for as long as somebody has it or waits for it.
        lock = locks.setdefault(place, asyncio.Lock())
        try:
            async with asyncio.timeout(within):
                await lock.acquire()
        except TimeoutError:
            raise ToolFault("This person is being looked up already. Try again later.") from None
        try:
            yield
        finally:
            lock.release()


class RocketReach:
    """One for each key: it keeps connections."""

    def __init__(self, *, api_key: str, base_url: str = "", timeout: float = REQUEST_SECONDS):
        """An empty `base_url` means RocketReach's own. `timeout` is in seconds, for a request."""
        self._api_key = api_key
        self._base_url = (base_url or BASE_URL).rstrip("/")
        self._timeout = timeout
        self._clients = ClientPerLoop(self._connections)
        self.lookups = Lookups()

    def _connections(self) -> "_Connections":
        return _Connections(self._api_key, self._timeout)

    async def close(self) -> None:
        """Close the connections of this loop."""
        await self._clients.close()

    async def ask(self, method: Method, path: str, *, within: float, **options: Any) -> Answer:
        """One request, sent once, that has `within` seconds. Raises RocketReachFault.

        `options` are httpx2's, such as `params` and `json`.
        """
        connections = await self._clients.get()
        seconds = max(0.1, min(within, self._timeout))
        url = f"{self._base_url}{path}"
        try:
            async with asyncio.timeout(seconds):
                status, headers, body = await connections.fetch(method, url, options)
        except TimeoutError as error:
            raise NoAnswer("timeout", "RocketReach did not answer in time.") from error
        return _read(status, headers, body)


class _Connections:
    def __init__(self, api_key: str, timeout: float) -> None:
        import httpx2

        self._errors = httpx2
        self._http = httpx2.AsyncClient(
            headers={
                "Api-Key": api_key,
                "Accept": "application/json",
                # A small body that is compressed could be one of gigabytes.
                "Accept-Encoding": "identity",
            },
            timeout=httpx2.Timeout(timeout, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=MOST_CONNECTIONS),
            # The key would go wherever a redirect points.
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def fetch(self, method: str, url: str, options: dict[str, Any]) -> tuple[int, Any, bytes]:
        """Status, headers and body. Raises NotSent or NoAnswer."""
        httpx2 = self._errors
        try:
            async with self._http.stream(method, url, **options) as response:
                body = await _bounded(response)
        except (
            *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout),
            *(httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.InvalidURL),
        ) as error:
            raise NotSent from error
        except httpx2.TimeoutException as error:
            raise NoAnswer("timeout", "RocketReach did not answer in time.") from error
        except (httpx2.TransportError, httpx2.StreamError, OSError) as error:
            raise NoAnswer("network", "The connection to RocketReach broke.") from error
        return response.status_code, response.headers, body


async def _bounded(response: Any) -> bytes:
    """The body. Raises NoAnswer if it is too long; that of a refusal is cut instead."""
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            if response.status_code >= 300:
                break
            raise unreadable()
    return bytes(body)


def unreadable() -> NoAnswer:
    return NoAnswer("unreadable", "RocketReach's answer could not be read.")


def _read(status: int, headers: Any, body: bytes) -> Answer:
    if status in (200, 201):
        try:
            return Answer(msgspec.json.decode(body))
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise unreadable() from error
    # Never the body: it may quote the key, and whom was asked for.
    logger.warning("RocketReach answered %d", status)
    if status == 404 and not body.lstrip().startswith(b"<"):
        return Answer(is_missing=True)
    if status == 429:
        wait = retry_after_seconds(headers, datetime.now(UTC))
        raise TooSoon(1.0 if wait is None else wait)
    if status in _GATEWAY:
        raise NoAnswer("gateway", "RocketReach did not answer whoever stands in front of it.")
    raise _refusal(status, body)


def _refusal(status: int, body: bytes) -> Refused:
    if status == 402 or (status == 403 and b"credit" in body[:10_000].lower()):
        return Refused(
            "no_credits",
            "RocketReach says that no credits are left. An administrator has to buy some.",
        )
    if status in (401, 403):
        return Refused(
            "access",
            "RocketReach did not accept the key, or it does not cover this. An administrator has"
            " to check ROCKETREACH_API_KEY.",
        )
    if 300 <= status < 400 or status == 404:
        return Refused(
            "wrong_address",
            "This is not where RocketReach answers. An administrator has to check"
            " ROCKETREACH_BASE_URL.",
        )
    if status >= 500:
        return Refused("server", "RocketReach has a fault of its own. Try again later.")
    return Refused("not_accepted", f"RocketReach did not accept what was asked (status {status}).")
