"""A turn in the store, on SQLite and on MongoDB."""

from datetime import timedelta

import pytest

from analytics import recording, spool
from assistant import saving, turns
from assistant.events import ReasoningDelta, TextDelta, Usage
from assistant.metering import state_from
from assistant.models import Generation, GenerationStatus
from assistant.providers.base import PromptMessage
from assistant.saving import Progress
from assistant.turns import Question, TurnRefused
from chatcore import clock, limits
from chatcore.env import Rate
from conversations.models import Conversation, Message
from tests.assistant.calls import called
from tests.at_once import at_once

pytestmark = pytest.mark.usefixtures("openai_models")

MODEL = "openai:gpt-test"
NOW = clock.now()


def question(request_id="r1", message_id="m1", text="Hello", parent_id=None, conversation_id="c1"):
    return Question(request_id, conversation_id, message_id, parent_id, text)


def begin(user, asked=None, now=NOW):
    return turns.begin(user, asked or question(), MODEL, owner="test:1", now=now)


def reap(now, ours=()):
    return saving.interrupt(saving.silent(now, ours=ours), now)


def finish(turn, text="Hi.", status=GenerationStatus.DONE, **fields):
    options = {"error": None, "now": NOW, **fields}
    calls = called(turn, text, status, options.pop("usage", None), options["error"])
    saving.finish(Progress(turn.generation.pk, 3, text, ""), status, calls=calls, **options)


def stored(client_id: str) -> Message:
    return Message.objects.get(client_id=client_id)


def test_the_question_is_saved_before_anything_is_asked(bob):
    turn = begin(bob)

    saved = stored("m1")
    assert (saved.content, saved.role, saved.seq, saved.parent_id) == ("Hello", "user", 1, None)
    assert saved.parts == [{"type": "text", "text": "Hello"}]
    assert turn.conversation.title == "Hello"
    assert turn.conversation.organization_id == bob.organization_id
    assert turn.generation.status == GenerationStatus.RUNNING
    assert turn.prompt.messages == (PromptMessage("user", "Hello"),)
    assert turn.is_new


def test_the_same_request_again_begins_nothing(bob):
    first = begin(bob)

    again = begin(bob)

    assert again.generation.pk == first.generation.pk
    assert not again.is_new
    assert (Message.objects.count(), Generation.objects.count()) == (1, 1)


def test_a_question_over_the_limit_is_refused_and_nothing_is_saved(bob, settings, time_machine):
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)
    settings.ASSISTANT_LIMIT = Rate(2, 60)
    left = [begin(bob, question(f"r{n}", f"m{n}")) for n in range(2)]

    with pytest.raises(TurnRefused) as refused:
        begin(bob, question("r9", "m9"))

    assert len(left) == Generation.objects.count() == Message.objects.count() == 2
    assert refused.value.code == "rate_limited"
    wait = refused.value.retry_after
    assert 1 <= wait <= 60
    assert str(refused.value) == (
        f"You have sent many questions. You can send again in {limits.in_words(wait)}."
    )
    time_machine.shift(wait)
    assert begin(bob, question("r9", "m9")).is_new


def test_a_repeated_request_is_never_refused(bob, settings):
    settings.ASSISTANT_LIMIT = Rate(1, 60 * 60)
    first = begin(bob)

    again = [begin(bob) for _ in range(3)]

    assert [turn.generation.pk for turn in again] == [first.generation.pk] * 3
    assert [turn.is_new for turn in again] == [False] * 3


def test_one_persons_limit_is_not_anothers(bob, dave, settings):
    settings.ASSISTANT_LIMIT = Rate(1, 60 * 60)
    begin(bob)

    assert begin(dave).is_new


def test_one_persons_request_id_is_not_anothers(bob, carol):
    first, other = begin(bob), begin(carol)

    assert other.is_new
    assert other.generation.pk != first.generation.pk


@pytest.mark.django_db(transaction=True)
def test_the_same_request_at_the_same_moment_begins_one_turn(bob):
    results: list[turns.Turn] = []

    def run(_number: int) -> None:
        results.append(begin(bob))

    at_once(4, run)

    assert sorted(turn.is_new for turn in results) == [False, False, False, True]
    assert len({turn.generation.pk for turn in results}) == 1
    assert (Message.objects.count(), Generation.objects.count()) == (1, 1)


