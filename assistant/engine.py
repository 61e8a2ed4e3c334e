"""One turn: a prompt in, events out, and always exactly one ending. Plain asyncio, no Django."""

import logging
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing

from assistant.events import Event, Failed, Finished, ReasoningDelta, TextDelta
from assistant.providers.base import Prompt, Provider
from assistant.providers.errors import (
    AnswerTooLong,
    NetworkError,
    ProviderError,
    ProviderFault,
)

logger = logging.getLogger("chatcore.engine")

# Twice what any model can write at once; without a bound a server gone mad could fill the store.
MAX_ANSWER_CHARACTERS = 1_000_000


async def run(provider: Provider, prompt: Prompt) -> AsyncGenerator[Event, None]:
    """The events of one answer. Raises nothing of the provider's: a failure is the event `Failed`.

    Cancelling the reader closes the provider's connection before the cancellation goes on.
    """
    length = 0
    try:
        async with aclosing(provider.answer(prompt)) as events:
            async for event in events:
                yield event
                if isinstance(event, Finished):
                    return
                if isinstance(event, TextDelta | ReasoningDelta):
                    length += len(event.text)
                    if length > MAX_ANSWER_CHARACTERS:
                        raise AnswerTooLong(provider.label)
        raise NetworkError(provider.label)
    except ProviderError as error:
        yield _failed(error)
    except Exception as error:
        # A fault of ours must not look like an answer that never ends. Where it was, but not what
        # it said: messages quote keys and questions.
        place = "".join(traceback.format_tb(error.__traceback__))
        logger.error("An adapter failed: %s: %s\n%s", provider.name, type(error).__name__, place)
        yield _failed(ProviderFault(provider.label))


def _failed(error: ProviderError) -> Failed:
    return Failed(
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        retry_after=error.retry_after,
    )
