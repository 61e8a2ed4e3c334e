"""One turn: a prompt in, events out, and always exactly one ending. Plain asyncio, no Django."""

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import SystemRandom

from assistant.events import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    Retrying,
    TextDelta,
    Usage,
)
from assistant.providers.base import Prompt, Provider
from assistant.providers.errors import (
    AnswerTooLong,
    NetworkError,
    Overloaded,
    ProviderError,
    ProviderFault,
    RateLimited,
    in_words,
)

logger = logging.getLogger("chatcore.engine")

# Twice what any model can write at once; without a bound a server gone mad could fill the store.
MAX_ANSWER_CHARACTERS = 1_000_000

# What often passes within seconds. A timeout is not among it: the person has waited long enough.
PASSING = (NetworkError, Overloaded, ProviderFault, RateLimited)
# A longer Retry-After is told instead of waited for.
LONGEST_PAUSE_SECONDS = 10.0
SHORTEST_PAUSE_SECONDS = 0.5
# Answers that failed together are not to ask together again.
JITTER_SECONDS = 1.0

DELTAS = (TextDelta, ReasoningDelta)

_random = SystemRandom()


async def run(provider: Provider, prompt: Prompt) -> AsyncGenerator[Event, None]:
    """The events of one answer. Raises nothing of the provider's: a failure is the event `Failed`.

    A provider that fails before anything came of it is asked once more, where that is likely to
    help. Cancelling the reader closes the provider's connection before the cancellation goes on.
    """
    try:
        async with aclosing(_asked_at_most_twice(provider, prompt)) as events:
            async for event in events:
                yield event
    except ProviderError as error:
        yield failed(error)
    except Exception as error:
        # A fault of ours must not look like an answer that never ends. Where it was, but not what
        # it said: messages quote keys and questions.
        place = "".join(traceback.format_tb(error.__traceback__))
        logger.error("An adapter failed: %s: %s\n%s", provider.name, type(error).__name__, place)
        yield failed(ProviderFault(provider.label))


async def _asked_at_most_twice(provider: Provider, prompt: Prompt) -> AsyncGenerator[Event, None]:
    tally, is_second = _Tally(), False
    while True:
        try:
            async with aclosing(provider.answer(prompt)) as events:
                # Here and not in a function: each layer of generators costs at each piece.
                async for event in events:
                    yield tally.count(event)
                    if isinstance(event, Finished):
                        return
                    if tally.length > MAX_ANSWER_CHARACTERS:
                        raise AnswerTooLong(provider.label)
            raise NetworkError(provider.label)
        except ProviderError as error:
            is_last = is_second or tally.has_begun
            pause = None if is_last else pause_before_retry(error)
            if pause is None:
                raise
            retrying = Retrying(f"{error.what} Asking again in {in_words(pause)}.", pause)
        yield retrying
        await asyncio.sleep(pause)
        tally.begin_another_call()
        is_second = True


def pause_before_retry(error: ProviderError) -> float | None:
    """Seconds to wait before the provider is asked again, or None to leave that to the person."""
    said = error.retry_after
    if not isinstance(error, PASSING) or (said is not None and said > LONGEST_PAUSE_SECONDS):
        return None
    if isinstance(error, RateLimited) and said is None:
        # Nobody knows for how long, and each request may make it longer.
        return None
    return max(said or 0.0, SHORTEST_PAUSE_SECONDS) + _random.uniform(0, JITTER_SECONDS)


class _Tally:
    """What an answer has come to, over its calls."""

    def __init__(self) -> None:
        self.length = 0
        self.has_begun = False
        self._earlier_calls = Usage()
        self._this_call = Usage()

    def count(self, event: Event) -> Event:
        """The event as it goes on: a usage report includes the earlier calls."""
        if isinstance(event, DELTAS):
            self.length += len(event.text)
        elif isinstance(event, Usage):
            self._this_call = event
            return self._earlier_calls + event
        self.has_begun = True
        return event

    def begin_another_call(self) -> None:
        # A call that reported tokens before it failed may be on the bill.
        self._earlier_calls += self._this_call
        self._this_call = Usage()


def failed(error: ProviderError) -> Failed:
    """The event for it."""
    return Failed(
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        retry_after=error.retry_after,
    )
