"""A tab of the chat page without a browser: one WebSocket, and what it is told."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from websockets.sync.client import connect
from websockets.typing import Origin

from tests.degradation.steps import Person
from tests.server import Server

PATIENCE = 30.0


class Tab:
    """Follows answers of one person at one server; `texts` has what is shown of each."""

    def __init__(self, person: Person, server: Server | None = None) -> None:
        self.port = (server or person.server).port
        cookies = "; ".join(f"{each.name}={each.value}" for each in person.cookies)
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(
                f"ws://localhost:{self.port}/ws/assistant",
                origin=Origin(f"http://localhost:{self.port}"),
                additional_headers={"Cookie": cookies},
                compression=None,
                max_size=None,
            )
        )
        self.texts: dict[str, str] = {}
        self.statuses: dict[str, str] = {}
        # (generation, moment, characters shown then)
        self.history: list[tuple[str, float, int]] = []
        self.until(lambda frame: frame["type"] == "ready")

    def close(self) -> None:
        self._open.close()

    def send(self, kind: str, **fields: Any) -> None:
        self._socket.send(json.dumps({"type": kind, **fields}))

    def ask(self, name: str, **fields: str) -> dict[str, Any]:
        """A question in a chat of its own; the frame `started`."""
        self.send(
            "send",
            requestId=f"r-{name}",
            conversationId=f"c-{name}",
            messageId=f"m-{name}",
            **{"text": f"Question {name}", **fields},
        )
        return self.until(lambda frame: frame["type"] in ("started", "error"))

    def read(self, seconds: float) -> dict[str, Any] | None:
        """The next frame, or None if none came in time."""
        try:
            frame = json.loads(self._socket.recv(timeout=seconds))
        except TimeoutError:
            return None
        self._take(frame)
        return frame

    def until(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            frame = self.read(PATIENCE)
            if frame is not None and is_it(frame):
                return frame
        raise AssertionError("the frame did not come")

    def until_services(self) -> list[dict[str, Any]]:
        """The next word on the servers behind this one: those that are not as they should be."""
        troubles: list[dict[str, Any]] = self.until(lambda frame: frame["type"] == "services")[
            "troubles"
        ]
        return troubles

    def until_ended(self, generation: str) -> str:
        """How the answer ended."""
        while self.statuses.get(generation, "running") == "running":
            assert self.read(PATIENCE) is not None, "nothing came any more"
        return self.statuses[generation]

    def until_shown(self, generation: str, text: str) -> None:
        while self.texts.get(generation) != text:
            assert self.read(PATIENCE) is not None, "nothing came any more"

    def _take(self, frame: dict[str, Any]) -> None:
        key = str(frame.get("generationId"))
        match frame["type"]:
            case "delta":
                self.texts[key] = self.texts.get(key, "") + frame["text"]
                self.history.append((key, time.monotonic(), len(self.texts[key])))
            case "snapshot":
                self.texts[key], self.statuses[key] = frame["text"], frame["status"]
            case "finished":
                self.statuses[key] = frame["status"]
