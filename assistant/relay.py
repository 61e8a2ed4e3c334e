"""What the processes of one installation tell each other through Redis.

A stream for each running answer carries its events, in batches, so that any process can follow it
from any position, and so that what a killed process wrote can be found. News (an answer begins,
somebody asks to stop one) goes by publish and subscribe. All of it is help and none of it truth: an
answer is in its process's memory and in the store, and while Redis is away neither misses anything.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from assistant.answer_log import AnswerLog
from assistant.events import Event
from chatcore.cache import ANSWER_SECONDS, CONNECT_SECONDS, breaker_of

logger = logging.getLogger("chatcore.relay")

NEWS_CHANNEL = "chatcore:news"
# Of `Published.published`: nothing of the answer is in Redis.
NO_STREAM = -1
ENDED_STREAM_SECONDS = 60
READ_BLOCK_MS = 200
# An XREAD waits for READ_BLOCK_MS by itself.
READ_SECONDS = 2.0
# A connection that says nothing is asked so often whether it is alive.
PING_SECONDS = 10.0
RECONNECT_SECONDS = 1.0
# The events of an answer that is sent anew go in pieces of so many.
EVENTS_AT_ONCE = 2_000

_encode = msgspec.msgpack.Encoder().encode
_events = msgspec.msgpack.Decoder(list[Event]).decode
_ending = msgspec.msgpack.Decoder(tuple[str, dict[str, Any] | None]).decode


class Published(Protocol):
    """An answer of this process, and how much of it stands in its stream."""

    id: UUID
    events: list[Event]
    published: int


class Relay:
    """The connections of one event loop. `hear` is called with each piece of news."""

    def __init__(
        self, url: str, me: str, hear: Callable[[dict[str, Any]], None], *, lifetime: int
    ) -> None:
        """`me` is this process by name; `lifetime` in seconds is longer than any answer takes."""
        self._me, self._hear, self._lifetime = me, hear, lifetime
        self._breaker = breaker_of(url)
        self._redis = _connect(url, ANSWER_SECONDS)
        self._reader = _connect(url, READ_SECONDS)
        self._publishing = asyncio.Lock()
        self._followed: dict[UUID, _Followed] = {}
        self._reading: asyncio.Task[None] | None = None
        self.is_listening = False
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        for task in (self._listening, self._reading):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        for connection in (self._redis, self._reader):
            with suppress(RedisError, OSError):
                await connection.aclose()

    # --- Of our own answers ---------------------------------------------------------------------
    async def publish(self, answers: Iterable[Published]) -> None:
        """Write what is not in their streams yet, in one round trip. Never raises."""
        # Looked at first: the breaker lets one caller try Redis, and who has nothing to say would
        # take that turn from whoever has.
        behind = [each for each in answers if each.published != len(each.events)]
        if not behind or self._breaker.is_open():
            return
        # One at a time: what is written twice does no harm, what is written out of order would.
        async with self._publishing, self._asking():
            pipeline = self._redis.pipeline(transaction=False)
            written = [entry for each in behind for entry in _write(pipeline, each, self._lifetime)]
            for entry, reply in zip(written, await pipeline.execute(), strict=True):
                if entry is not None:
                    answer, end = entry
                    # No reply: the stream is gone, as Redis was restarted. The next time all of it.
                    answer.published = end if reply is not None else NO_STREAM

    async def publish_end(self, key: UUID, status: str, error: dict[str, Any] | None) -> None:
        """Tell those who follow the stream that no more will come."""
        if self._breaker.is_open():
            return
        async with self._publishing, self._asking():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.xadd(_name(key), {"end": _encode((status, error))}, nomkstream=True)
            pipeline.expire(_name(key), ENDED_STREAM_SECONDS)
            await pipeline.execute()

    async def tell(self, news: dict[str, Any]) -> None:
        """To all other processes."""
        if self._breaker.is_open():
            return
        async with self._asking():
            await self._redis.publish(NEWS_CHANNEL, msgspec.json.encode({"from": self._me, **news}))

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed(error)
        else:
            self._breaker.answered()

    # --- Of the answers of other processes ------------------------------------------------------
    async def follow(self, key: UUID) -> AnswerLog | None:
        """The log of another process's answer, which grows from now on; None if there is no stream.

        It is let go when nobody follows it any more.
        """
        if (followed := self._followed.get(key)) is None:
            followed = _Followed(key)
            if not await self._catch_up(followed):
                return None
            # Another socket may have asked for the same one meanwhile.
            followed = self._followed.setdefault(key, followed)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return followed.log

    async def replay(self, key: UUID) -> AnswerLog | None:
        """All that the stream of an answer holds, or None."""
        followed = _Followed(key)
        return followed.log if await self._catch_up(followed) else None

    async def _catch_up(self, followed: "_Followed") -> bool:
        """Read the stream from its beginning. Whether there is one, without a gap."""
        if self._breaker.is_open():
            return False
        entries: Any = []
        async with self._asking():
            entries = await self._reader.xrange(_name(followed.log.id))
        return bool(entries) and followed.take(entries)

    async def _read(self) -> None:
        while self._followed:
            names: Any = {_name(key): each.last for key, each in self._followed.items()}
            try:
                found: Any = await self._reader.xread(names, block=READ_BLOCK_MS)
            except (RedisError, OSError, TimeoutError) as error:
                self._breaker.failed(error)
                self._let_all_go()
                return
            self._breaker.answered()
            for name, entries in found or ():
                await self._take(UUID(name.decode().rpartition(":")[2]), entries)
            self._let_go_of_the_unread()

    async def _take(self, key: UUID, entries: Any) -> None:
        followed = self._followed.get(key)
        if followed is None or followed.take(entries):
            return
        # Some entries are missing, or they begin anew: what is there from its beginning?
        if not await self._catch_up(followed):
            del self._followed[key]
            followed.log.cut_off()

    def _let_go_of_the_unread(self) -> None:
        for key, followed in tuple(self._followed.items()):
            # Whoever has just asked for it begins to follow within the time of one look.
            followed.idle_looks = 0 if followed.log.is_followed else followed.idle_looks + 1
            if followed.idle_looks > 1 or not followed.log.is_running:
                del self._followed[key]
                # It grows no more: who was slow to begin asks again.
                followed.log.cut_off()

    def _let_all_go(self) -> None:
        for followed in self._followed.values():
            followed.log.cut_off()
        self._followed.clear()

    def quiet(self) -> list[AnswerLog]:
        """Those that are followed here and run as far as is known."""
        return [each.log for each in self._followed.values() if each.log.is_running]

    # --- News -----------------------------------------------------------------------------------
    async def _listen(self) -> None:
        while True:
            if not self._breaker.is_open():
                try:
                    async with self._redis.pubsub() as news:
                        await self._hear_all(news)
                except (RedisError, OSError, TimeoutError) as error:
                    self._breaker.failed(error)
                finally:
                    self.is_listening = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _hear_all(self, news: Any) -> None:
        """Raises a RedisError or TimeoutError when there is nobody any more."""
        await news.subscribe(NEWS_CHANNEL)
        is_asked = False
        while True:
            message = await news.get_message(ignore_subscribe_messages=False, timeout=PING_SECONDS)
            if message is None and is_asked:
                raise TimeoutError
            is_asked = message is None
            if message is None:
                await news.ping()
            elif message["type"] == "message":
                self._heard(message["data"])
            else:
                self.is_listening = True
                self._breaker.answered()

    def _heard(self, data: bytes) -> None:
        try:
            news = msgspec.json.decode(data)
            if news["from"] != self._me:
                self._hear(news)
        except Exception:
            # Of another version of this program, perhaps; the next one will be read.
            logger.exception("News could not be read")


class _Followed:
    """The log of another process's answer, and the last entry that was read of its stream."""

    def __init__(self, key: UUID) -> None:
        self.log = AnswerLog(key)
        self.last = "0-0"
        self.idle_looks = 0

    def take(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> bool:
        """Whether these entries follow on what is known. Those that are known are passed over."""
        for number, fields in entries:
            self.last = number.decode()
            if b"end" in fields:
                status, error = _ending(fields[b"end"])
                self.log.end(status, error)
                continue
            begins, known = int(fields[b"after"]), self.log.seq
            if begins > known:
                return False
            if new := _events(fields[b"events"])[known - begins :]:
                self.log.add(new)
        return True


def _connect(url: str, seconds: float) -> Redis:
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=seconds,
        # The breaker decides when to try again.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def _name(key: UUID) -> str:
    return f"chatcore:answer:{key}"


def _write(
    pipeline: Any, answer: Published, lifetime: int
) -> Iterator[tuple[Published, int] | None]:
    """Add entries for what is new; for each command the position behind it, None if it has none.

    The first entry makes the stream, even if nothing has happened yet: whoever is told of the
    answer looks for it at once.
    """
    name, begins = _name(answer.id), max(answer.published, 0)
    is_first = answer.published == NO_STREAM
    while is_first or begins < len(answer.events):
        batch = answer.events[begins : begins + EVENTS_AT_ONCE]
        entry: Any = {"after": begins, "events": _encode(batch)}
        begins += len(batch)
        pipeline.xadd(name, entry, nomkstream=not is_first)
        yield answer, begins
        if is_first:
            pipeline.expire(name, lifetime)
            yield None
        is_first = False
