"""Running generations: followers, endings, the save on the way. Real store, scripted provider."""

import asyncio
import threading

import pytest
from channels.db import database_sync_to_async as in_store
from django.db import IntegrityError, OperationalError

from assistant import engine, generations, saving, turns
from assistant.events import Failed, Finished, ReasoningDelta, Retrying, TextDelta, ToolCall, Usage
from assistant.models import Generation, GenerationStatus
from assistant.providers.errors import NetworkError
from chatcore import clock
from conversations.models import Message
from tests.chatcore.test_kernel import conflict

pytestmark = pytest.mark.django_db(transaction=True)


class Controlled:
    """A provider that yields what the test puts into its queue."""

    name = label = "controlled"

    def __init__(self) -> None:
        self.queue: asyncio.Queue = asyncio.Queue()
        self.is_closed = False

    def say(self, *events) -> None:
        for event in events:
            self.queue.put_nowait(event)

    async def answer(self, _prompt):
        try:
            while True:
                event = await self.queue.get()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.is_closed = True

    async def close(self) -> None:
        pass


async def start(registry, user):
    provider = Controlled()
    turn = await in_store(turns.begin)(
        user,
        turns.Question("r1", "c1", "m1", None, "Hello"),
        None,
        owner="test:1",
        now=clock.now(),
    )
    return provider, registry.start(turn.generation, provider, turn.prompt)


async def followed(generation, after=0):
    return [event async for batch in generation.follow(after) for event in batch]


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def saved_answer() -> Message:
    return await in_store(lambda: Message.objects.get(role="assistant"))()


# --- Finding --------------------------------------------------------------------------------------
async def test_an_answer_is_found_from_the_moment_that_its_question_is_in_the_store(bob, registry):
    question = turns.Question("r1", "c1", "m1", None, "Hello")
    turn = await in_store(turns.begin)(
        bob, question, None, owner=generations.owner(), now=clock.now()
    )

    looking = asyncio.create_task(registry.log_of(turn.generation))
    await asyncio.sleep(0.05)
    provider = Controlled()
    running = registry.start(turn.generation, provider, turn.prompt)

    assert await looking is running


async def test_an_answer_of_another_process_is_not_waited_for(bob, registry, monkeypatch):
    monkeypatch.setattr(generations, "STARTS_WITHIN_SECONDS", 60)
    question = turns.Question("r1", "c1", "m1", None, "Hello")
    turn = await in_store(turns.begin)(bob, question, None, owner="other:1", now=clock.now())

    assert await asyncio.wait_for(registry.log_of(turn.generation), 5) is None


# --- The longest time for an answer ---------------------------------------------------------------
async def test_an_answer_ends_at_its_deadline_and_keeps_what_came(bob, registry, settings):
    settings.ANSWER_DEADLINE_SECONDS = 0.1
    provider, generation = await start(registry, bob)
    provider.say(TextDelta("a"))

    events = await asyncio.wait_for(followed(generation), 5)

    message = "This answer took too long and was ended here. Try again."
    assert events == [TextDelta("a"), Failed("deadline", message, retryable=True)]
    assert generation.status == GenerationStatus.FAILED
    assert generation.error["code"] == "deadline"
    assert provider.is_closed
    assert (await saved_answer()).content == "a"


async def test_the_deadline_ends_the_wait_for_a_second_try(bob, registry, settings, monkeypatch):
    settings.ANSWER_DEADLINE_SECONDS = 0.1
    monkeypatch.setattr(engine, "SHORTEST_PAUSE_SECONDS", 60.0)

    provider, generation = await start(registry, bob)
    provider.say(NetworkError("Acme"))
    events = await asyncio.wait_for(followed(generation), 5)

    assert [type(event) for event in events] == [Retrying, Failed]
    assert events[-1].code == "deadline"


async def test_the_deadline_ends_an_answer_that_never_waits(bob, registry, settings):
    async def endless(_prompt):
        while True:
            # Long enough for the timer to have its turn, whatever else runs.
            await asyncio.sleep(0)
            yield TextDelta("a")

    settings.ANSWER_DEADLINE_SECONDS = 0.1
    provider, generation = await start(registry, bob)
    provider.answer = endless

    *_, last = await asyncio.wait_for(followed(generation), 5)

    assert last.code == "deadline"


async def test_who_stops_an_answer_at_its_deadline_is_obeyed(bob, registry, settings):
    async def slow_to_end(_prompt):
        try:
            yield TextDelta("a")
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            # Meanwhile somebody asks to stop as well.
            generation.stop()
            raise

    settings.ANSWER_DEADLINE_SECONDS = 0.1
    provider, generation = await start(registry, bob)
    provider.answer = slow_to_end

    await asyncio.wait_for(followed(generation), 5)

    assert generation.status == GenerationStatus.STOPPED


