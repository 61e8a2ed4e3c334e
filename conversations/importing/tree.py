"""ChatGPT's tree of nodes as ours: without what is hidden, in an order in which it could have been
written, the branch that was looked at last as the one that is written to last.

Nothing here is recursive: a chat may have thousands of nodes below each other, and a file may say
anything of what follows what, even that it goes in a ring.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Parents = Mapping[Key, Key | None]


def nearest(parents: Parents[Key], kept: Collection[Key]) -> dict[Key, Key | None]:
    """Of each node the nearest kept one above it; None at the top, or where a parent is missing."""
    above: dict[Key, Key | None] = {}
    for start in parents:
        way: list[Key] = []
        met: set[Key] = set()
        at: Key | None = start
        found: Key | None = None
        while at is not None and at in parents and at not in met:
            if at in above:
                found = above[at]
                break
            met.add(at)
            way.append(at)
            at = parents[at]
            if at in kept:
                found = at
                break
        # All on the way have no kept one between them and what was found.
        above.update(dict.fromkeys(way, found))
    return above


def without_rings(parents: Parents[Key]) -> dict[Key, Key | None]:
    """The same, but that of a ring the first node has no parent."""
    whole: dict[Key, Key | None] = {}
    for start in parents:
        way: dict[Key, Key | None] = {}
        at: Key | None = start
        while at is not None and at not in whole and at not in way:
            way[at] = parents[at]
            at = parents[at]
        if at is not None and at in way:
            way[at] = None
        whole.update(way)
    return whole


def children_of(parents: Parents[Key]) -> dict[Key | None, list[Key]]:
    children: dict[Key | None, list[Key]] = {}
    for each, parent in parents.items():
        children.setdefault(parent, []).append(each)
    return children


def last_below(children: Mapping[Key | None, Sequence[Key]], key: Key) -> Key:
    """The end of the branch through this node: itself if nothing follows it."""
    while below := children.get(key):
        key = below[-1]
    return key


def in_order(parents: Parents[Key], times: Mapping[Key, float], last: Key | None) -> list[Key]:
    """Each behind its parent and else by its time, with the leaf `last` at the very end."""
    place = {key: number for number, key in enumerate(parents)}
    children = children_of(parents)
    waiting = [(times[key], place[key], key) for key in children.get(None, ())]
    heapify(waiting)
    order: list[Key] = []
    while waiting:
        _, _, key = heappop(waiting)
        if key != last:
            order.append(key)
        for child in children.get(key, ()):
            heappush(waiting, (times[child], place[child], child))
    return order if last is None else [*order, last]
