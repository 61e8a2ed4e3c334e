"""The HTTP stream as a client sees it: the real application, events as they come."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.conf import settings
from django.test import Client

from accounts.models import ApiToken, User
from chatcore import clock
from chatcore.handler import Handler
from conversations.models import Message
from tests.fakes.provider import Reply

PATH = "/api/assistant/stream"
SILENT = Reply(silent_after=2)
SLOW = Reply(delay=0.05)
# Longer than any test: it runs until it is stopped.
ENDLESS = Reply(text="word " * 10_000, delay=0.01)
CSRF = "c" * 32


def token_of(user: User) -> str:
    return ApiToken.objects.issue(user, "test", lifetime=None, now=clock.now())


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def say(message_id: str, text: str = "What is the answer?", role: str = "user") -> dict[str, Any]:
    """A message as the AI SDK has it."""
    return {"id": message_id, "role": role, "parts": [{"type": "text", "text": text}]}


def ask(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What the AI SDK posts: these messages, or one question, in the conversation c1."""
    return {
        "id": "c1",
        "messages": list(messages or (say("m1"),)),
        "trigger": "submit-message",
        **fields,
    }


class Answer:
    """One response that is being read. `events` are those so far, `comments` their number."""

    def __init__(self, request: ApplicationCommunicator) -> None:
        self._request = request
        self._rest = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.events: list[SimpleNamespace] = []
        self.comments = 0
        self.body = b""
        self.has_ended = False

    async def begin(self) -> "Answer":
        start = await self._request.receive_output(timeout=10)
        self.status = start["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return self

    async def part(self) -> None:
        """Read the next piece that the server sends."""
        message = await self._request.receive_output(timeout=10)
        self.body += message.get("body", b"")
        self.has_ended = not message.get("more_body", False)
        *blocks, self._rest = (self._rest + message.get("body", b"")).split(b"\n\n")
        for block in blocks:
            self._take(block.decode())

    async def until(self, kind: str) -> "Answer":
        """Read until a chunk of this type has come."""
        while kind not in self.types:
            await self.part()
        return self

    async def end(self) -> "Answer":
        while not self.has_ended:
            await self.part()
        await self._request.wait(timeout=10)
        return self

    async def leave(self) -> None:
        await self._request.send_input({"type": "http.disconnect"})
        await self._request.wait(timeout=10)

    def _take(self, block: str) -> None:
        if block.startswith(":"):
            self.comments += 1
            return
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = fields["data"]
        chunk = {"type": "[DONE]"} if data == "[DONE]" else json.loads(data)
        self.events.append(SimpleNamespace(id=fields.get("id"), chunk=chunk))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"]["code"])

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [event.chunk for event in self.events]

    @property
    def types(self) -> list[str]:
        """Each type once for a run of it: how deltas are joined is left to the moment."""
        runs = [chunk["type"] for chunk in self.chunks]
        return [kind for i, kind in enumerate(runs) if i == 0 or runs[i - 1] != kind]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [chunk for chunk in self.chunks if chunk["type"] == kind]

    @property
    def text(self) -> str:
        return "".join(chunk["delta"] for chunk in self.all("text-delta"))

    @property
    def start(self) -> dict[str, Any]:
        return self.all("start")[0]


class Http:
    """A client with a token, or a session with or without its CSRF token, or nothing."""

    def __init__(self, *, token: str = "", session: str = "", csrf: bool = True) -> None:
        self.handler = Handler(threads=4)
        self._headers = {"host": "localhost"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        if session:
            cookies = {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: CSRF}
            self._headers["cookie"] = "; ".join(f"{key}={value}" for key, value in cookies.items())
            if csrf:
                self._headers["x-csrftoken"] = CSRF

    async def send(
        self, method: str, path: str, body: bytes = b"", /, **headers: str
    ) -> ApplicationCommunicator:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {**self._headers, "content-type": "application/json", **named}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        request = ApplicationCommunicator(self.handler, scope)
        await request.send_input({"type": "http.request", "body": body, "more_body": False})
        return request

    async def open(self, method: str, path: str, body: bytes = b"", /, **headers: str) -> Answer:
        """Send a request and return when the answer begins."""
        return await Answer(await self.send(method, path, body, **headers)).begin()

    async def post(self, body: Any, **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.open("POST", PATH, raw, **headers)

    async def resume(self, conversation_id: str = "c1", **headers: str) -> Answer:
        return await self.open("GET", f"{PATH}/{conversation_id}/stream", **headers)

    async def stop(self, conversation_id: str = "c1") -> Answer:
        answer = await self.open("DELETE", f"{PATH}/{conversation_id}/stream")
        return await answer.end()


async def client_of(user: User) -> Http:
    """A program with a token of this person."""
    return Http(token=await sync_to_async(token_of)(user))


async def saved(**which: Any) -> Message:
    """The one message of which this is true."""
    return await database_sync_to_async(Message.objects.get)(**which)


async def until(condition: Any) -> None:
    """Returns when it holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)