# --- Followers ------------------------------------------------------------------------------------
async def test_a_follower_gets_every_event_and_then_the_end(bob, registry):
    provider, generation = await start(registry, bob)
    follower = asyncio.create_task(followed(generation))
    events = [TextDelta("a"), TextDelta("b"), Usage(1, 0, 0, 2), Finished("stop")]

    provider.say(*events)

    assert await asyncio.wait_for(follower, 5) == events
    assert generation.status == GenerationStatus.DONE
    assert (await saved_answer()).content == "ab"


async def test_followers_that_come_late_miss_nothing_and_repeat_nothing(bob, registry):
    provider, generation = await start(registry, bob)
    provider.say(*(TextDelta(str(n)) for n in range(5)))
    await until(lambda: generation.seq == 5)

    late = asyncio.create_task(followed(generation, after=3))
    await asyncio.sleep(0)
    provider.say(TextDelta("5"), Finished("stop"))

    assert await asyncio.wait_for(late, 5) == [
        TextDelta("3"),
        TextDelta("4"),
        TextDelta("5"),
        Finished("stop"),
    ]


async def test_a_slow_follower_slows_nobody_and_finds_everything(bob, registry):
    provider, generation = await start(registry, bob)
    batches = []

    async def slowly() -> None:
        async for batch in generation.follow(0):
            batches.append(batch)
            await asyncio.sleep(0.05)

    slow = asyncio.create_task(slowly())
    fast = asyncio.create_task(followed(generation))
    for n in range(100):
        provider.say(TextDelta(str(n)))
        await asyncio.sleep(0)
    provider.say(Finished("stop"))

    assert len(await asyncio.wait_for(fast, 5)) == 101
    await asyncio.wait_for(slow, 5)
    assert [event for batch in batches for event in batch] == generation.events
    assert len(batches) < 10


async def test_nobody_has_to_watch_for_an_answer_to_be_saved(bob, registry):
    provider, generation = await start(registry, bob)

    provider.say(TextDelta("Hi."), Finished("stop"))
    await until(lambda: registry.find(generation.id) is None)

    answer = await saved_answer()
    assert (answer.content, answer.status) == ("Hi.", "complete")


async def test_a_follower_that_leaves_ends_nothing(bob, registry):
    provider, generation = await start(registry, bob)
    follower = asyncio.create_task(followed(generation))
    provider.say(TextDelta("a"))
    await until(lambda: generation.seq == 1)

    follower.cancel()
    provider.say(TextDelta("b"), Finished("stop"))
    await until(lambda: not generation.is_running)

    assert (await saved_answer()).content == "ab"


async def test_stop_closes_the_provider_and_keeps_what_was_written(bob, registry):
    provider, generation = await start(registry, bob)
    provider.say(TextDelta("Half an"))
    await until(lambda: generation.seq == 1)

    generation.stop()
    await until(lambda: not generation.is_running)

    assert provider.is_closed
    answer = await saved_answer()
    assert (answer.content, answer.status) == ("Half an", "stopped")


async def test_stop_before_the_first_word(bob, registry):
    _provider, generation = await start(registry, bob)

    generation.stop()
    await until(lambda: not generation.is_running)

    assert (await saved_answer()).status == "stopped"


async def test_a_failure_is_saved_with_its_reason_and_the_text_so_far(bob, registry):
    provider, generation = await start(registry, bob)

    provider.say(TextDelta("Half"), Failed("overloaded", "Too busy.", retryable=True))
    provider.queue.put_nowait(Finished("stop"))
    await until(lambda: not generation.is_running)

    answer = await saved_answer()
    assert (answer.content, answer.status) == ("Half", "failed")
    assert answer.error == {
        "code": "overloaded",
        "message": "Too busy.",
        "retryable": True,
        "retryAfter": None,
    }


async def test_going_down_saves_what_runs_as_interrupted(bob, registry):
    provider, generation = await start(registry, bob)
    provider.say(ReasoningDelta("Hm."), TextDelta("Half"))
    await until(lambda: generation.seq == 2)

    await registry.close()

    answer = await saved_answer()
    assert (answer.content, answer.status) == ("Half", "interrupted")


@pytest.mark.parametrize("together", [20, 0])
async def test_a_running_answer_is_saved_on_the_way(together, bob, registry, monkeypatch):
    monkeypatch.setattr(generations, "SAVE_SECONDS", 0.05)
    # Alone it is among few; with none allowed together it is among many, each in its turn.
    monkeypatch.setattr(generations, "SAVED_TOGETHER", together)
    provider, generation = await start(registry, bob)
    begun = generation.record.heartbeat_at
    provider.say(ReasoningDelta("Hm."), TextDelta("Half"))

    async def saved() -> Generation:
        return await in_store(Generation.objects.get)()

    async with asyncio.timeout(5):
        while (record := await saved()).seq < 2:
            await asyncio.sleep(0.02)

    assert (record.text, record.reasoning, record.status) == ("Half", "Hm.", "running")
    assert record.heartbeat_at > begun


