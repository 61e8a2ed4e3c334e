"""The chats in a JSON document, one at a time: of a file of any size only one chat is in memory.

The parser gives events, of which each chat is built here, so that one that is too large can be
passed over and the others still be read.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, cast

import ijson

from conversations.exporting import FORMAT, VERSION

Kind = Literal["chatgpt", "chatcore"]

CHAT_BYTES = 32 * 1024 * 1024
# An empty list takes 2 bytes in the file and some 60 in memory. Real chats have a value for every
# 20 to 50 bytes.
CHAT_VALUES = 1_000_000
MAX_DEPTH = 200
# Of one text, which the parser keeps whole until its end, or of blanks.
LONGEST_VALUE_BYTES = CHAT_BYTES
# Of our own export, what stands before its chats: prompts above all, a hundred of 8,000 characters.
HEAD_BYTES = 8 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Event = tuple[str, Any]
_OPENING = ("start_map", "start_array")


class Damaged(Exception):
    """The document cannot be read further. The text says why, as the end of a sentence."""


class NewerExport(Exception):
    """Our own format, of a version that this one does not know."""


class TooLargeChat:
    """Stands for a chat that was passed over. `title` is "" if it was not met before the limit."""

    def __init__(self, title: str) -> None:
        self.title = title


class _Building:
    """An object or a list that is built of events, or only followed to its end."""

    def __init__(self, opening: str) -> None:
        self.root: Any = {} if opening == "start_map" else []
        # What is open, the innermost last, and the names under which the next values go.
        self._open: list[Any] = [self.root]
        self._names = [""]
        self._is_kept = True

    @property
    def depth(self) -> int:
        return len(self._open)

    def name_next(self, name: str) -> None:
        self._names[-1] = name

    def add(self, event: str, value: Any) -> None:
        is_opening = event in _OPENING
        if is_opening:
            value = {} if event == "start_map" else []
        if self._is_kept:
            inside = self._open[-1]
            if isinstance(inside, dict):
                inside[self._names[-1]] = value
            else:
                inside.append(value)
        if is_opening:
            if self.depth >= MAX_DEPTH:
                raise Damaged(f"it is nested deeper than {MAX_DEPTH} levels")
            self._open.append(value)
            self._names.append("")

    def close(self) -> None:
        self._open.pop()
        self._names.pop()

    def give_up(self) -> None:
        if not self._is_kept:
            return
        title = self.root.get("title") if isinstance(self.root, dict) else None
        self.root = TooLargeChat(title if isinstance(title, str) else "")
        self._open = [None] * self.depth
        self._is_kept = False


class Pieces:
    """A stream as the parser reads it. Says how far it is, and ends where nothing comes of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.position = 0
        # Bytes since the parser gave anything.
        self.silent = 0

    def read(self, size: int = -1) -> bytes:
        if size == 0:  # the parser asks so whether these are bytes
            return b""
        piece = self._stream.read(_PIECE_BYTES)
        if self.position == 0:
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        self.position += len(piece)
        self.silent += len(piece)
        if self.silent > LONGEST_VALUE_BYTES:
            raise Damaged(f"a text in it has more than {LONGEST_VALUE_BYTES // 2**20} MB")
        return piece


class Document:
    """What stands in a stream: `kind` is None if it is nothing that can be imported.

    `prompts` are those of our own export of everything, whatever they are.

    Raises Damaged, here and while `chats` are read, and NewerExport.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._pieces = Pieces(stream)
        self._events = self._parsed()
        self._first: list[Any] = []
        self.prompts: list[Any] = []
        self.kind = self._recognise()

    def chats(self) -> Iterator[Any]:
        """Each as it stands in the document, whatever that is, or a TooLargeChat."""
        yield from self._first
        while (event := self._next())[0] != "end_array":
            yield self._value(event)

    def _recognise(self) -> Kind | None:
        name, _ = self._next()
        if name == "start_array":
            return self._recognise_list()
        return self._recognise_export() if name == "start_map" else None

    def _recognise_list(self) -> Kind | None:
        """ChatGPT's is a list of chats, each with a `mapping`; no other list is."""
        event = self._next()
        if event[0] != "start_map":
            return None
        first = self._value(event)
        self._first = [first]
        is_chat = isinstance(first, TooLargeChat) or isinstance(first.get("mapping"), dict)
        return "chatgpt" if is_chat else None

    def _recognise_export(self) -> Kind | None:
        """Ours names its format and version before its chats; up to these it is read."""
        head: dict[str, Any] = {}
        while (event := self._next())[0] == "map_key":
            name, event = event[1], self._next()
            if name == "conversations" and event[0] == "start_array":
                break
            head[name] = self._value(event)
            if self._pieces.position > HEAD_BYTES:
                return None
        if head.get("format") != FORMAT or event[0] != "start_array":
            return None
        if head.get("version") != VERSION:
            raise NewerExport
        if isinstance(prompts := head.get("prompts"), list):
            self.prompts = prompts
        return "chatcore"

    def _value(self, event: Event) -> Any:
        """What begins with this event; in place of one that is too large a TooLargeChat."""
        name, value = event
        if name not in _OPENING:
            return value
        begin, values = self._pieces.position, 0
        building = _Building(name)
        while building.depth:
            name, value = self._next()
            if name == "map_key":
                building.name_next(value)
            elif name in ("end_map", "end_array"):
                building.close()
            else:
                building.add(name, value)
                values += 1
                if values > CHAT_VALUES or self._pieces.position - begin > CHAT_BYTES:
                    building.give_up()
        return building.root

    def _next(self) -> Event:
        try:
            event: Event = next(self._events)
        except (ijson.JSONError, UnicodeError, ValueError) as error:
            raise Damaged(
                "it is no whole and valid JSON document, or has a number too large to be read"
            ) from error
        except StopIteration as error:
            raise Damaged("it ends before its end") from error
        self._pieces.silent = 0
        return event

    def _parsed(self) -> Iterator[Event]:
        events = ijson.basic_parse(self._pieces, buf_size=_PIECE_BYTES, use_float=True)
        return cast("Iterator[Event]", events)
