"""What processes tell each other, over a real server of Redis's protocol."""

import asyncio

import pytest
import pytest_asyncio
from redis import Redis

from assistant import relay
from assistant.answer_log import AnswerLog
from assistant.events import Finished, ReasoningDelta, TextDelta
from assistant.relay import NO_STREAM, Relay
from chatcore import cache
from chatcore.ids import new_id

pytestmark = pytest.mark.valkey

WORDS = [ReasoningDelta("Hm."), TextDelta("The"), TextDelta(" answer"), Finished("stop")]


class Answer(AnswerLog):
    """One of this process's own."""

    def __init__(self, events=()) -> None:
        super().__init__(new_id())
        self.published = NO_STREAM
        self.add(events)


class Process(Relay):
    """As a process has one, with the news that it heard."""

    def __init__(self, url: str, name: str) -> None:
        self.heard: list[dict] = []
        super().__init__(url, name, self.heard.append, lifetime=60)


@pytest.fixture
def client(valkey):
    with Redis(port=valkey.port) as client:
        yield client


@pytest_asyncio.fixture
async def process(valkey, monkeypatch):
    """Makes processes that share one Redis."""
    url = f"redis://127.0.0.1:{valkey.port}/0"
    # The breaker's own ten seconds are tested elsewhere.
    monkeypatch.setattr(cache, "_breakers", {url: cache.redis_breaker(0.05)})
    monkeypatch.setattr(relay, "RECONNECT_SECONDS", 0.05)
    made: list[Process] = []

    def begin() -> Process:
        made.append(Process(url, f"process-{len(made)}"))
        return made[-1]

    yield begin
    for each in made:
        await each.close()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_an_answer_is_followed_from_another_process_event_by_event(process):
    here, there = process(), process()
    answer = Answer(WORDS[:1])
    await here.publish([answer])

    log = await there.follow(answer.id)
    seen: list = []

    async def follow() -> None:
        async for batch in log.follow(0):
            seen.extend(batch)

    following = asyncio.create_task(follow())
    await until(lambda: seen == WORDS[:1])
    answer.add(WORDS[1:])
    await here.publish([answer])
    await here.publish_end(answer.id, "failed", {"code": "network"})
    await following

    assert seen == WORDS
    assert (log.status, log.error) == ("failed", {"code": "network"})
    assert (log.progress().text, log.progress().reasoning) == ("The answer", "Hm.")


async def test_one_that_comes_late_or_comes_back_finds_all_of_it(process):
    here, there = process(), process()
    answer = Answer(WORDS[:2])
    await here.publish([answer])
    first = await there.follow(answer.id)
    answer.add(WORDS[2:])
    await here.publish([answer])

    late = await process().follow(answer.id)
    await until(lambda: first.seq == 4 or not first.is_followed)

    assert late.events == WORDS
    assert [event async for batch in _upto(late, 2, 2) for event in batch] == WORDS[2:]


async def _upto(log, after, number):
    async for batch in log.follow(after):
        yield batch
        number -= len(batch)
        if not number:
            return


async def test_the_stream_is_there_before_anything_has_happened(process):
    here, there = process(), process()
    answer = Answer()
    await here.publish([answer])

    log = await there.follow(answer.id)

    assert (log.seq, log.is_running) == (0, True)


async def test_what_is_published_twice_is_heard_once(process):
    here, there = process(), process()
    answer = Answer(WORDS[:3])
    await here.publish([answer])
    # As after a call whose reply was lost.
    answer.published = 1
    answer.add(WORDS[3:])
    await here.publish([answer])

    assert (await there.replay(answer.id)).events == WORDS


async def test_a_stream_that_redis_has_lost_is_written_anew(process, client):
    here, there = process(), process()
    answer = Answer(WORDS[:2])
    await here.publish([answer])
    client.flushall()

    answer.add(WORDS[2:])
    await here.publish([answer])
    # The first of the two found that it is gone.
    await here.publish([answer])

    assert (await there.follow(answer.id)).events == WORDS


