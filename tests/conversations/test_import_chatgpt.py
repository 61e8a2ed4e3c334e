"""Chats of ChatGPT's export as ours: trees, what is hidden, and whatever else stands there."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from conversations.importing import chatgpt
from conversations.importing.chats import SHORTENED, Unusable
from conversations.models import branch
from conversations.shapes import MAX_CONTENT_CHARACTERS, MAX_MESSAGE_BYTES
from tests.conversations.chatgpt import NOON, answer, chat, node, simple

NOW = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
OWNER = UUID("01900000-0000-7000-8000-000000000001")
OTHER = UUID("01900000-0000-7000-8000-000000000002")


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, UTC)


def convert(given, owner=OWNER):
    return chatgpt.convert(given, owner, NOW)


def tree(given) -> list[tuple[str, str | None]]:
    return [(each.client_id, each.parent_id) for each in convert(given).messages]


def contents(given) -> list[str]:
    return [each.content for each in convert(given).messages]


def shown(given) -> list[str]:
    """What the page shows: the branch that was written to last."""
    messages = convert(given).messages
    return [each.client_id for each in branch(messages, messages[-1].client_id)]


def test_a_question_and_its_answer_with_title_times_and_model():
    found = convert(simple("Cats"))

    assert (found.title, found.created_at, found.updated_at) == ("Cats", at(0), at(60))
    question, reply = found.messages
    assert (question.client_id, question.parent_id, question.role) == ("q1", None, "user")
    assert (question.content, question.parts) == ("q1", [{"type": "text", "text": "q1"}])
    assert (question.created_at, question.model, question.status) == (at(0), "", "complete")
    assert (reply.client_id, reply.parent_id, reply.role) == ("a1", "q1", "assistant")
    assert (reply.created_at, reply.model) == (at(5), "chatgpt:gpt-4o")


def test_the_id_of_a_chat_is_always_the_same_for_a_person_and_another_for_others():
    ids = [convert(simple("Cats"), owner).client_id for owner in (OWNER, OWNER, OTHER)]

    assert ids[0] == ids[1] != ids[2]
    assert convert(simple("Dogs")).client_id != ids[0]


def test_a_chat_without_an_id_is_known_by_its_nodes():
    nameless = {**simple(), "conversation_id": None}

    assert convert(nameless).client_id == convert({**nameless, "title": "Renamed"}).client_id


def test_other_answers_are_branches_and_the_current_one_is_shown():
    given = chat(
        node("q1", None, at=NOON),
        answer("a1", "q1", at=NOON + 1),
        answer("a2", "q1", at=NOON + 2),
        answer("a3", "q1", at=NOON + 3),
        current="a2",
    )

    assert tree(given) == [("q1", None), ("a1", "q1"), ("a3", "q1"), ("a2", "q1")]
    assert shown(given) == ["q1", "a2"]


def test_a_first_question_that_was_edited_is_a_branch_from_the_beginning():
    given = chat(
        *(node("q1", None, at=NOON), answer("a1", "q1", at=NOON + 1)),
        *(node("q2", None, at=NOON + 2), answer("a2", "q2", at=NOON + 3)),
        current="a1",
    )

    assert tree(given) == [("q1", None), ("q2", None), ("a2", "q2"), ("a1", "q1")]
    assert shown(given) == ["q1", "a1"]


def test_a_current_node_in_the_middle_shows_the_branch_below_it():
    given = chat(
        *(node("q1", None, at=NOON), answer("a1", "q1", at=NOON + 1)),
        *(node("q2", "a1", at=NOON + 2), answer("a2", "q2", at=NOON + 3)),
        *(node("q3", "a1", at=NOON + 4), answer("a3", "q3", at=NOON + 5)),
        current="q2",
    )

    assert shown(given) == ["q1", "a1", "q2", "a2"]


@pytest.mark.parametrize("current", ["unknown", 7, None])
def test_without_a_current_node_the_newest_branch_is_shown(current):
    given = {
        **chat(
            node("q1", None, at=NOON), answer("a1", "q1", at=NOON), answer("a2", "q1", at=NOON + 9)
        ),
        "current_node": current,
    }

    assert shown(given) == ["q1", "a2"]


def test_what_is_hidden_is_left_out_and_its_children_hang_above():
    hidden = {"is_visually_hidden_from_conversation": True}
    given = chat(
        node("s", None, "system", ""),
        node("profile", "s", content={"content_type": "user_editable_context"}),
        node("h", "profile", "assistant", "hidden", metadata=hidden),
        node("q1", "h", at=NOON),
        answer("search", "q1", "search(cats)", recipient="browser"),
        node("found", "search", "tool", "a page about cats"),
        answer("recap", "found", content={"content_type": "reasoning_recap", "content": "8 s"}),
        answer("inner", "recap", "to myself", channel="analysis"),
        answer("a1", "inner", "Cats!", at=NOON + 5),
        node("after", "a1", "tool", "a note"),
    )

    assert tree(given) == [("q1", None), ("a1", "q1")]
    assert contents(given) == ["q1", "Cats!"]
    assert shown(given) == ["q1", "a1"]


def test_the_steps_of_an_answer_are_one_message_with_its_thoughts():
    thoughts = {
        "content_type": "thoughts",
        "thoughts": [
            {"summary": "Looking", "content": "At the cats."},
            {"summary": "", "content": "All of them."},
            "odd",
        ],
    }
    given = chat(
        node("q1", None, at=NOON),
        answer("t", "q1", content=thoughts, at=NOON + 1),
        answer("p", "t", "Let me see.", at=NOON + 2),
        node("tool", "p", "tool", "output"),
        answer("a", "tool", "Three cats.", metadata={"model_slug": "o3"}, at=NOON + 9),
        node("q2", "a", at=NOON + 20),
    )

    _, reply, following = convert(given).messages

    assert reply.client_id == "t"
    assert reply.parts == [
        {"type": "reasoning", "text": "**Looking**\n\nAt the cats.\n\nAll of them."},
        {"type": "text", "text": "Let me see.\n\nThree cats."},
    ]
    assert reply.content == "Let me see.\n\nThree cats."
    assert (reply.model, reply.created_at) == ("chatgpt:o3", at(9))
    assert following.parent_id == "t"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"content_type": "text", "parts": ["one", "", "two"]}, "one\n\ntwo"),
        (
            {"content_type": "code", "language": "python", "text": "print('`')"},
            "```python\nprint('`')\n```",
        ),
        ({"content_type": "code", "language": "unknown", "text": "```"}, "````\n```\n````"),
        ({"content_type": "code", "language": "]x(\n", "text": "1"}, "```\n1\n```"),
        (
            {
                "content_type": "multimodal_text",
                "parts": [{"content_type": "image_asset_pointer", "asset_pointer": "x"}, "See?"],
            },
            "[Image]\n\nSee?",
        ),
        (
            {
                "content_type": "multimodal_text",
                "parts": [
                    {"content_type": "audio_transcription", "text": "Hello"},
                    {"content_type": "audio_asset_pointer"},
                ],
            },
            "Hello",
        ),
        (
            {"content_type": "multimodal_text", "parts": [{"content_type": "audio_asset_pointer"}]},
            "[Sound or video]",
        ),
        (
            {"content_type": "multimodal_text", "parts": [{"content_type": "hologram"}, 7, None]},
            "[Not imported: hologram]",
        ),
        ({"content_type": "tether_quote", "text": "quoted", "url": "x"}, "quoted"),
        ({"content_type": "new_thing", "parts": [{"odd": 1}]}, "[Not imported: unknown content]"),
        ({"content_type": "new_thing"}, "[Not imported: new_thing]"),
        ({"content_type": {"odd": []}}, "[Not imported: unknown content]"),
    ],
)
def test_content_of_each_kind_becomes_text(content, text):
    given = chat(node("q1", None, content=content))

    assert contents(given) == [text]


def test_files_are_named_above_the_text():
    picture = {"content_type": "image_asset_pointer"}
    given = chat(
        node(
            "q1",
            None,
            content={"content_type": "multimodal_text", "parts": [picture, "What is it?"]},
            metadata={
                "attachments": [
                    {"name": "cat.png", "mime_type": "image/png"},
                    {"name": "list](x).pdf", "mimeType": "application/pdf"},
                    {"id": "nameless"},
                    "odd",
                ]
            },
        )
    )

    assert contents(given) == ["[Image: cat.png]\n\n[File: list(x).pdf]\n\n[File]\n\nWhat is it?"]


def test_a_picture_that_was_made_is_part_of_the_answer():
    picture = {
        "content_type": "multimodal_text",
        "parts": [{"content_type": "image_asset_pointer"}],
    }
    given = chat(
        node("q1", None),
        answer("call", "q1", "{}", recipient="dalle.text2im"),
        node("made", "call", "tool", content=picture),
        answer("a1", "made", "Here it is."),
    )

    assert contents(given) == ["q1", "[Image]\n\nHere it is."]


def test_marks_of_quoted_pages_become_links_or_go():
    known, unknown = "\ue200cite\ue202turn0search0\ue201", "\ue200cite\ue202turn0search1\ue201"
    reference = {"matched_text": known, "alt": "([Cats](https://cats.example))"}
    given = chat(
        answer(
            "a1", None, f"Cats{known} purr{unknown}.", metadata={"content_references": [reference]}
        )
    )

    assert contents(given) == ["Cats([Cats](https://cats.example)) purr."]


@pytest.mark.parametrize(
    "fields",
    [{"status": "in_progress"}, {"metadata": {"finish_details": {"type": "interrupted"}}}],
)
def test_an_answer_that_was_cut_off_is_a_stopped_one(fields):
    (reply,) = convert(chat(answer("a1", None, "Half", **fields))).messages

    assert reply.status == "stopped"


@pytest.mark.parametrize(
    "odd", [None, "yesterday", True, -1, 0, 1e300, -1e300, float("nan"), NOON * 1000, [], 4e9]
)
def test_a_time_that_makes_no_sense_is_that_of_what_is_before(odd):
    given = chat(
        node("q1", None, at=NOON + 10), answer("a1", "q1", at=odd), create_time=odd, update_time=odd
    )

    found = convert(given)

    assert [each.created_at for each in found.messages] == [at(10), at(10)]
    assert (found.created_at, found.updated_at) == (at(10), at(10))


def test_a_chat_without_any_time_is_of_now():
    found = convert(chat(node("q1", None), create_time=None, update_time=None))

    assert (found.created_at, found.updated_at) == (NOW, NOW)


def test_a_chat_is_never_newer_than_now():
    tomorrow = (NOW + timedelta(days=1)).timestamp()

    found = convert(simple(create_time=tomorrow, update_time=tomorrow))

    assert (found.created_at, found.updated_at) == (at(0), at(5))


def test_a_ring_of_nodes_is_cut_and_all_of_it_is_there():
    given = chat(node("q1", "a2"), answer("a1", "q1"), node("q2", "a1"), answer("a2", "q2"))

    assert sorted(tree(given)) == [("a1", "q1"), ("a2", "q2"), ("q1", None), ("q2", "a1")]


def test_a_ring_of_hidden_nodes_ends_at_the_top():
    given = chat(
        node("s1", "s2", "system"), node("s2", "s1", "system"), node("q1", "s1"), current="s2"
    )

    assert tree(given) == [("q1", None)]


def test_a_node_that_is_its_own_parent_is_at_the_top():
    assert tree(chat(node("q1", "q1"))) == [("q1", None)]


def test_a_missing_parent_makes_a_beginning():
    assert tree(chat(node("q1", "gone"), answer("a1", "q1"))) == [("q1", None), ("a1", "q1")]


def test_a_chain_of_thousands_of_nodes_is_no_trouble():
    names = [f"n{number}" for number in range(5_000)]
    given = chat(
        *(node(name, before) for name, before in zip(names, [None, *names], strict=False)),
        title="Long",
    )

    assert tree(given)[-1] == ("n4999", "n4998")


def test_a_chain_of_thousands_of_hidden_nodes_is_no_trouble():
    names = [f"n{number}" for number in range(5_000)]
    hidden = (
        node(name, before, "system") for name, before in zip(names, [None, *names], strict=False)
    )

    assert tree(chat(*hidden, node("q1", "n4999"))) == [("q1", None)]


def test_names_of_nodes_that_cannot_be_ids_are_replaced():
    given = chat(node("a node/../#1", None), answer("a1", "a node/../#1"))

    question, reply = convert(given).messages

    assert UUID(question.client_id)
    assert reply.parent_id == question.client_id


def test_nul_and_half_pairs_are_taken_out():
    found = convert(chat(node("q1", None, text="a\x00b\ud800c"), title="t\x00\ud800\nx"))

    assert found.title == "t? x"
    assert found.messages[0].content == "ab?c"


@pytest.mark.parametrize("character", ["x", "€", "\U0001f600", "\x01"])
def test_a_text_that_is_too_long_is_shortened(character):
    found = convert(chat(node("q1", None, text=character * 1_000_000)))

    (message,) = found.messages
    assert found.shortened == 1
    assert message.content.endswith(SHORTENED)
    assert len(message.content) <= MAX_CONTENT_CHARACTERS
    assert len(message.content) > MAX_MESSAGE_BYTES / 7
    assert message.parts == [{"type": "text", "text": message.content}]


def test_a_text_of_the_most_characters_is_whole():
    found = convert(chat(node("q1", None, text="x" * MAX_CONTENT_CHARACTERS)))

    assert (found.shortened, len(found.messages[0].content)) == (0, MAX_CONTENT_CHARACTERS)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("", "q1"),
        (None, "q1"),
        (["odd"], "q1"),
        ("x" * 500, "x" * 199 + "…"),
        ("two\n lines", "two lines"),
    ],
)
def test_a_title_is_one_line_and_without_one_it_is_the_first_question(title, expected):
    assert convert(simple(title)).title == expected


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "It has no messages that can be read."),
        ("text", "It has no messages that can be read."),
        ({}, "It has no messages that can be read."),
        ({"mapping": []}, "It has no messages that can be read."),
        (chat(), "It has no messages."),
        (chat(node("q1", None, text="")), "It has no messages."),
        ({"mapping": {"a": None, "b": 7, "c": {"message": "odd"}}}, "It has no messages."),
    ],
)
def test_a_chat_with_nothing_in_it_is_skipped_with_a_reason(given, reason):
    with pytest.raises(Unusable, match=reason):
        convert(given)


def test_values_of_any_type_in_any_place_raise_nothing_else():
    odd = [None, True, 0, 1.5, "x", [], {}, [[]], {"x": 1}]
    message = node("q1", None)[1]["message"]
    places = [*message, "author.role", "content.parts", "content.content_type"]
    for place in places:
        for value in odd:
            name, given = node("q1", None, metadata={"attachments": value})
            at_place, _, field = place.partition(".")
            if field:
                given["message"][at_place][field] = value
            else:
                given["message"][at_place] = value
            try:
                convert(chat((name, given), node("q2", "q1")))
            except Unusable:
                pytest.fail(f"{place}={value!r}")
