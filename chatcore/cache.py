"""The cache on Redis, with a breaker: Redis may go away at any time, a request may not notice.

A first failure opens the breaker for BREAK_SECONDS. While it is open every call goes to a
cache in this process, so nothing waits for Redis. One warning is logged when Redis goes, one when
it is back.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from django_redis.serializers.base import BaseSerializer
from redis.exceptions import RedisError

from chatcore.breaker import Breaker

logger = logging.getLogger("chatcore.cache")

BREAK_SECONDS = 10.0
# A hung server costs one call this long, then nothing for BREAK_SECONDS.
CONNECT_SECONDS = 0.2
ANSWER_SECONDS = 0.3

CLIENT_OPTIONS = {
    "SOCKET_CONNECT_TIMEOUT": CONNECT_SECONDS,
    "SOCKET_TIMEOUT": ANSWER_SECONDS,
    "SERIALIZER": "chatcore.cache.Serializer",
}


class Serializer(BaseSerializer):
    """MessagePack: JSON bytes of a whole chat stand in it as they are, and nothing is executed."""

    def dumps(self, value: Any) -> bytes:
        return msgspec.msgpack.encode(value)

    def loads(self, value: bytes) -> Any:
        try:
            return msgspec.msgpack.decode(value)
        except msgspec.DecodeError:
            # Of another version of this program, or of another program: not there.
            return None


def _reason(error: Exception) -> BaseException:
    """django-redis wraps what redis-py says."""
    cause = error.__cause__
    return cause if isinstance(cause, RedisError) else error


def redis_breaker(seconds: float = BREAK_SECONDS) -> Breaker:
    return Breaker("Redis", "using the cache of this process", seconds=seconds, logger=logger)


# Cache objects are made per thread; what they know of Redis belongs to the process.
_breakers: dict[str, Breaker] = {}


def breaker_of(url: str) -> Breaker:
    """The one breaker that all of this process share who use the Redis of this address."""
    return _breakers.setdefault(url, redis_breaker())


def state() -> str:
    """ "ok", "away", or "in-process" where there is no Redis. Asks Redis, unless it just failed."""
    cache = caches["default"]
    if not isinstance(cache, ResilientRedisCache):
        return "in-process"
    return "ok" if cache.is_on_redis() else "away"


def warn_without_redis(processes: int) -> None:
    """Said once, at the start of a server."""
    if isinstance(caches["default"], ResilientRedisCache):
        return
    if processes > 1:
        logger.warning(
            "Redis URL not configured: each of the %d processes caches and counts limits for"
            " itself, and what another one writes is seen and stopped about a second late; set"
            " REDIS_URL to let them share",
            processes,
        )
        return
    logger.warning(
        "Redis URL not configured: this process caches and counts limits for itself, which is"
        " right for a server of one process. Several would each count for themselves; set"
        " REDIS_URL to let them share."
    )


class ResilientRedisCache(BaseCache):
    """Django's cache on Redis, and a cache in the process while Redis is away."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._redis = RedisCache(location, {**params, "OPTIONS": CLIENT_OPTIONS})
        # `params` has the number of entries that the cache in the process may hold.
        entries = params.get("OPTIONS", {}).get("MAX_ENTRIES")
        self._local = LocMemCache(f"while-redis-is-away:{location}:{entries}", params)
        self._breaker = breaker_of(location)

    @property
    def is_away(self) -> bool:
        """Whether the cache in the process stands in for Redis at this moment."""
        return self._breaker.has_failed

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if not self._breaker.is_open():
            try:
                result = getattr(self._redis, method)(*args, **kwargs)
            except (RedisError, OSError) as error:
                self._breaker.failed(_reason(error))
            else:
                self._breaker.answered()
                return result
        return getattr(self._local, method)(*args, **kwargs)

    def is_on_redis(self) -> bool:
        """Whether Redis answers at this moment."""
        self.has_key("readyz")
        return not self._breaker.has_failed

    def add(self, key: str, value: Any, *args: Any, **kwargs: Any) -> bool:
        return bool(self._call("add", key, value, *args, **kwargs))

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._call("get", key, *args, **kwargs)

    def set(self, key: str, value: Any, *args: Any, **kwargs: Any) -> None:
        self._call("set", key, value, *args, **kwargs)

    def touch(self, key: str, *args: Any, **kwargs: Any) -> bool:
        return bool(self._call("touch", key, *args, **kwargs))

    def delete(self, key: str, *args: Any, **kwargs: Any) -> bool:
        return bool(self._call("delete", key, *args, **kwargs))

    def incr(self, key: str, *args: Any, **kwargs: Any) -> int:
        """As Django's. Raises ValueError for a key that is not there."""
        return int(self._call("incr", key, *args, **kwargs))

    def get_many(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return dict(self._call("get_many", *args, **kwargs))

    def set_many(self, *args: Any, **kwargs: Any) -> list[str]:
        return list(self._call("set_many", *args, **kwargs) or [])

    def delete_many(self, *args: Any, **kwargs: Any) -> None:
        self._call("delete_many", *args, **kwargs)

    def has_key(self, key: str, *args: Any, **kwargs: Any) -> bool:
        return bool(self._call("has_key", key, *args, **kwargs))

    def clear(self) -> None:
        self._call("clear")
        self._local.clear()

    def close(self, **_kwargs: Any) -> None:
        """Nothing: the pool of connections to Redis outlives a request."""


# --- Values that are as good as their version ---------------------------------------------------
# What is larger is made anew each time: the cache in the process holds some hundred values.
LARGEST_VALUE_BYTES = 512 * 1024
# Locks of this process, by key: many readers of what is not cached make it once.
_making = [threading.Lock() for _ in range(64)]
_hits: Counter[str] = Counter()
_misses: Counter[str] = Counter()


def versioned(
    key: str, version: str, seconds: int, make: Callable[[], tuple[str, bytes]], *, kind: str
) -> bytes:
    """What is cached under `key` if it was made of this version; otherwise made anew and kept.

    `make` returns the version that it read, which may be a later one, and the value. `kind` is the
    name under which hits and misses are counted.
    """
    if (value := _cached(key, version)) is not None:
        _hits[kind] += 1
        return value
    with _making[hash(key) % len(_making)]:
        if (value := _cached(key, version)) is not None:
            _hits[kind] += 1
            return value
        _misses[kind] += 1
        made_of, value = make()
        if len(value) <= LARGEST_VALUE_BYTES:
            caches["documents"].set(key, (made_of, value), seconds)
        return value


def _cached(key: str, version: str) -> bytes | None:
    match caches["documents"].get(key):
        case (str(made_of), bytes(value)) if made_of == version:
            return value
    return None


def use() -> dict[str, dict[str, int]]:
    """Hits and misses of this process since its start, by kind of value."""
    return {kind: {"hits": _hits[kind], "misses": _misses[kind]} for kind in {**_hits, **_misses}}
