"""The files that a person gives: JSON documents, or zips of them, recognised by what is in them.

Nothing is unpacked onto the disk, and a name in a zip is never a path here. What a zip says of its
sizes is not believed: what is read is counted.
"""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import SEEK_END
from typing import Any, BinaryIO, cast

from chatcore import errors
from conversations.importing.json_chats import CHAT_BYTES, Damaged, Document, Kind, NewerExport

MOST_FILES = 100
# The list of what is in a zip, which is read whole: of some 40,000 files with long names.
DIRECTORY_BYTES = 4 * 1024 * 1024
MOST_DOCUMENTS = 500
# Of all zips of an import together: what is in them is in memory until it ends.
MOST_ENTRIES = 50_000
# Which documents have chats is told by the first one in each, before the import has its turn.
RECOGNISED_BYTES = CHAT_BYTES + 8 * 1024 * 1024
# JSON shrinks to a fifth or a tenth; what shrinks to much less is made for harm.
UNPACKED_TO_SENT = 20
SMALL_BYTES = 64 * 1024 * 1024
# Of what may be sent at most.
UNPACKED_TO_MOST = 5

ACCEPTED = (
    "Choose the zip of ChatGPT's data export, a conversations.json out of it, or a JSON file that"
    " Chatcore exported."
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What Python's reader of zips raises for one that is not whole or made for harm. By the error of
# Python's that is named after it, it says that a zip is packed in a way that it does not know.
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, OSError, UnicodeError, KeyError),
)


class Budget:
    """How much may still be read, of all files of an import together."""

    def __init__(self, most: int) -> None:
        self.left = most
        self._entries_left = MOST_ENTRIES

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Damaged("it is larger, unpacked, than an import may be")

    def take_entries(self, count: int) -> None:
        self._entries_left -= count
        if self._entries_left < 0:
            raise _invalid(
                f"There are more than {MOST_ENTRIES:,} files in these zips. Choose fewer of them.",
                "too_many_files",
            )


@dataclass(frozen=True)
class Source:
    """One JSON document with chats: a file, or one of those in a zip."""

    file: BinaryIO | zipfile.ZipFile
    kind: Kind
    member: zipfile.ZipInfo | None = None


@contextmanager
def opened(source: Source, budget: Budget) -> Iterator[Document]:
    """Raises Damaged, here and while it is read."""
    with _stream(source.file, source.member, budget) as stream:
        yield Document(stream)


def budget_of(files: Sequence[BinaryIO], most_sent: int) -> Budget:
    """What may be read of these files. Raises TooLarge if they are more than may be sent."""
    sent = sum(each.seek(0, SEEK_END) for each in files)
    if sent > most_sent:
        raise errors.TooLarge(f"At most {most_sent // 2**20} MB can be imported at once.")
    return Budget(min(UNPACKED_TO_MOST * most_sent, max(SMALL_BYTES, UNPACKED_TO_SENT * sent)))


def recognise(files: Sequence[BinaryIO], budget: Budget) -> list[Source]:
    """All documents with chats in these files. Raises Invalid if one of the files has none."""
    if not files:
        raise _invalid(f"There is no file. {ACCEPTED}", "no_file")
    if len(files) > MOST_FILES:
        raise _invalid(f"Give at most {MOST_FILES} files at once.", "too_many_files")
    return [source for file in files for source in _documents(file, budget)]


def _documents(file: BinaryIO, budget: Budget) -> list[Source]:
    if _is_zip(file):
        return _of_zip(file, budget)
    try:
        kind = _kind(file, None, budget)
    except Damaged as error:
        raise _invalid(
            f"This file cannot be imported: {error}. {ACCEPTED}", "unreadable"
        ) from error
    if kind is None:
        raise _invalid(f"There are no chats in this file. {ACCEPTED}", "unknown_format")
    return [Source(file, kind)]


def _is_zip(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _of_zip(file: BinaryIO, budget: Budget) -> list[Source]:
    try:
        # Not closed: the file is not its own, and its directory is read once for all documents.
        archive = zipfile.ZipFile(cast(Any, _Bounded(file)))
    except _BROKEN as error:
        raise _broken_zip() from error
    budget.take_entries(len(archive.filelist))
    found = []
    for member in _documents_in(archive):
        if member.flag_bits & _ENCRYPTED:
            raise _encrypted_zip()
        try:
            kind = _kind(archive, member, budget)
        except Damaged as error:
            if _is_named_for_chats(member):
                raise _broken_zip() from error
            continue
        if kind is not None:
            found.append(Source(archive, kind, member))
    if not found:
        raise _invalid(f"There are no chats in this zip. {ACCEPTED}", "unknown_format")
    return found


def _documents_in(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """What may be JSON, by its name. Where there is much of it, ChatGPT's chats come first."""
    named = [
        each
        for each in archive.infolist()
        # Macs put a file of notes beside each file.
        if each.filename.lower().endswith(".json") and not _base_name(each).startswith("._")
    ]
    named.sort(key=lambda each: (not _is_named_for_chats(each), each.filename))
    return named[:MOST_DOCUMENTS]


def _is_named_for_chats(member: zipfile.ZipInfo) -> bool:
    return _base_name(member).lower().startswith("conversations")


def _base_name(member: zipfile.ZipInfo) -> str:
    return member.filename.rpartition("/")[2]


def _kind(
    file: BinaryIO | zipfile.ZipFile, member: zipfile.ZipInfo | None, budget: Budget
) -> Kind | None:
    try:
        with _stream(file, member, budget) as stream:
            return Document(stream).kind
    except NewerExport as error:
        raise _invalid(
            "This file was exported by a newer Chatcore than this one. Ask whoever runs this one"
            " for an update.",
            "newer_format",
        ) from error


def _invalid(message: str, code: str) -> errors.Invalid:
    return errors.Invalid(message, code=code)


def _broken_zip() -> errors.Invalid:
    return _invalid(
        "This zip cannot be read: it is not whole, or packed in a way that is not known. Download"
        " it once more, or unpack it and choose its conversations.json.",
        "broken_zip",
    )


def _encrypted_zip() -> errors.Invalid:
    return _invalid(
        "This zip is locked with a password. Unpack it and choose its conversations.json.",
        "encrypted_zip",
    )


@contextmanager
def _stream(
    file: BinaryIO | zipfile.ZipFile, member: zipfile.ZipInfo | None, budget: Budget
) -> Iterator[BinaryIO]:
    """What is in it, counted. Raises Damaged where a zip turns out not to be whole."""
    with ExitStack() as stack:
        if isinstance(file, zipfile.ZipFile):
            assert member is not None
            if member.compress_type not in _METHODS:
                raise Damaged("it is packed in a way that is not known")
            try:
                stream = cast(BinaryIO, stack.enter_context(file.open(member)))
            except _BROKEN as error:
                raise Damaged("the zip is not whole") from error
        else:
            file.seek(0)
            stream = file
        yield cast(BinaryIO, _Counted(stream, budget))


class _Counted:
    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        self._stream, self._budget = stream, budget

    def read(self, size: int) -> bytes:
        try:
            piece = self._stream.read(size)
        except _BROKEN as error:
            raise Damaged("the zip is not whole") from error
        self._budget.take(len(piece))
        return piece


class _Bounded:
    """A zip, of which no single piece is read that is larger than its directory may be."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Without a size what is left, which the reader of zips wants only of their end."""
        piece = self._file.read(
            min(size, DIRECTORY_BYTES + 1) if size >= 0 else DIRECTORY_BYTES + 1
        )
        if len(piece) > DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is too large")
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Whoever gave the file closes it."""
