"""One turn: a prompt in, events out, and always exactly one ending. Plain asyncio, no Django."""

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import count
from random import SystemRandom

from msgspec.structs import replace

from assistant.events import (
    CallBegan,
    CallEnded,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    Retrying,
    TextDelta,
    ToolCall,
    ToolResult,
    Usage,
)
from assistant.providers.base import Prompt, Provider, Said, ToolRound
from assistant.providers.errors import (
    AnswerTooLong,
    NetworkError,
    Overloaded,
    ProviderError,
    ProviderFault,
    RateLimited,
    in_words,
)
from assistant.tools.toolbox import Toolbox

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

# So often a model may ask for tools in one answer; after that it has to answer with what it knows.
MOST_ROUNDS = 8
# A paragraph of its own, as what is written behind a tool does not go on with the last sentence.
BETWEEN_ROUNDS = "\n\n"

DELTAS = (TextDelta, ReasoningDelta)

_random = SystemRandom()


async def run(
    provider: Provider, prompt: Prompt, tools: Toolbox | None = None
) -> AsyncGenerator[Event, None]:
    """The events of one answer. Raises nothing of the provider's: a failure is the event `Failed`.

    A provider that fails before anything came of a call is asked once more, where that is likely
    to help. A model that asks for tools is called again with what came of them. Cancelling the
    reader closes the provider's connection, and ends the tools, before the cancellation goes on.
    """
    try:
        async with aclosing(_calls(provider, prompt, tools)) as events:
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


async def _calls(
    provider: Provider, prompt: Prompt, tools: Toolbox | None
) -> AsyncGenerator[Event, None]:
    """One call after the other, until one of them is an answer."""
    answer, is_second = _Answer(provider, prompt, tools), False
    for step in count(1):
        yield CallBegan(step, answer.prompt.characters)
        try:
            async with aclosing(provider.answer(answer.prompt)) as events:
                # Here and not in a function: each layer of generators costs at each piece.
                async for event in events:
                    if isinstance(event, Finished):
                        break
                    if answer.is_parted and isinstance(event, TextDelta):
                        yield answer.take(answer.part())
                    yield answer.take(event)
                    if answer.length > MAX_ANSWER_CHARACTERS:
                        raise AnswerTooLong(provider.label)
                else:
                    raise NetworkError(provider.label)
        except ProviderError as error:
            is_last = is_second or answer.has_begun
            pause = None if is_last else pause_before_retry(error)
            if pause is None:
                raise
            retrying = Retrying(f"{error.what} Asking again in {in_words(pause)}.", pause)
            code = error.code
        else:
            if not answer.asks_for_tools or tools is None:
                yield event
                return
            yield CallEnded()
            async with aclosing(tools.answer(answer.tool_calls)) as outcomes:
                async for outcome in outcomes:
                    yield answer.take_outcome(outcome)
            answer.begin_round()
            is_second = False
            continue
        yield CallEnded(code)
        yield retrying
        await asyncio.sleep(pause)
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


class _Answer:
    """What an answer has come to, over its calls, and what the next call is asked."""

    def __init__(self, provider: Provider, prompt: Prompt, tools: Toolbox | None) -> None:
        self._tools = tools
        self.prompt = (
            prompt.without_tools() if tools is None else replace(prompt, tools=tools.specs)
        )
        self.length = 0
        # Of the call that runs.
        self.has_begun = False
        self._said: list[Said] = []
        self._results: list[ToolResult] = []
        self._call_ids: set[str] = set()
        self._rounds = 0
        # The text goes on behind a round of tools, and has to be parted from what was before.
        self.is_parted = False

    def take(self, event: Event) -> Event:
        if isinstance(event, DELTAS):
            self.length += len(event.text)
        elif isinstance(event, Usage):
            return event
        elif isinstance(event, ToolCall):
            event = self._with_own_id(event)
        self.has_begun = True
        if self._tools is not None:
            self._said.append(event)  # type: ignore[arg-type]
        return event

    def _with_own_id(self, call: ToolCall) -> ToolCall:
        """Some servers count their calls from 1 again in each round, or give several one id."""
        key, number = call.id, 2
        while key in self._call_ids:
            key, number = f"{call.id}-{number}", number + 1
        self._call_ids.add(key)
        return replace(call, id=key)

    def part(self) -> TextDelta:
        self.is_parted = False
        return TextDelta(BETWEEN_ROUNDS)

    @property
    def tool_calls(self) -> list[ToolCall]:
        return [each for each in self._said if isinstance(each, ToolCall)]

    @property
    def asks_for_tools(self) -> bool:
        return any(isinstance(each, ToolCall) for each in self._said)

    def take_outcome(self, event: Event) -> Event:
        if isinstance(event, ToolResult):
            self._results.append(event)
        return event

    def begin_round(self) -> None:
        """The next call: what the model wrote goes back to it, with what came of its calls."""
        order = {call.id: place for place, call in enumerate(self.tool_calls)}
        results = sorted(self._results, key=lambda result: order[result.id])
        tools = ToolRound(tuple(self._said), tuple(results))
        self._rounds += 1
        self.prompt = replace(
            self.prompt,
            messages=(*self.prompt.messages, tools),
            may_call=self._rounds < MOST_ROUNDS,
        )
        self.is_parted = self.is_parted or bool(tools.text.strip())
        self._said, self._results, self.has_begun = [], [], False


def failed(error: ProviderError) -> Failed:
    """The event for it."""
    return Failed(
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        retry_after=error.retry_after,
    )