def test_the_model_reads_its_own_branch_only(bob):
    first = begin(bob)
    finish(first, "Hi.")
    another = begin(bob, question("r2", "m1", None))
    finish(another, "Good day.")

    turn = begin(bob, question("r3", "m2", "And now?", another.generation.answer_id))

    assert turn.prompt.messages == (
        PromptMessage("user", "Hello"),
        PromptMessage("assistant", "Good day."),
        PromptMessage("user", "And now?"),
    )


def test_an_answer_that_failed_before_its_first_word_is_not_told_to_the_model(bob):
    first = begin(bob)
    finish(first, "", GenerationStatus.FAILED, error={"code": "network"})

    turn = begin(bob, question("r2", "m2", "Still there?", first.generation.answer_id))

    # One question: some servers refuse two messages of one role in a row.
    assert turn.prompt.messages == (PromptMessage("user", "Hello\n\nStill there?"),)


def test_a_blank_answer_is_not_told_to_the_model(bob):
    first = begin(bob)
    finish(first, " \n")

    turn = begin(bob, question("r2", "m2", "Still there?", first.generation.answer_id))

    assert [message.role for message in turn.prompt.messages] == ["user"]


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_ask_for_another_answer_at_once_get_one(bob):
    finish(begin(bob))
    outcomes: list[str] = []

    def run(number: int) -> None:
        try:
            begin(bob, question(f"again-{number}", "m1", None))
            outcomes.append("began")
        except TurnRefused as error:
            outcomes.append(error.code)

    at_once(4, run)

    assert sorted(outcomes) == ["already_running"] * 3 + ["began"]
    assert Generation.objects.running().count() == 1


def test_a_question_that_is_being_answered_is_not_answered_twice(bob):
    begin(bob)

    with pytest.raises(TurnRefused) as caught:
        begin(bob, question("r2", "m1", None))

    assert caught.value.code == "already_running"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        # Another text under an id that is taken
        (question("r2", "m1", "Something else"), "conflict"),
        (question("r2", "m2", "Next", "nowhere"), "not_found"),
        (question("r2", "nowhere", None), "not_found"),
        (question("r2", "m1", None, None, "no-such-chat"), "not_found"),
    ],
)
def test_a_turn_that_makes_no_sense_changes_nothing(asked, code, bob):
    finish(begin(bob))
    before = (Message.objects.count(), Conversation.objects.count())

    with pytest.raises(TurnRefused) as caught:
        begin(bob, asked)

    assert caught.value.code == code
    assert (Message.objects.count(), Conversation.objects.count()) == before


def test_an_answer_cannot_be_asked_for_an_answer(bob):
    first = begin(bob)
    finish(first)

    with pytest.raises(TurnRefused, match="another message with this id"):
        begin(bob, question("r2", first.generation.answer_id, None))


def test_somebody_elses_chat_cannot_be_written_to(bob, carol):
    begin(bob)

    theirs = begin(carol)

    assert Conversation.objects.count() == 2
    assert theirs.conversation.user_id == carol.pk
    assert [message.text for message in theirs.prompt.messages] == ["Hello"]


def test_a_chat_in_the_trash_takes_no_questions(bob):
    turn = begin(bob)
    finish(turn)
    turn.conversation.soft_delete(NOW)

    with pytest.raises(TurnRefused) as caught:
        begin(bob, question("r2", "m2", "Next", "m1"))

    assert caught.value.code == "deleted"


@pytest.mark.parametrize(
    ("status", "message_status"),
    [
        (GenerationStatus.DONE, "complete"),
        (GenerationStatus.STOPPED, "stopped"),
        (GenerationStatus.FAILED, "failed"),
        (GenerationStatus.INTERRUPTED, "interrupted"),
    ],
)
def test_the_answer_is_saved_whatever_the_end_was(status, message_status, bob):
    turn = begin(bob)
    error = {"code": "network", "message": "Broken."}

    finish(turn, "Half an ans", status, error=error, usage=Usage(10, 0, 0, 5))

    answer = stored(turn.generation.answer_id)
    assert (answer.content, answer.status, answer.error) == ("Half an ans", message_status, error)
    assert (answer.parent_id, answer.role, answer.seq) == ("m1", "assistant", 2)
    # What is estimated of an answer that was cut short is in the totals, but not told as a count.
    counted = 5 if status == GenerationStatus.DONE else None
    assert (answer.model, answer.token_count) == ("openai:gpt-test", counted)
    conversation = Conversation.objects.get()
    assert (conversation.message_count, conversation.metadata) == (2, {"totalTokens": 15})
    assert Generation.objects.get().status == status


