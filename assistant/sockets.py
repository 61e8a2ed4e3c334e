"""The open sockets of this process: who gets which news, and who has not read for too long."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Protocol

from assistant import frames
from assistant.services import ServiceState, services
from chatcore import clock

logger = logging.getLogger("chatcore.sockets")

# A phone in a lift comes back within this; whoever takes longer reads on by sequence number.
STALLED_SECONDS = 20.0
LOOK_EVERY_SECONDS = 2.0


class Socket(Protocol):
    # Since when a frame waits for the other side to read, by the monotonic clock.
    waits_since: float | None

    def hear(self, frame: Mapping[str, Any]) -> None:
        """News for this person. Does not wait."""

    def drop(self) -> None:
        """Close it: the other side does not read. Does not wait."""


class Sockets:
    """Those of each person, by the text of the person's key."""

    def __init__(self) -> None:
        self._of: defaultdict[str, set[Socket]] = defaultdict(set)
        self._watcher: asyncio.Task[None] | None = None

    def add(self, person: str, socket: Socket) -> None:
        self._of[person].add(socket)
        if self._watcher is None:
            # What a socket is told when it opens is no older than this.
            self._watcher = asyncio.create_task(self._watch(services.troubles(clock.now())))

    def remove(self, person: str, socket: Socket) -> None:
        if others := self._of.get(person):
            others.discard(socket)
        if not others:
            self._of.pop(person, None)
        if not self._of and self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    def tell(self, person: str, frame: Mapping[str, Any]) -> None:
        for socket in tuple(self._of.get(person, ())):
            socket.hear(frame)

    async def _watch(self, told: list[ServiceState]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            self.drop_stalled(time.monotonic())
            if (troubles := services.troubles(clock.now())) != told:
                told = troubles
                self._tell_everybody(frames.services(told))

    def _tell_everybody(self, frame: Mapping[str, Any]) -> None:
        for person in tuple(self._of):
            self.tell(person, frame)

    def drop_stalled(self, now: float) -> None:
        for sockets in tuple(self._of.values()):
            for socket in tuple(sockets):
                since = socket.waits_since
                if since is not None and now - since > STALLED_SECONDS:
                    logger.info("A socket was dropped: its page did not read")
                    socket.drop()


sockets = Sockets()
