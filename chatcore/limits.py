"""Every limit of the product, each a named function whose comment reads as a sentence.

Counting is django-ratelimit's, which is atomic on Redis and in the process alike.
"""

import time
from dataclasses import dataclass
from hashlib import sha256

from django.core.cache import cache
from django_ratelimit.core import get_usage

# 5 attempts in 15 minutes for each account from each client, until one succeeds.
LOGIN_ATTEMPTS = "5/15m"
LOGIN_WINDOW_SECONDS = 15 * 60


@dataclass(frozen=True)
class Limit:
    """Where a caller stands. `retry_after` is in seconds, at least 1."""

    exceeded: bool
    retry_after: int


def count_login_attempt(email: str, client: str) -> Limit:
    """Count one attempt, before the password is looked at, so that many at once gain nothing.

    Only this account is locked, and only for this client: neither the colleagues behind the same
    address nor the owner elsewhere are kept out.
    """
    start = cache.get(_login_start_key(email, client), 0)
    return _count("login", LOGIN_ATTEMPTS, f"{email}|{client}|{start}")


def forget_login_attempts(email: str, client: str) -> None:
    """Begin a new count: whoever knows the password has not been guessing."""
    # Kept for twice the window: by then every older count has ended by itself.
    cache.set(_login_start_key(email, client), time.time_ns(), 2 * LOGIN_WINDOW_SECONDS)


def _login_start_key(email: str, client: str) -> str:
    digest = sha256(f"{email}|{client}".encode()).hexdigest()
    return f"login-start:{digest}"


def _count(group: str, rate: str, key: str) -> Limit:
    usage = get_usage(
        None, group=group, key=lambda _group, _request: key, rate=rate, increment=True
    )
    assert usage is not None  # only where django-ratelimit is switched off, which it never is
    return Limit(exceeded=usage["should_limit"], retry_after=max(1, usage["time_left"]))
