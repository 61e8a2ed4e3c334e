"""Files that are given as imports, and those that are made to do harm."""

import io
import json
import random
import struct
import tracemalloc
import zipfile

import pytest

from chatcore.errors import Invalid, TooLarge
from conversations.importing import files, json_chats
from conversations.importing.files import Budget, budget_of, opened, recognise
from conversations.importing.json_chats import Damaged, Document, TooLargeChat
from tests.conversations.chatgpt import as_zip, simple

PLENTY = 10**10
MB = 1024 * 1024


def found_in(raw: bytes, budget: int = PLENTY) -> list:
    """All chats of a file."""
    chats: list = []
    for source in recognise([io.BytesIO(raw)], Budget(PLENTY)):
        with opened(source, Budget(budget)) as document:
            chats += document.chats()
    return chats


def refused(raw: bytes) -> str:
    with pytest.raises(Invalid) as caught:
        recognise([io.BytesIO(raw)], Budget(PLENTY))
    return caught.value.error_code


def chats_of(raw: bytes) -> list:
    return list(Document(io.BytesIO(raw)).chats())


# --- Zips ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    ["conversations.json", "../../etc/conversations.json", "/abs.JSON", "C:\\x.json", ".json"],
)
def test_names_are_no_paths(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert len(found_in(as_zip({name: [simple()]}))) == 1
    assert list(tmp_path.iterdir()) == []


def test_parts_are_read_in_the_order_of_their_names():
    raw = as_zip({f"conversations-{n:03}.json": [simple(str(n))] for n in (2, 0, 1)})

    assert [each["title"] for each in found_in(raw)] == ["0", "1", "2"]


def test_notes_that_macs_put_into_zips_do_not_matter():
    raw = as_zip({"conversations.json": [simple()], "__MACOSX/._conversations.json": b"\x00\x05"})

    assert len(found_in(raw)) == 1


def test_a_part_that_is_broken_is_not_passed_over_in_silence():
    raw = as_zip({"conversations-000.json": [simple()], "conversations-001.json": b"[{"})

    assert refused(raw) == "broken_zip"


def test_other_documents_that_are_broken_do_not_matter():
    assert len(found_in(as_zip({"conversations.json": [simple()], "file-1.json": b"{"}))) == 1


def test_a_bomb_is_read_no_further_than_the_budget():
    bomb = b'[{"mapping": {}}, "' + b"x" * 40 * MB + b'"]'
    raw = as_zip({"conversations.json": bomb})
    assert len(raw) < 100_000

    with pytest.raises(Damaged, match="larger, unpacked"):
        found_in(raw, budget=5 * MB)


def test_a_bomb_of_one_endless_text_takes_no_memory_for_it(monkeypatch):
    monkeypatch.setattr(json_chats, "LONGEST_VALUE_BYTES", MB)
    raw = as_zip({"conversations.json": b'[{"mapping": {}}, "' + b"x" * 40 * MB + b'"]'})
    tracemalloc.start()

    with pytest.raises(Damaged, match="a text in it has more than"):
        found_in(raw)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MB


def test_a_bomb_of_blanks_ends_early(monkeypatch):
    monkeypatch.setattr(json_chats, "LONGEST_VALUE_BYTES", MB)

    assert refused(as_zip({"conversations.json": b" " * 40 * MB})) == "broken_zip"


def test_a_zip_in_a_zip_is_not_opened():
    inner = as_zip({"conversations.json": [simple()]})

    assert refused(as_zip({"inner.zip": inner, "inner.json": inner})) == "unknown_format"


def test_a_directory_of_too_many_files_is_not_read(monkeypatch):
    monkeypatch.setattr(files, "DIRECTORY_BYTES", 100_000)
    many = {f"{number}.png": b"" for number in range(3_000)}

    assert refused(as_zip({**many, "conversations.json": [simple()]})) == "broken_zip"


def test_files_without_chats_beside_them_do_not_matter():
    others = {f"{number}.png": b"x" for number in range(2_000)}

    assert len(found_in(as_zip({**others, "conversations.json": [simple()]}))) == 1


@pytest.mark.parametrize("declared", [0, 1, 40, 2**32 - 2])
def test_sizes_that_are_lied_about_raise_nothing_else(declared):
    raw = bytearray(as_zip({"conversations.json": [simple(str(n)) for n in range(50)]}))
    directory = raw.rindex(b"PK\x01\x02")
    raw[directory + 24 : directory + 28] = struct.pack("<I", declared)

    try:
        found = found_in(bytes(raw))
    except Invalid as error:
        found = error.error_code
    except Damaged:
        found = "damaged"

    assert found == "broken_zip" if declared < 100 else len(found) == 50


def test_a_zip_that_is_locked_says_so():
    raw = bytearray(as_zip({"conversations.json": [simple()]}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + flags] |= 1

    assert refused(bytes(raw)) == "encrypted_zip"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_ways_to_pack_are_not_tried(method):
    assert refused(as_zip({"conversations.json": [simple()]}, method)) == "broken_zip"


def test_a_zip_that_is_cut_or_changed_anywhere_raises_nothing_else():
    raw = as_zip({"conversations.json": [simple(str(n)) for n in range(20)]})
    chance = random.Random(7)
    for _ in range(300):
        broken = bytearray(raw)
        if chance.random() < 0.3:
            del broken[chance.randrange(4, len(broken)) :]
        else:
            for _ in range(chance.randrange(1, 5)):
                broken[chance.randrange(4, len(broken))] = chance.randrange(256)
        try:
            found_in(bytes(broken))
        except (Invalid, Damaged):
            continue


def test_more_files_than_anybody_has_are_refused():
    with pytest.raises(Invalid, match="at most 100 files"):
        recognise([io.BytesIO(b"[]")] * 101, Budget(PLENTY))


# --- JSON ---------------------------------------------------------------------------------------
def test_a_chat_that_is_too_large_is_passed_over_and_the_others_are_read(monkeypatch):
    monkeypatch.setattr(json_chats, "CHAT_BYTES", 200_000)
    large = simple("Large", filler=["x" * 1_000] * 1_000)
    raw = json.dumps([simple("Cats"), large, simple("Dogs")]).encode()

    first, second, third = chats_of(raw)

    assert (first["title"], third["title"]) == ("Cats", "Dogs")
    assert isinstance(second, TooLargeChat)
    assert second.title == "Large"


def test_a_chat_of_too_many_values_is_passed_over(monkeypatch):
    monkeypatch.setattr(json_chats, "CHAT_VALUES", 1_000)
    raw = json.dumps([simple("Cats"), [[]] * 5_000, {"x": {"y": [1] * 1_000}}, simple()]).encode()

    found = chats_of(raw)

    assert [isinstance(each, TooLargeChat) for each in found] == [False, True, True, False]


def test_a_first_chat_that_is_too_large_does_not_hide_the_others(monkeypatch):
    monkeypatch.setattr(json_chats, "CHAT_VALUES", 100)
    raw = json.dumps([{"mapping": {"x": [0] * 200}}, simple("Dogs", mapping={})]).encode()

    assert [isinstance(each, TooLargeChat) for each in found_in(raw)] == [True, False]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"mapping":[', b'[{"mapping":{}},['])
def test_what_is_nested_without_end_is_ended(opening):
    with pytest.raises(Damaged, match="nested deeper"):
        chats_of(opening * 10_000)


@pytest.mark.parametrize(
    ("raw", "chats"),
    [
        (b'\xef\xbb\xbf[{"mapping":{}}]', [{"mapping": {}}]),
        (
            b'[{"mapping":{"a":[1,-2.5,true,null,"\\u00e9"]}},7,"x",[],{}]',
            [{"mapping": {"a": [1, -2.5, True, None, "é"]}}, 7, "x", [], {}],
        ),
        (b'{"format":"chatcore-export","version":1,"conversations":[]}', []),
        (
            b'{"format":"chatcore-export","version":1,"profile":{"x":[{}]},"new":[1],'
            b'"conversations":[{"id":"a"},null],"usage":[{"id":"no chat"}]}',
            [{"id": "a"}, None],
        ),
    ],
)
def test_documents_are_read_as_they_are(raw, chats):
    assert chats_of(raw) == chats


def test_what_stands_before_the_chats_of_ours_is_bounded():
    raw = json.dumps(
        {"format": "chatcore-export", "version": 1, "x": ["y" * 99_000] * 90, "conversations": []}
    ).encode()

    assert Document(io.BytesIO(raw)).kind is None


def test_only_one_chat_is_in_memory_at_a_time():
    chat = simple(filler="x" * 100_000)
    raw = json.dumps([chat] * 200).encode()
    document = Document(io.BytesIO(raw))
    tracemalloc.start()

    count = sum(1 for _ in document.chats())

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 200
    assert peak < 4 * MB


# --- Bounds of an import as a whole ---------------------------------------------------------------
def test_small_files_may_unpack_to_64_mb_and_larger_ones_to_twenty_times_what_was_sent():
    def most(sent: int) -> int:
        return budget_of([io.BytesIO(b" " * sent)], 20 * MB).left

    assert (most(10), most(4 * MB), most(20 * MB)) == (64 * MB, 80 * MB, 100 * MB)


def test_files_that_are_too_large_together_are_refused_whoever_sends_them():
    with pytest.raises(TooLarge):
        budget_of([io.BytesIO(b" " * MB)] * 2, 2 * MB - 1)


def test_all_zips_of_an_import_have_so_many_entries_together(monkeypatch):
    monkeypatch.setattr(files, "MOST_ENTRIES", 3)
    raw = as_zip({"conversations.json": [simple()], "chat.html": b""})

    with pytest.raises(Invalid) as caught:
        recognise([io.BytesIO(raw), io.BytesIO(raw)], Budget(PLENTY))

    assert caught.value.error_code == "too_many_files"


@pytest.mark.parametrize("raw", [b"[0, 1, 2]", b'["a"]', b"[[0, 0"])
def test_a_list_of_anything_but_objects_is_told_by_its_first_one(raw):
    assert Document(io.BytesIO(raw + b"," * MB)).kind is None


def test_an_export_with_all_prompts_that_a_person_may_have_is_recognised():
    prompts = [{"name": str(number), "text": "字" * 8000} for number in range(100)]
    head = {"format": "chatcore-export", "version": 1, "prompts": prompts}
    raw = json.dumps({**head, "conversations": []}, ensure_ascii=False).encode()

    assert len(raw) > 2_400_000
    assert Document(io.BytesIO(raw)).kind == "chatcore"
