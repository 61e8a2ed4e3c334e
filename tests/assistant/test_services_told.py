"""What open pages are told of a provider and of Redis, with real servers behind the application."""

import asyncio

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async

from assistant import engine, relay, sockets
from assistant import services as services_module
from assistant.services import ServiceState, services
from chatcore import cache, clock
from tests.assistant.test_consumers import SEND, Tab, log_in
from tests.fakes.provider import Reply

pytestmark = pytest.mark.django_db(transaction=True)

AWAY = Reply(status=503, error={"error": {"message": "no"}})


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(engine, "SHORTEST_PAUSE_SECONDS", 0)
    monkeypatch.setattr(engine, "JITTER_SECONDS", 0)
    monkeypatch.setattr(sockets, "LOOK_EVERY_SECONDS", 0.02)


@pytest_asyncio.fixture
async def open_tab():
    tabs: list[Tab] = []

    async def begin(user) -> Tab:
        tabs.append(Tab(await sync_to_async(log_in)(user)))
        assert await tabs[-1].open()
        return tabs[-1]

    yield begin
    for each in tabs:
        await each.close()


async def told(tab: Tab) -> list[ServiceState]:
    """The next frame of its kind."""
    async with asyncio.timeout(5):
        while not tab.services:
            await tab.read()
    return tab.services.pop(0)["troubles"]


async def ask(tab: Tab, name: str) -> None:
    await tab.send({**SEND, "requestId": f"r-{name}", "conversationId": f"c-{name}"})
    await tab.until("finished")


@pytest.mark.usefixtures("openai_models", "registry")
async def test_everybody_is_told_that_a_provider_is_away_and_that_it_is_back(
    open_tab, alice, bob, provider
):
    asks, looks_on = await open_tab(bob), await open_tab(alice)
    assert (await told(asks), await told(looks_on)) == ([], [])
    provider.reply_with(AWAY, AWAY, AWAY, AWAY)

    # Each is asked again once: the third call is the second question's first.
    await ask(asks, "1")
    assert asks.services == []
    await ask(asks, "2")

    (trouble,) = away = await told(looks_on)
    host = f"127.0.0.1:{provider.port}"
    assert trouble == {
        "name": "openai",
        "label": host,
        "state": "away",
        "since": trouble["since"],
    }
    assert await told(asks) == away
    comes_late = await open_tab(alice)
    assert await told(comes_late) == away
    await ask(asks, "3")
    for tab in (asks, looks_on, comes_late):
        assert await told(tab) == []


@pytest.mark.usefixtures("openai_models", "registry")
async def test_a_key_that_is_refused_is_told(open_tab, bob, provider):
    tab = await open_tab(bob)
    assert await told(tab) == []
    provider.reply_with(Reply(status=401, error={"error": {"message": "no", "code": "x"}}))

    await ask(tab, "1")

    assert [each["state"] for each in await told(tab)] == ["key_refused"]


@pytest.mark.usefixtures("openai_models", "registry")
async def test_a_call_that_broke_in_its_middle_is_no_sign_of_a_provider_that_is_away(
    open_tab, bob, provider
):
    tab = await open_tab(bob)
    provider.reply_with(*[Reply(cut_after=2)] * 3)

    for name in "123":
        await ask(tab, name)

    assert services.troubles(clock.now()) == []


@pytest.fixture
def redis(valkey, settings, monkeypatch):
    """A real server of Redis's protocol, with a breaker that is quick."""
    settings.REDIS_URL = url = f"redis://127.0.0.1:{valkey.port}/0"
    monkeypatch.setattr(cache, "_breakers", {url: cache.redis_breaker(0.05)})
    monkeypatch.setattr(relay, "RECONNECT_SECONDS", 0.05)
    monkeypatch.setattr(services_module, "REDIS_AWAY", services_module.REDIS_AWAY / 100)
    return valkey


@pytest.mark.valkey
async def test_everybody_is_told_that_redis_is_away_and_that_it_is_back(
    redis, openai_models, registry, open_tab, alice, bob
):
    tabs = [await open_tab(alice), await open_tab(bob)]
    assert [await told(tab) for tab in tabs] == [[], []]
    async with asyncio.timeout(5):
        while not registry._relay.is_listening:
            await asyncio.sleep(0.01)

    redis.stop()

    since = None
    for tab in tabs:
        (trouble,) = await told(tab)
        since = since or trouble["since"]
        assert trouble == {"name": "redis", "label": "Redis", "state": "away", "since": since}
    redis.start()
    assert [await told(tab) for tab in tabs] == [[], []]