async def test_a_follower_goes_on_when_the_stream_was_written_anew(process, client):
    here, there = process(), process()
    answer = Answer(WORDS[:2])
    _, following = await _followed(here, there, answer)
    client.flushall()

    answer.add(WORDS[2:])
    await here.publish([answer])
    await here.publish([answer])
    await here.publish_end(answer.id, "done", None)

    assert await following == WORDS


async def _followed(here, there, answer):
    """What is published here so far, and a task in the other process that reads it to its end."""
    await here.publish([answer])
    log = await there.follow(answer.id)
    following = asyncio.create_task(_collect(log))
    await until(lambda: log.is_followed)
    return log, following


async def _collect(log) -> list:
    return [event async for batch in log.follow(0) for event in batch]


async def test_an_entry_that_is_missing_is_never_passed_over(process, client):
    here, there = process(), process()
    answer = Answer(WORDS[:1])
    log, following = await _followed(here, there, answer)
    answer.add(WORDS[1:])
    answer.published = 2
    await here.publish([answer])

    # It ends without an end: the reader asks the store.
    assert await following == WORDS[:1]
    assert log.is_running


async def test_without_redis_nothing_raises_and_followers_are_let_go(process, valkey):
    here, there = process(), process()
    answer = Answer(WORDS[:1])
    log, following = await _followed(here, there, answer)

    valkey.stop()
    answer.add(WORDS[1:])
    await here.publish([answer])
    await here.publish_end(answer.id, "done", None)
    await here.tell({"stop": "x"})

    assert await following == WORDS[:1]
    assert log.is_running
    assert await there.follow(answer.id) is None
    assert await there.replay(answer.id) is None


async def test_news_reach_all_others_also_after_redis_was_away(process, valkey):
    here, there = process(), process()
    await until(lambda: here.is_listening and there.is_listening)
    await here.tell({"stop": "one"})
    await until(lambda: there.heard)
    valkey.stop()
    await until(lambda: not (here.is_listening or there.is_listening))
    valkey.start()

    await until(lambda: here.is_listening and there.is_listening)
    await here.tell({"stop": "two"})
    await until(lambda: len(there.heard) == 2)

    assert [each["stop"] for each in there.heard] == ["one", "two"]
    assert here.heard == []


async def test_who_has_nothing_to_say_does_not_take_the_turn_to_try_redis(process, valkey):
    here = process()
    answer = Answer(WORDS)
    await here.publish([answer])
    breaker = here._breaker
    here._listening.cancel()
    breaker.seconds = 0.0
    breaker.failed(ConnectionError())

    await here.publish([])
    await here.publish([answer])
    assert breaker.has_failed
    answer.add(WORDS)
    await here.publish([answer])

    assert not breaker.has_failed


async def test_news_of_another_kind_of_program_harm_nothing(process, client, caplog):
    there = process()
    await until(lambda: there.is_listening)

    client.publish(relay.NEWS_CHANNEL, b"\xff")
    client.publish(relay.NEWS_CHANNEL, b"[1]")
    client.publish(relay.NEWS_CHANNEL, b'{"from": "process-9", "stop": "one"}')
    await until(lambda: there.heard)

    assert there.heard == [{"from": "process-9", "stop": "one"}]
    assert caplog.text.count("News could not be read") == 2


async def test_what_nobody_follows_any_more_is_let_go(process):
    here, there = process(), process()
    answer = Answer(WORDS[:1])
    await here.publish([answer])
    log = await there.follow(answer.id)
    assert [each.id for each in there.quiet()] == [answer.id]

    await until(lambda: there.quiet() == [])
    # Whoever comes to follow it after all is not left waiting.
    assert await _collect(log) == WORDS[:1]


async def test_streams_leave_nothing_behind(process, client):
    here = process()
    answer = Answer(WORDS)
    await here.publish([answer])
    (name,) = client.keys("*")
    running = client.ttl(name)

    await here.publish_end(answer.id, "done", None)

    assert (0 < running <= 60, 0 < client.ttl(name) <= relay.ENDED_STREAM_SECONDS) == (True, True)
