"""Events as chunks of the AI SDK's UI message stream."""

import pytest

from assistant.events import (
    Failed,
    Finished,
    ReasoningDelta,
    ReasoningSignature,
    RedactedReasoning,
    Retrying,
    TextDelta,
    ToolCall,
    Usage,
)
from assistant.ui_messages import START, Answer, Position, Translation

ANSWER = Answer(
    id="answer-1",
    generation_id="g1",
    conversation_id="c1",
    question_id="m1",
    model="openai:gpt-test",
)
LOG = [
    ReasoningDelta("Let me "),
    ReasoningDelta("think."),
    TextDelta("The "),
    TextDelta("answer"),
    ToolCall("call_1", "search", '{"query": "answer"}'),
    TextDelta(" is 42."),
    Usage(input_tokens=10, output_tokens=5, reasoning_tokens=2),
    Finished("stop"),
]
BEGINNING = [
    {
        "type": "start",
        "messageId": "answer-1",
        "messageMetadata": {
            "conversationId": "c1",
            "generationId": "g1",
            "questionId": "m1",
            "model": "openai:gpt-test",
        },
    },
    {"type": "start-step"},
]


def translate(*batches, after=START, status="done", error=None):
    """All chunks with their positions as text."""
    translation = Translation(ANSWER, after)
    placed = translation.begin()
    for batch in batches:
        placed += translation.add(batch)
    placed += translation.end(status, error)
    return [(str(position), chunk) for position, chunk in placed]


def chunks_of(*batches, **how):
    return [chunk for _, chunk in translate(*batches, **how)]


def ending(status, error=None):
    return {"type": "message-metadata", "messageMetadata": {"status": status, "error": error}}


def test_an_answer_is_blocks_in_a_step_of_a_message():
    chunks = chunks_of(LOG)

    assert chunks == [
        *BEGINNING,
        {"type": "reasoning-start", "id": "1"},
        {"type": "reasoning-delta", "id": "1", "delta": "Let me think."},
        {"type": "reasoning-end", "id": "1"},
        {"type": "text-start", "id": "2"},
        {"type": "text-delta", "id": "2", "delta": "The answer"},
        {"type": "text-end", "id": "2"},
        {
            "type": "tool-input-start",
            "toolCallId": "call_1",
            "toolName": "search",
            "dynamic": True,
        },
        {
            "type": "tool-input-available",
            "toolCallId": "call_1",
            "toolName": "search",
            "dynamic": True,
            "input": {"query": "answer"},
        },
        {"type": "text-start", "id": "3"},
        {"type": "text-delta", "id": "3", "delta": " is 42."},
        {
            "type": "message-metadata",
            "messageMetadata": {
                "usage": {
                    "inputTokens": 10,
                    "cacheReadTokens": 0,
                    "cacheWriteTokens": 0,
                    "outputTokens": 5,
                    "reasoningTokens": 2,
                    "totalTokens": 15,
                }
            },
        },
        {"type": "text-end", "id": "3"},
        {"type": "finish-step"},
        ending("done"),
        {"type": "finish", "finishReason": "stop"},
    ]


def test_positions_are_those_of_the_log_and_the_parts_between_them():
    positions = [position for position, _ in translate(LOG)]

    assert positions == [
        *("0.1", "0.2", "0.3", "2"),
        *("2.1", "2.2", "4"),
        *("4.1", "4.2", "5"),
        *("5.1", "6", "7"),
        *("8.1", "8.2", "8.3", "8.4"),
    ]


def text_of(chunks):
    return [
        "".join(chunk["delta"] for chunk in chunks if chunk["type"] == f"{kind}-delta")
        for kind in ("reasoning", "text")
    ]


def without_deltas(chunks):
    return [chunk for chunk in chunks if not chunk["type"].endswith("-delta")]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_size_of_batches_changes_only_how_deltas_are_joined(size):
    batches = [LOG[i : i + size] for i in range(0, len(LOG), size)]

    chunks, whole = chunks_of(*batches), chunks_of(LOG)

    assert without_deltas(chunks) == without_deltas(whole)
    assert text_of(chunks) == text_of(whole)


def test_behind_any_position_comes_exactly_what_is_missing():
    singly = translate(*[[event] for event in LOG])
    places = [position for position, _ in singly]

    for number, place in enumerate(places):
        seq, _, part = place.partition(".")
        rest = translate(LOG, after=Position(int(seq), int(part or 0)))

        known = [chunk for _, chunk in singly[: number + 1]]
        together = known + [chunk for _, chunk in rest]
        assert without_deltas(together) == without_deltas(chunks_of(LOG))
        assert text_of(together) == text_of(chunks_of(LOG))


def test_a_joined_delta_does_not_reach_from_before_the_position_to_behind_it():
    log = [TextDelta("a"), TextDelta("b"), TextDelta("c"), TextDelta("d")]

    rest = translate(log, after=Position(2))

    assert rest[0] == ("4", {"type": "text-delta", "id": "1", "delta": "cd"})


def test_an_answer_that_was_stopped_ends_with_abort():
    chunks = chunks_of([TextDelta("The")], status="stopped")

    assert chunks[-4:] == [
        {"type": "text-end", "id": "1"},
        {"type": "finish-step"},
        ending("stopped"),
        {"type": "abort", "reason": "stopped"},
    ]


def test_a_failure_is_told_in_words_and_as_data():
    error = {"code": "network", "message": "It broke.", "retryable": True, "retryAfter": None}

    chunks = chunks_of([Failed("network", "It broke.", True)], status="failed", error=error)

    assert chunks == [
        *BEGINNING,
        {"type": "finish-step"},
        ending("failed", error),
        {"type": "error", "errorText": "It broke."},
        {"type": "finish", "finishReason": "error"},
    ]


def test_an_answer_whose_process_went_away_says_so():
    chunks = chunks_of([TextDelta("The")], status="interrupted")

    assert chunks[-2] == {
        "type": "error",
        "errorText": "The server was restarted before the answer was complete."
        " What was written is kept.",
    }


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [("stop", "stop"), ("length", "length"), ("tool_calls", "tool-calls")],
)
def test_the_reason_of_the_end_is_in_the_words_of_the_protocol(reason, finish_reason):
    chunks = chunks_of([Finished(reason)])

    assert chunks[-1] == {"type": "finish", "finishReason": finish_reason}


def test_arguments_that_are_no_json_are_an_error_of_the_tool_call():
    chunks = chunks_of([ToolCall("", "search", '{"query')])

    call = {"toolCallId": "call-1", "toolName": "search", "dynamic": True}
    assert chunks[2:4] == [
        {"type": "tool-input-start", **call},
        {
            "type": "tool-input-error",
            **call,
            "input": '{"query',
            "errorText": "The model wrote arguments that are no JSON.",
        },
    ]


def test_a_provider_that_is_asked_again_is_told_of_in_passing():
    chunks = chunks_of([Retrying("OpenAI is busy.", 2.0), TextDelta("The")])

    assert chunks[2:4] == [
        {
            "type": "data-retrying",
            "data": {"message": "OpenAI is busy.", "seconds": 2.0},
            "transient": True,
        },
        {"type": "text-start", "id": "1"},
    ]


def test_what_only_the_provider_may_read_is_not_sent():
    sealed = [ReasoningSignature("c2lnbmVk"), RedactedReasoning("ZGF0YQ==")]

    assert chunks_of(sealed) == chunks_of([])


def test_a_tool_that_needs_no_arguments_gets_none():
    chunks = chunks_of([ToolCall("call_1", "now", "")])

    assert chunks[3]["input"] == {}