async def test_hearts_beat_while_what_others_left_behind_takes_long(bob, monkeypatch):
    monkeypatch.setattr(generations, "SAVE_SECONDS", 0.05)
    looking = asyncio.Event()

    async def never_ends(_registry) -> bool:
        looking.set()
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(generations.Registry, "_reap", never_ends)
    registry = generations.Registry()
    registry.open()
    _, generation = await start(registry, bob)
    await looking.wait()

    async def heard_of() -> bool:
        record = await in_store(Generation.objects.get)()
        return record.heartbeat_at > generation.record.heartbeat_at

    async with asyncio.timeout(5):
        while not await heard_of():
            await asyncio.sleep(0.02)
    await registry.close()


async def test_an_answer_waits_for_a_store_that_is_away(bob, registry, monkeypatch):
    monkeypatch.setattr(generations, "SAVE_SECONDS", 0.02)
    provider, generation = await start(registry, bob)
    real, tries = saving.finish, []

    def away_twice(*args, **kwargs) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("the store is away")
        real(*args, **kwargs)

    monkeypatch.setattr(saving, "finish", away_twice)
    provider.say(TextDelta("Hi."), Finished("stop"))
    await until(lambda: not generation.is_running)

    # On MongoDB the timer, which saves so often here, may be in the way of the third one as well.
    assert len(tries) >= 3
    assert (await saved_answer()).content == "Hi."
    assert generation.status == "done"


async def test_an_answer_that_other_writers_are_in_the_way_of_waits_for_them(
    bob, registry, monkeypatch
):
    provider, generation = await start(registry, bob)
    real, tries = saving.finish, []

    def in_the_way_once(*args, **kwargs) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise conflict()
        real(*args, **kwargs)

    monkeypatch.setattr(saving, "finish", in_the_way_once)
    provider.say(TextDelta("Hi."), Finished("stop"))
    await until(lambda: not generation.is_running)

    assert generation.status == "done"
    assert (await saved_answer()).content == "Hi."


async def test_an_answer_that_the_store_refuses_is_saved_without_its_tools(
    bob, registry, monkeypatch
):
    provider, generation = await start(registry, bob)
    real = saving.finish

    def refuse_tools(progress, *args, **kwargs) -> None:
        if progress.tools:
            raise IntegrityError("no such value")
        real(progress, *args, **kwargs)

    monkeypatch.setattr(saving, "finish", refuse_tools)
    provider.say(TextDelta("Hi."), ToolCall("t1", "clock", "{}"), Finished("stop"))
    await until(lambda: not generation.is_running)

    assert (generation.status, generation.error["code"]) == (GenerationStatus.FAILED, "not_saved")
    answer = await saved_answer()
    assert (answer.content, answer.status) == ("Hi.", "failed")


async def test_an_answer_that_cannot_be_saved_at_all_is_never_told_to_be_done(
    bob, registry, monkeypatch
):
    provider, generation = await start(registry, bob)

    def refuse(*_args, **_kwargs) -> None:
        raise IntegrityError("never")

    monkeypatch.setattr(saving, "finish", refuse)
    provider.say(TextDelta("Hi."), Finished("stop"))
    await until(lambda: not generation.is_running)

    assert (generation.status, generation.error["code"]) == (GenerationStatus.FAILED, "not_saved")


async def test_a_question_whose_asker_goes_away_is_answered(openai_models, registry, bob):
    asked = turns.Question("r1", "c1", "m1", None, "Hello")
    is_saving, has_gone = threading.Event(), threading.Event()

    def begin() -> None:
        is_saving.set()
        has_gone.wait(5)
        registry.begin(bob, asked, None)

    waiting = asyncio.create_task(in_store(begin)())
    await until(is_saving.is_set)
    waiting.cancel()
    has_gone.set()

    async with asyncio.timeout(5):
        while not await in_store(
            Message.objects.filter(status="complete", role="assistant").exists
        )():
            # The provider answers over a real connection.
            await asyncio.sleep(0.02)


async def test_a_process_that_is_going_down_begins_nothing(registry, bob):
    await registry.close()
    # A socket that was let in a moment before.
    registry.open()

    with pytest.raises(turns.TurnRefused) as caught:
        await in_store(registry.begin)(bob, turns.Question("r1", "c1", "m1", None, "Hello"), None)

    assert caught.value.code == "restarting"
    assert not await in_store(Message.objects.exists)()


async def test_the_timer_interrupts_what_a_dead_process_left(bob, registry, monkeypatch):
    told: list[tuple[str, dict]] = []
    monkeypatch.setattr(generations, "SAVE_SECONDS", 0.02)
    monkeypatch.setattr(generations.sockets, "tell", lambda *news: told.append(news))
    long_ago = clock.now() - 2 * saving.SILENCE
    turn = await in_store(turns.begin)(
        bob,
        turns.Question("r1", "c1", "m1", None, "Hello"),
        None,
        owner="dead:1",
        now=long_ago,
    )

    registry.open()

    async with asyncio.timeout(5):
        while not told:
            await asyncio.sleep(0.02)
    assert await in_store(Message.objects.filter(status="interrupted").exists)()
    assert told == [(str(bob.pk), {"type": "ended", "generationId": str(turn.generation.pk)})]
