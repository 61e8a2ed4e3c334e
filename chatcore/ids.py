"""Primary keys that sort by the time they were made."""

import hashlib
import os
import time
import uuid
from datetime import datetime


def new_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then random bits.

    Neighbours in time are neighbours in the index, so inserts stay at its end on both stores.
    """
    milliseconds = time.time_ns() // 1_000_000
    return _version_7((milliseconds << 80) | int.from_bytes(os.urandom(10), "big"))


def derived(parent: uuid.UUID, name: str) -> uuid.UUID:
    """The id of that name below `parent`: always the same one, and a neighbour of it in the index.

    Whoever makes a row under such an id makes it once, however often it is tried. The time is the
    parent's; the random bits are replaced by a digest of parent and name.
    """
    digest = int.from_bytes(hashlib.sha256(parent.bytes + name.encode()).digest()[:8], "big")
    bits = (parent.int >> 64 << 64) | digest & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=bits)


def at(moment: datetime, *names: object) -> uuid.UUID:
    """The id of what has these names at that moment: always the same one.

    What is of one time is together in the index, as with `new_id`.
    """
    bits = (int(moment.timestamp() * 1000) << 80) | int.from_bytes(
        hashlib.sha256("\0".join(map(str, names)).encode()).digest()[:10], "big"
    )
    return _version_7(bits)


def _version_7(bits: int) -> uuid.UUID:
    bits = bits & ~(0xF << 76) | (0x7 << 76)
    return uuid.UUID(int=bits & ~(0x3 << 62) | (0x2 << 62))