def test_finishing_twice_saves_and_counts_once(bob):
    turn = begin(bob)

    for _ in range(2):
        finish(turn, usage=Usage(10, 0, 0, 5))

    conversation = Conversation.objects.get()
    assert (conversation.message_count, conversation.metadata) == (2, {"totalTokens": 15})


def test_a_call_that_the_ledger_takes_late_is_added_to_its_answer_once(
    bob, monkeypatch, settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    turn = begin(bob)
    with monkeypatch.context() as refusing:
        refusing.setattr(recording, "append", lambda _rows: 1 / 0)
        finish(turn, usage=Usage(10, 0, 0, 5))
    before = Conversation.objects.get().metadata, stored(turn.generation.answer_id).token_count
    (waiting,) = spool.waiting()
    entry = waiting.read_bytes()

    for _ in range(2):
        # As if the process had been killed before it could forget the file.
        waiting.write_bytes(entry)
        assert recording.drain_spool(saving.recount)

    assert before == ({}, None)
    assert Conversation.objects.get().metadata == {"totalTokens": 15}
    assert stored(turn.generation.answer_id).token_count == 5
    assert Generation.objects.get().usage["output_tokens"] == 5
    assert spool.waiting() == []


def test_a_call_of_an_answer_that_still_runs_waits_for_its_end(bob, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    turn = begin(bob)
    (entry,) = called(turn, "Hi.", GenerationStatus.DONE, Usage(10, 0, 0, 5), None)
    spool.keep(entry)

    recording.drain_spool(saving.recount)
    before = len(spool.waiting()), len(recording.of_calls([entry.id]))
    saving.finish(
        Progress(turn.generation.pk, 3, "Hi.", ""), GenerationStatus.DONE, error=None, now=NOW
    )
    recording.drain_spool(saving.recount)

    assert before == (1, 1)
    assert spool.waiting() == []
    assert len(recording.of_calls([entry.id])) == 1
    assert Conversation.objects.get().metadata == {"totalTokens": 15}


def test_reasoning_is_a_part_of_its_own(bob):
    turn = begin(bob)

    saving.finish(
        Progress(turn.generation.pk, 2, "42", "Let me think."),
        GenerationStatus.DONE,
        error=None,
        now=NOW,
    )

    assert stored(turn.generation.answer_id).parts == [
        {"type": "reasoning", "text": "Let me think."},
        {"type": "text", "text": "42"},
    ]


def test_an_answer_to_a_chat_that_was_purged_is_dropped(bob):
    turn = begin(bob)
    Conversation.objects.all().delete()

    finish(turn)

    assert Message.objects.count() == 0


def test_what_is_saved_on_the_way_survives_its_process(bob):
    turn = begin(bob)
    saving.save_progress([Progress(turn.generation.pk, 7, "Half an", "Hm.")], NOW)

    interrupted = reap(NOW + timedelta(seconds=11))

    assert interrupted == [turn.generation.pk]
    answer = stored(turn.generation.answer_id)
    assert (answer.content, answer.status) == ("Half an", "interrupted")
    assert Generation.objects.get().seq == 7


def test_a_generation_that_was_heard_of_is_left_alone(bob):
    begin(bob)

    late = NOW + timedelta(seconds=60)

    assert reap(NOW + timedelta(seconds=9)) == []
    # Our own, after a minute without a store.
    assert reap(late, ours=[Generation.objects.get().pk]) == []
    assert Generation.objects.get().status == GenerationStatus.RUNNING


def test_an_answer_given_up_too_early_becomes_whole_when_its_process_wakes(bob):
    turn = begin(bob)
    reap(NOW + timedelta(seconds=60))

    finish(turn, "Whole.", usage=Usage(10, 0, 0, 5))

    answer = stored(turn.generation.answer_id)
    assert (answer.content, answer.status, answer.token_count) == ("Whole.", "complete", 5)
    assert Conversation.objects.get().metadata == {"totalTokens": 15}


def test_one_answer_that_cannot_be_kept_does_not_keep_the_others_from_it(bob, monkeypatch):
    first, second = begin(bob), begin(bob, question("r2", "m2", conversation_id="c2"))
    end = saving._end

    def refuse_first(generation, *args) -> None:
        if generation.pk == first.generation.pk:
            raise ValueError("never")
        end(generation, *args)

    monkeypatch.setattr(saving, "_end", refuse_first)

    assert reap(NOW + timedelta(seconds=60)) == [second.generation.pk]
    assert Generation.objects.get(pk=second.generation.pk).status == "interrupted"


def test_a_question_cannot_take_the_id_of_an_answer(bob):
    first = begin(bob)

    with pytest.raises(TurnRefused) as caught:
        begin(bob, question("r2", first.generation.answer_id, "Mine now", "m1"))

    assert caught.value.code == "conflict"


def test_progress_of_an_ended_generation_changes_nothing(bob):
    turn = begin(bob)
    finish(turn, "Whole.")

    saving.save_progress([Progress(turn.generation.pk, 1, "Who", "")], NOW)

    generation = Generation.objects.get()
    assert (generation.seq, generation.text) == (3, "")
    assert stored(turn.generation.answer_id).content == "Whole."


def test_a_model_that_is_not_offered_begins_nothing(bob):
    with pytest.raises(TurnRefused) as caught:
        turns.begin(bob, question(), "openai:gpt-9", owner="test:1", now=NOW)

    assert caught.value.code == "unknown_model"
    assert Conversation.objects.count() == 0


def test_a_request_that_was_saved_is_found_though_its_model_is_gone(bob, settings):
    first = begin(bob)
    settings.OPENAI_MODELS = ["gpt-newer"]

    again = begin(bob)

    assert again.generation.pk == first.generation.pk


# --- Going on from an answer that ended early -----------------------------------------------------
def interrupted(user, text="Half an", reasoning="Hm.") -> turns.Turn:
    turn = begin(user)
    progress = Progress(turn.generation.pk, 3, text, reasoning)
    saving.finish(progress, GenerationStatus.INTERRUPTED, error=None, now=NOW)
    return turn


def go_on(user, answer_id, request_id="r2") -> turns.Turn:
    asked = Question(request_id, "c1", answer_id, None, None, continues=True)
    return begin(user, asked)


def test_an_interrupted_answer_is_gone_on_from_in_a_branch_of_its_own(bob):
    first = interrupted(bob)

    turn = go_on(bob, first.generation.answer_id)

    assert turn.generation.parent_id == "m1"
    assert turn.generation.answer_id != first.generation.answer_id
    assert turn.begins_with == (ReasoningDelta("Hm."), TextDelta("Half an"))
    assert turn.prompt.messages == (
        PromptMessage("user", "Hello"),
        PromptMessage("assistant", "Half an"),
        PromptMessage("user", turns.GO_ON),
    )
    assert stored(first.generation.answer_id).content == "Half an"


def test_what_was_there_is_kept_should_the_process_be_killed_at_once(bob):
    turn = go_on(bob, interrupted(bob).generation.answer_id)

    reap(NOW + timedelta(seconds=60))

    answer = stored(turn.generation.answer_id)
    assert (answer.content, answer.status) == ("Half an", "interrupted")
    assert [part["type"] for part in answer.parts] == ["reasoning", "text"]


def test_only_an_answer_that_ended_early_with_text_is_gone_on_from(bob):
    complete = begin(bob)
    finish(complete, "Whole.")
    empty = begin(bob, question("r2", "m1"))
    finish(empty, "", status=GenerationStatus.STOPPED)

    refused = []
    for answer_id in (complete.generation.answer_id, empty.generation.answer_id, "m1", "m9"):
        with pytest.raises(TurnRefused) as caught:
            go_on(bob, answer_id, "r3")
        refused.append(caught.value.code)

    assert refused == ["conflict", "conflict", "not_found", "not_found"]


# --- How many at once, and what they used ---------------------------------------------------------
def test_a_person_has_so_many_answers_running_and_no_more(bob, alice, settings):
    settings.RUNNING_LIMIT = 2
    first = begin(bob, question("r1", "m1", conversation_id="c1"))
    begin(bob, question("r2", "m2", conversation_id="c2"))

    with pytest.raises(TurnRefused) as caught:
        begin(bob, question("r3", "m3", conversation_id="c3"))

    assert caught.value.code == "too_many_running"
    assert str(caught.value) == "You have 2 answers running. Wait for one of them, or stop one."
    assert not Conversation.objects.filter(client_id="c3").exists()
    assert begin(alice, question("r4", "m4", conversation_id="c4")).is_new
    # The same request again is no further answer.
    assert not begin(bob, question("r1", "m1", conversation_id="c1")).is_new
    finish(first)
    assert begin(bob, question("r3", "m3", conversation_id="c3")).is_new


USED = Usage(10, 0, 0, 5)


@pytest.mark.parametrize(
    ("status", "usage", "text", "recorded", "source"),
    [
        (GenerationStatus.DONE, USED, "Forty-two.", (10, 5), "provider"),
        # "Hello" is 5 characters, "Forty-two." 10: of 4 to a token, rounded up.
        (GenerationStatus.DONE, None, "Forty-two.", (2, 3), "estimated"),
        (GenerationStatus.STOPPED, None, "Forty-two.", (2, 3), "estimated"),
        # Anthropic counts the input at the start, and of the output one token.
        (GenerationStatus.STOPPED, Usage(10, 0, 0, 1), "Forty-two.", (10, 3), "estimated"),
        (GenerationStatus.FAILED, None, "Forty", (2, 2), "estimated"),
        (GenerationStatus.FAILED, None, "", None, ""),
    ],
)
def test_usage_is_the_providers_or_an_estimate_that_says_so(
    bob, status, usage, text, recorded, source
):
    turn = begin(bob)

    finish(turn, text, status, usage=usage)

    generation = Generation.objects.get()
    used = generation.usage and (
        generation.usage["input_tokens"],
        generation.usage["output_tokens"],
    )
    assert (used, generation.usage_source) == (recorded, source)


def test_usage_of_a_process_that_was_killed_is_estimated(bob):
    turn = begin(bob)
    call = state_from(turn.generation.call)
    saving.save_progress([Progress(turn.generation.pk, 7, "Half an", "Hm.", (), call)], NOW)

    reap(NOW + timedelta(seconds=60))

    generation = Generation.objects.get()
    assert (generation.usage["output_tokens"], generation.usage_source) == (3, "estimated")


def test_a_replay_that_knows_more_than_the_store_is_kept(bob):
    turn = begin(bob)
    key = turn.generation.pk
    saving.save_progress([Progress(key, 2, "Half", "")], NOW)
    late = NOW + timedelta(seconds=60)

    saving.interrupt([key], late, replays={key: Progress(key, 3, "Half an", "")})

    assert stored(turn.generation.answer_id).content == "Half an"
    assert Generation.objects.get().seq == 3


# --- Stopping from another process ----------------------------------------------------------------
def test_a_process_finds_which_of_its_answers_are_to_be_stopped(bob):
    ours, theirs = begin(bob), begin(bob, question("r2", "m2", conversation_id="c2"))
    ended = begin(bob, question("r3", "m3", conversation_id="c3"))
    finish(ended)
    keys = [turn.generation.pk for turn in (ours, theirs, ended)]

    for key in keys:
        saving.ask_to_stop(key)

    assert saving.asked_to_stop({keys[0], keys[2]}) == {keys[0]}


def test_how_answers_ended_is_known_of_those_that_did(bob):
    running, failed = begin(bob), begin(bob, question("r2", "m2", conversation_id="c2"))
    finish(failed, status=GenerationStatus.FAILED, error={"code": "network"})
    gone = begin(bob, question("r3", "m3", conversation_id="c3"))
    Conversation.objects.filter(client_id="c3").delete()
    keys = [turn.generation.pk for turn in (running, failed, gone)]

    assert saving.ended(keys) == {
        keys[1]: ("failed", {"code": "network"}),
        keys[2]: ("interrupted", None),
    }
