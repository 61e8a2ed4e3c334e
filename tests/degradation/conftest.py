"""The product as a process, with people in front and servers behind that go away."""

from collections.abc import Callable, Iterator

import pytest

from tests.degradation.steps import Person
from tests.degradation.tab import Tab
from tests.fakes.mongodb import mongod
from tests.server import Server


@pytest.fixture(scope="module")
def serve(tmp_path_factory) -> Iterator[Callable[..., Person]]:
    """Starts a server, with settings, and makes alice its first account: she is logged in."""
    servers: list[Server] = []

    def begin(**settings: str) -> Person:
        server = Server(tmp_path_factory.mktemp("data"), **settings).start()
        servers.append(server)
        alice = Person(server)
        alice.make_first_account()
        return alice

    yield begin
    for server in servers:
        server.stop()


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Server]]:
    """Starts servers that share their data, each with a log of its own."""
    servers: list[Server] = []

    def begin(**environment: str) -> Server:
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        (tmp_path / "data").mkdir(exist_ok=True)
        server = Server(folder, **{"DATA_DIR": str(tmp_path / "data"), **environment}).start()
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.stop()


@pytest.fixture
def open_tab() -> Iterator[Callable[..., Tab]]:
    tabs: list[Tab] = []

    def begin(person: Person, server: Server | None = None) -> Tab:
        tabs.append(Tab(person, server))
        return tabs[-1]

    yield begin
    for tab in tabs:
        tab.close()


@pytest.fixture(params=["sqlite", "mongodb"])
def store(request, tmp_path) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield {}
        return
    with mongod() as server:
        assert server is not None
        yield {"MONGODB_URI": f"{server.uri}faults?directConnection=true"}
