"""Which models are offered: those whose provider is configured, or the demo if there is none."""

from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings

from analytics import prices
from assistant.providers.anthropic import AnthropicProvider
from assistant.providers.base import Provider
from assistant.providers.demo import DemoProvider
from assistant.providers.openai import OpenAIProvider


@dataclass(frozen=True)
class Choice:
    """A model that can be chosen. `ref` is its name in frames and pages: "openai:gpt-6-luna"."""

    provider: str
    model: str
    provider_label: str

    @property
    def ref(self) -> str:
        return f"{self.provider}:{self.model}"


class UnknownChoice(Exception):
    """No such model is offered."""


@cache
def providers() -> dict[str, Provider]:
    """The configured providers by name. One object each, as they keep connections."""
    timeout = float(settings.PROVIDER_TIMEOUT_SECONDS)
    configured: dict[str, Provider] = {}
    if settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL:
        configured["openai"] = OpenAIProvider(
            label=_label("OpenAI", settings.OPENAI_BASE_URL),
            api_key=settings.OPENAI_API_KEY,
            base_url=settings.OPENAI_BASE_URL,
            timeout=timeout,
        )
    if settings.ANTHROPIC_API_KEY or settings.ANTHROPIC_BASE_URL:
        configured["anthropic"] = AnthropicProvider(
            label=_label("Anthropic", settings.ANTHROPIC_BASE_URL),
            api_key=settings.ANTHROPIC_API_KEY,
            base_url=settings.ANTHROPIC_BASE_URL,
            timeout=timeout,
        )
    return configured or {"demo": DemoProvider()}


def load() -> None:
    """Import what the first answer needs, and what it is priced by. Safe in a thread."""
    for provider in providers().values():
        provider.load()
    # The demo costs nothing.
    if "demo" not in providers():
        prices.load()


def api_url(provider: str) -> str:
    """The address of a server that is not the provider's own, or "": its prices are its own too."""
    addresses = {"openai": settings.OPENAI_BASE_URL, "anthropic": settings.ANTHROPIC_BASE_URL}
    return addresses.get(provider, "")


def choices() -> list[Choice]:
    """What the model picker shows, the default first."""
    models = {
        "openai": settings.OPENAI_MODELS,
        "anthropic": settings.ANTHROPIC_MODELS,
        "demo": ["demo"],
    }
    return [
        Choice(name, model, provider.label)
        for name, provider in providers().items()
        for model in models[name]
    ]


def preferred(ref: str) -> Choice | None:
    """The model with which somebody wants to begin; None if it is offered no more, or for ""."""
    return next((choice for choice in choices() if choice.ref == ref), None)


def choose(ref: str | None) -> Choice:
    """The offered model of that name, the default for None. Raises UnknownChoice."""
    found = next(iter(choices()), None) if ref is None else preferred(ref)
    if found is None:
        raise UnknownChoice(ref)
    return found


def _label(name: str, base_url: str) -> str:
    """Who answers, for people: the company, or the host of a compatible server."""
    return urlsplit(base_url).netloc.rpartition("@")[2] if base_url else name
