"""Frames: what is let in, and what goes out."""

import json
from typing import get_args, get_type_hints

import pytest
from django.conf import settings

from assistant import client_frames, frames
from assistant.client_frames import BadFrame, parse
from assistant.events import (
    ReasoningDelta,
    ReasoningSignature,
    RedactedReasoning,
    Retrying,
    TextDelta,
    ToolCall,
    Usage,
)

SEND = {
    "type": "send",
    "requestId": "r1",
    "conversationId": "c1",
    "messageId": "m1",
    "parentId": None,
    "text": "Hello",
    "model": None,
}


def test_a_whole_frame_is_taken_as_it_is():
    assert parse(json.dumps(SEND)) == SEND


def test_a_field_that_may_be_null_may_be_missing():
    short = {name: value for name, value in SEND.items() if value is not None}

    assert parse(json.dumps(short)) == SEND


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        ("", "malformed", None),
        ("no json", "malformed", None),
        ("[]", "malformed", None),
        ('"send"', "malformed", None),
        ("[" * 10_000, "malformed", None),
        ('{"type": "send", "text": "\\ud800"}', "malformed", None),
        ("{}", "unknown_type", "type"),
        ('{"type": ["send"]}', "unknown_type", "type"),
        ('{"type": {"$gt": ""}}', "unknown_type", "type"),
        ('{"type": "delete"}', "unknown_type", "type"),
        ('{"type": "ping", "now": 1}', "unknown_field", "now"),
    ],
)
def test_what_is_no_frame_is_refused(raw, code, field):
    with pytest.raises(BadFrame) as caught:
        parse(raw)

    assert (caught.value.code, caught.value.field) == (code, field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requestId", ""),
        ("requestId", "a b"),
        ("requestId", "x" * 65),
        ("requestId", "a\n"),
        ("requestId", {"$gt": ""}),
        ("conversationId", None),
        ("conversationId", 7),
        ("messageId", "../x"),
        ("parentId", "é"),
        ("text", ""),
        ("text", "  \n "),
        ("text", "a\u0000b"),
        ("text", ["a"]),
        ("text", "x" * (client_frames.MAX_TEXT_CHARACTERS + 1)),
        ("model", ""),
        ("model", 1),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_field(field, value):
    with pytest.raises(BadFrame) as caught:
        parse(json.dumps({**SEND, field: value}))

    assert (caught.value.code, caught.value.field) == ("invalid", field)


def test_a_missing_field_is_named():
    with pytest.raises(BadFrame, match="requestId"):
        parse('{"type": "send", "conversationId": "c1"}')


def test_a_frame_over_the_limit_is_refused_by_bytes_not_characters():
    text = "€" * (client_frames.MAX_FRAME_BYTES // 3)

    with pytest.raises(BadFrame) as caught:
        parse(json.dumps({**SEND, "text": text}, ensure_ascii=False))

    assert caught.value.code == "too_large"


def test_the_longest_message_fits_into_a_frame():
    text = "€" * client_frames.MAX_TEXT_CHARACTERS

    assert parse(json.dumps({**SEND, "text": text}, ensure_ascii=False))["text"] == text


def test_the_answer_to_a_bad_frame_carries_its_request():
    with pytest.raises(BadFrame) as caught:
        parse(json.dumps({**SEND, "text": 1}))

    assert caught.value.frame()["requestId"] == "r1"


def test_neighbouring_deltas_become_one_frame_and_keep_the_sequence():
    events = [
        TextDelta("a"),
        TextDelta("b"),
        ReasoningDelta("c"),
        ToolCall("t1", "search", "{}"),
        Usage(1),
        TextDelta("d"),
    ]

    out = frames.delta_frames("g1", 10, events)

    assert [(f["type"], f.get("channel"), f.get("text"), f["seq"]) for f in out] == [
        ("delta", "text", "ab", 12),
        ("delta", "reasoning", "c", 13),
        ("toolCall", None, None, 14),
        ("delta", "text", "d", 16),
    ]


def test_a_second_try_is_a_frame_of_its_own():
    (frame,) = frames.delta_frames("g1", 4, [Retrying("Away. Asking again in 1 second.", 0.7)])

    assert frame == {
        "type": "retrying",
        "generationId": "g1",
        "seq": 5,
        "message": "Away. Asking again in 1 second.",
        "seconds": 0.7,
    }


def test_what_only_the_provider_reads_counts_and_is_not_sent():
    events = [ReasoningDelta("a"), ReasoningSignature("s"), RedactedReasoning("d"), TextDelta("b")]

    out = frames.delta_frames("g1", 0, events)

    assert [(f["channel"], f["text"], f["seq"]) for f in out] == [
        ("reasoning", "a", 3),
        ("text", "b", 4),
    ]


def test_every_frame_is_documented():
    text = (settings.BASE_DIR / "docs" / "stream-protocol.md").read_text(encoding="utf-8")
    every = (*get_args(client_frames.ClientFrame), *get_args(frames.ServerFrame))

    for frame in every:
        (kind,) = get_args(get_type_hints(frame)["type"])
        section = text.partition(f"### `{kind}`")[2].partition("\n##")[0]
        assert section, f"`{kind}` has no section"
        fields = [name for name in get_type_hints(frame) if name != "type"]
        assert [name for name in fields if f"`{name}`" not in section] == []
        assert f'"type": "{kind}"' in section
