"""One turn: a prompt in, events out, and always exactly one ending. Plain asyncio, no Django."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from assistant.events import Event, Failed, Finished
from assistant.providers.base import Prompt, Provider
from assistant.providers.errors import NetworkError, ProviderError, ProviderFault

logger = logging.getLogger("chatcore.engine")


async def run(provider: Provider, prompt: Prompt) -> AsyncGenerator[Event, None]:
    """The events of one answer. Raises nothing of the provider's: a failure is the event `Failed`.

    Cancelling the reader closes the provider's connection before the cancellation goes on.
    """
    try:
        async with aclosing(provider.answer(prompt)) as events:
            async for event in events:
                yield event
                if isinstance(event, Finished):
                    return
        raise NetworkError(provider.label)
    except ProviderError as error:
        yield _failed(error)
    except Exception:
        # A fault of ours must not look like an answer that never ends.
        logger.exception("An adapter failed: %s", provider.name)
        yield _failed(ProviderFault(provider.label))


def _failed(error: ProviderError) -> Failed:
    return Failed(
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        retry_after=error.retry_after,
    )
