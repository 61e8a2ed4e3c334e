"""What this process has met of Redis and of the providers lately: what people are to be told of.

Nothing is asked for it. Redis is known by its breaker, a provider by the calls that were made of it
anyway. What is known of a provider is forgotten after a while without such a call, so that a notice
never outlives its reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from django.conf import settings

from assistant.providers.base import Provider
from assistant.providers.errors import (
    NetworkError,
    Overloaded,
    ProviderFault,
    ProviderTimeout,
    WrongKey,
)
from chatcore.cache import BREAK_SECONDS, breaker_of

# Longer than the breaker leaves Redis alone: a second try has failed as well. A blink is no news.
REDIS_AWAY = timedelta(seconds=BREAK_SECONDS + 2)
# A provider is away when so many calls in a row brought nothing, all within this time.
FAILED_CALLS = 3
REMEMBERED = timedelta(minutes=5)
# Failures that are not about what was asked: the next question would most likely meet the same.
AWAY = frozenset(each.code for each in (NetworkError, Overloaded, ProviderFault, ProviderTimeout))

State = Literal["away", "key_refused"]


class ServiceState(TypedDict):
    """One that is not as it should be. `name` is "redis" or a provider's, `label` is for people."""

    name: str
    label: str
    state: State
    since: str


@dataclass
class _Trouble:
    label: str
    since: datetime
    last: datetime


class Services:
    """Of one process. Used in its event loop; pages may read it from their threads."""

    def __init__(self) -> None:
        self._failures: dict[str, list[datetime]] = {}
        self._troubles: dict[tuple[str, State], _Trouble] = {}

    def answered(self, provider: Provider) -> None:
        """It has said a piece of an answer."""
        if provider.name in self._failures or (provider.name, "key_refused") in self._troubles:
            self._forget(provider.name, "away", "key_refused")

    def failed(self, provider: Provider, code: str, now: datetime) -> None:
        """A call has ended with this error, and nothing came of it."""
        if code == WrongKey.code:
            # Who refuses is there.
            self._forget(provider.name, "away")
            self._note(provider, "key_refused", now, now)
        elif code in AWAY:
            earlier = self._failures.get(provider.name, [])
            recent = [each for each in (*earlier, now) if now - each <= REMEMBERED][-FAILED_CALLS:]
            self._failures[provider.name] = recent
            if len(recent) == FAILED_CALLS:
                self._note(provider, "away", recent[0], now)

    def troubles(self, now: datetime) -> list[ServiceState]:
        """All that are not as they should be, the providers first."""
        found = [
            _state(name, each.label, state, each.since)
            # A copy: it may change meanwhile.
            for (name, state), each in tuple(self._troubles.items())
            if now - each.last <= REMEMBERED
        ]
        if settings.REDIS_URL:
            since = breaker_of(settings.REDIS_URL).away_since
            if since is not None and now - since >= REDIS_AWAY:
                found.append(_state("redis", "Redis", "away", since))
        return found

    def forget(self) -> None:
        """Everything, as if the process had just begun."""
        self._failures.clear()
        self._troubles.clear()

    def _note(self, provider: Provider, state: State, began: datetime, now: datetime) -> None:
        key = (provider.name, state)
        trouble = self._troubles.get(key)
        if trouble is None or now - trouble.last > REMEMBERED:
            trouble = self._troubles[key] = _Trouble(provider.label, began, now)
        trouble.last = now

    def _forget(self, name: str, *states: State) -> None:
        self._failures.pop(name, None)
        for state in states:
            self._troubles.pop((name, state), None)


def _state(name: str, label: str, state: State, since: datetime) -> ServiceState:
    return {"name": name, "label": label, "state": state, "since": since.isoformat()}


services = Services()
