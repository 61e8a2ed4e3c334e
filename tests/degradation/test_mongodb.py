"""MongoDB stopped or hung under a running server, and back again."""

import json
from collections.abc import Iterator

import pytest

from tests.degradation.steps import API, PATHS, Person, at_once, wait_until
from tests.fakes.mongodb import MongoServer, mongod

# Within this time, in seconds, whoever asks is told that the store is away.
TOLD = 3.0
BACK = 15.0


@pytest.fixture(scope="module")
def mongodb() -> Iterator[MongoServer]:
    with mongod() as server:
        assert server is not None
        yield server


@pytest.fixture(scope="module")
def alice(mongodb, serve) -> Person:
    return serve(MONGODB_URI=f"{mongodb.uri}degradation?directConnection=true")


@pytest.fixture(params=["stopped", "hung"])
def away(request, alice, mongodb) -> Iterator[None]:
    """MongoDB goes away after everything was seen to work, and comes back after the test."""
    assert [alice.get(path).status for path in PATHS] == [200] * len(PATHS)
    if request.param == "stopped":
        mongodb.stop()
    else:
        mongodb.pause()
    yield
    come_back(alice, mongodb)


def come_back(alice: Person, mongodb: MongoServer) -> None:
    """As it is after the server noticed, by itself."""
    if mongodb.is_running():
        mongodb.resume()
    else:
        mongodb.start()
    wait_until(lambda: alice.get("/").status == 200, BACK)


def test_pages_say_within_3_seconds_that_the_store_is_away(alice, away):
    answers = [alice.get(path) for path in PATHS]

    for answer in answers:
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "The database cannot be reached" in answer.text
        assert answer.seconds < TOLD


def test_the_probes_tell_a_process_that_is_up_from_one_that_is_ready(alice, away):
    ready, healthy = alice.get("/readyz"), alice.get("/healthz")

    assert (healthy.status, json.loads(healthy.text)) == (200, {"status": "ok"})
    assert (ready.status, json.loads(ready.text)["status"]) == (503, "unavailable")
    assert json.loads(ready.text)["store"] in ("ServerSelectionTimeoutError", "NetworkTimeout")
    assert int(ready.headers["Retry-After"]) > 0
    assert ready.seconds < TOLD


def test_fifty_at_once_are_all_told_within_3_seconds(alice, away):
    answers = at_once(alice, "/", 50)

    assert {answer.status for answer in answers} == {503}
    assert max(answer.seconds for answer in answers) < TOLD


def test_a_change_that_could_not_be_saved_can_be_sent_again(alice, away, mongodb):
    body = {"id": "c1", "title": "T", "messages": [{"id": "m1", "role": "user", "content": "Hi"}]}

    refused = alice.api("POST", body)
    come_back(alice, mongodb)
    made = alice.api("POST", body)

    assert (refused.status, json.loads(refused.text)["error"]["code"]) == (503, "store_away")
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.seconds < TOLD
    assert (made.status, json.loads(made.text)) == (201, {"success": True, "id": "c1"})
    assert json.loads(alice.get(f"{API}?id=c1").text)["messageCount"] == 1


def test_nobody_can_log_in_and_nothing_breaks(alice, away):
    answer = Person.log_in(alice)

    assert answer.status == 503
    assert answer.seconds < TOLD


def test_it_goes_on_by_itself_when_the_store_is_back(alice, away, mongodb):
    already_said = len(alice.server.said())
    for _ in range(3):
        at_once(alice, "/", 5)

    come_back(alice, mongodb)

    assert [alice.get(path).status for path in PATHS] == [200] * len(PATHS)
    assert alice.get("/readyz").status == 200
    assert Person(alice.server).log_in().status == 302
    said = alice.server.said()[already_said:]
    assert said.count("The store is away") == 1
    assert said.count("The store is back") == 1
    assert "Traceback" not in said
    assert "ERROR" not in said
