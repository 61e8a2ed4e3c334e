"""Every limit of the product, each a named function whose comment reads as a sentence.

Counting is django-ratelimit's, which is atomic on Redis and in the process alike: a fixed window
for each key, which begins at a moment of its own. While Redis is away each process counts for
itself, or, with RATELIMIT_FALLBACK=open, lets everything but log-ins pass.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from hashlib import sha256
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.http.response import HttpResponseBase
from django_ratelimit.core import get_usage

from chatcore.env import Rate
from chatcore.errors import TooManyRequests

# Redis may go, come back or be restarted empty between the two steps of a count.
TRIES = 3

Arguments = ParamSpec("Arguments")
Response = TypeVar("Response", bound=HttpResponseBase)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Where a caller stands, this call counted. `limit` is None where there is none.

    `reset` is the whole seconds, at least 1, after which a new window has surely begun.
    """

    limit: int | None
    remaining: int
    reset: int
    exceeded: bool

    @property
    def retry_after(self) -> int:
        """Seconds to wait, at least 1."""
        return self.reset

    def headers(self) -> dict[str, str]:
        """For an HTTP answer."""
        if self.limit is None:
            return {}
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        return {**headers, "Retry-After": str(self.retry_after)} if self.exceeded else headers


UNLIMITED = Usage(limit=None, remaining=0, reset=1, exceeded=False)


def assistant(user_id: object) -> Usage:
    """20 questions a minute for each user (ASSISTANT_LIMIT)."""
    return _count_or_pass("rate-limit:assistant", settings.ASSISTANT_LIMIT, user_id)


def rocketreach(organization_id: object) -> Usage:
    """100 look-ups of contacts an hour for each organisation (ROCKETREACH_LIMIT)."""
    return _count_or_pass("rate-limit:rocketreach", settings.ROCKETREACH_LIMIT, organization_id)


def api_writes(user_id: object) -> Usage:
    """120 changes a minute through the API for each user (API_WRITE_LIMIT)."""
    return _count_or_pass("rate-limit:api-writes", settings.API_WRITE_LIMIT, user_id)


def imports(user_id: object) -> Usage:
    """10 imports of chats an hour for each user (IMPORT_LIMIT)."""
    return _count_or_pass("rate-limit:imports", settings.IMPORT_LIMIT, user_id)


def exports(user_id: object) -> Usage:
    """10 exports of all data an hour for each user (EXPORT_LIMIT)."""
    return _count_or_pass("rate-limit:exports", settings.EXPORT_LIMIT, user_id)


def shared_links(client: str) -> Usage:
    """120 openings of shared links a minute for each client address (SHARED_LINK_LIMIT)."""
    return _count_or_pass("rate-limit:shared-links", settings.SHARED_LINK_LIMIT, client)


def count_login_attempt(email: str, client: str) -> Usage:
    """5 attempts in 15 minutes for each account from each client, until one succeeds (LOGIN_LIMIT).

    Counted before the password is looked at, so that many at once gain nothing. Only this account
    is locked, and only for this client: neither the colleagues behind the same address nor the
    owner elsewhere are kept out. It fails closed.
    """
    start = cache.get(_login_start_key(email, client), 0)
    key = f"{email}|{client}|{start}"
    return _count("login", settings.LOGIN_LIMIT, key, fails_open=False)


def forget_login_attempts(email: str, client: str) -> None:
    """Begin a new count: whoever knows the password has not been guessing."""
    # Kept for twice the window: by then every older count has ended by itself.
    lifetime = 2 * settings.LOGIN_LIMIT.seconds
    cache.set(_login_start_key(email, client), time.time_ns(), lifetime)


def _login_start_key(email: str, client: str) -> str:
    digest = sha256(f"{email}|{client}".encode()).hexdigest()
    return f"login-start:{digest}"


def per_user(
    count: Callable[[object], Usage],
) -> Callable[[Callable[Arguments, Response]], Callable[Arguments, Response]]:
    """Limits a view, or a method of a view class, as `@per_user(api_writes)`.

    It counts by the user's key, so it stands below whatever turns strangers away. The answer gets
    the RateLimit headers. Raises TooManyRequests.
    """

    def decorate(view: Callable[Arguments, Response]) -> Callable[Arguments, Response]:
        @wraps(view)
        def limited(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
            usage = count(_request_of(args).user.pk)
            if usage.exceeded:
                message = f"Too many requests. Try again in {in_words(usage.retry_after)}."
                raise TooManyRequests(message, headers=usage.headers())
            response = view(*args, **kwargs)
            for name, value in usage.headers().items():
                response.headers[name] = value
            return response

        return limited

    return decorate


def _request_of(args: tuple[Any, ...]) -> Any:
    # A method has its object before the request. REST framework's request is not Django's class.
    return args[0] if hasattr(args[0], "META") else args[1]


def in_words(seconds: int) -> str:
    """How long to wait: in seconds up to a minute, then in minutes, then in hours, rounded up."""
    if seconds <= 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    if seconds <= 60 * 60:
        return f"{math.ceil(seconds / 60)} minutes"
    return f"{math.ceil(seconds / (60 * 60))} hours"


def _count_or_pass(group: str, rate: Rate | None, key: object) -> Usage:
    """For limits that may be switched off, and that RATELIMIT_FALLBACK is about."""
    if rate is None:
        return UNLIMITED
    usage = _count(group, rate, str(key), fails_open=True)
    # Looked at after the count, as it is the count that finds Redis away, or back.
    if settings.RATELIMIT_FALLBACK == "open" and getattr(cache, "is_away", False):
        return replace(usage, exceeded=False)
    return usage


def _count(group: str, rate: Rate, key: str, *, fails_open: bool) -> Usage:
    for _ in range(TRIES):
        found = get_usage(
            None, group=group, key=lambda _group, _request: key, rate=rate, increment=True
        )
        assert found is not None  # only where django-ratelimit is switched off, which it never is
        if found["count"]:
            return _usage(found["count"], rate, found["time_left"])
    # The cache contradicts itself without end, and nothing is known.
    return Usage(limit=rate.times, remaining=0, reset=1, exceeded=not fails_open)


def _usage(count: int, rate: Rate, time_left: int) -> Usage:
    return Usage(
        limit=rate.times,
        remaining=max(0, rate.times - count),
        # The second in which a window ends belongs to it: the next one begins a second later.
        # A count that waited for Redis may have outlived its window.
        reset=max(1, time_left + 1),
        exceeded=count > rate.times,
    )
