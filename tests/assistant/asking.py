"""How tests ask a provider: the real adapters, the real SDKs, the engine above them."""

from assistant import engine
from assistant.events import CallBegan, CallEnded, Event, Failed, TextDelta
from assistant.providers.anthropic import AnthropicProvider
from assistant.providers.base import Prompt, PromptMessage
from assistant.providers.openai import OpenAIProvider
from tests.fakes.bodies import BODIES


async def told(provider, prompt, tools=None) -> list[Event]:
    """The events of an answer, but for where its calls begin and end."""
    events = [event async for event in engine.run(provider, prompt, tools)]
    return [event for event in events if not isinstance(event, CallBegan | CallEnded)]


PROMPT = Prompt("model-1", (PromptMessage("user", "What is the answer?"),))
ADAPTERS = {"openai": OpenAIProvider, "anthropic": AnthropicProvider}

NETWORK = Failed("network", "The connection to Acme AI failed. Try again.", retryable=True)
TIMEOUT = Failed("timeout", "Acme AI did not answer in time. Try again.", retryable=True)
FAULT = Failed("provider_fault", "Acme AI had a fault. Try again.", retryable=True)
UNREADABLE = Failed("unreadable", "Acme AI sent what cannot be read. Try again.", retryable=True)
OVERLOADED = Failed(
    "overloaded", "Acme AI is overloaded at the moment. Try again shortly.", retryable=True
)
ADDRESS = Failed(
    "wrong_address",
    "There is no chat API at the address set for Acme AI. An administrator has to check it;"
    " for most servers it ends in /v1.",
    retryable=False,
)
REFUSED = Failed(
    "refused",
    "Acme AI declined to answer this. Put it in other words, or ask something else.",
    retryable=False,
)


def adapter(name: str, url: str, *, timeout: float = 5.0):
    """The adapter with the official SDK behind it, for a server at `url`."""
    return ADAPTERS[name](
        label="Acme AI", api_key="sk-test", base_url=url + BODIES[name].path, timeout=timeout
    )


async def events_of(provider) -> list[Event]:
    return await told(provider, PROMPT)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
