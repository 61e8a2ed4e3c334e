"""A loopback server that speaks both providers' wire protocols, and misbehaves on demand.

The real SDKs talk to it. What it answers is a `Reply`: queued with `provider.reply_with(...)`, one
for each request, or `provider.default` when the queue is empty.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.loopback import LoopbackServer

WORDS = "The answer is 42, and it comes **word by word**."


@dataclass(frozen=True)
class Reply:
    """What one request gets. Times are in seconds, positions count chunks of text."""

    text: str = WORDS
    reasoning: str = ""
    tools: tuple[tuple[str, str, str], ...] = ()  # (id, name, arguments as JSON)
    delay: float = 0.0  # before each chunk
    status: int = 200
    error: dict[str, Any] = field(default_factory=dict)  # body of another status
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None  # drop the connection
    silent_after: int | None = None  # say nothing more, but stay connected
    malformed_after: int | None = None  # send what is no JSON
    error_after: int | None = None  # send `error` as an event in mid-stream
    broken_end: bool = False  # drop the connection behind the last event
    finish_reason: str | None = None  # in the provider's own word
    usage: dict[str, Any] | None = field(default_factory=lambda: {"input": 10, "output": 5})

    def chunks(self) -> list[str]:
        words = self.text.split(" ")
        return [word if i == 0 else f" {word}" for i, word in enumerate(words)] if words else []


@dataclass
class Request:
    """What the server was sent. `closed` is set when the client hung up before the end."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    client_port: int  # two requests from one port came over one connection
    reply: Reply
    is_whole: bool = False  # the client was sent all of it
    closed: threading.Event = field(default_factory=threading.Event)


class FakeProvider(LoopbackServer):
    """Runs in a thread of its own until `stop()`."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.default = Reply()
        # What a request gets, by its body; None leaves it to the queue and the default.
        self.choose: Callable[[dict[str, Any]], Reply] | None = None
        self._queue: deque[Reply] = deque()

    @property
    def openai_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reply_with(self, *replies: Reply) -> None:
        self._queue.extend(replies)

    def start(self) -> "FakeProvider":
        self._serve()
        return self

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/chat/completions", self._openai)
        router.add_post("/v1/messages", self._anthropic)

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, openai_events)

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, anthropic_events)

    async def _answer(self, request: web.Request, events: Any) -> web.StreamResponse:
        body = await request.json()
        reply = self._reply_to(body)
        seen = Request(request.path, dict(request.headers), body, _client_port(request), reply)
        self.requests.append(seen)
        if reply.status != 200:
            return web.json_response(reply.error, status=reply.status, headers=reply.headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            async for line in events(reply, body["model"]):
                await response.write(line)
            if reply.broken_end:
                raise _Cut
        except _Cut:
            if request.transport is not None:
                request.transport.abort()
            return response
        except ConnectionError:
            seen.closed.set()
            return response
        seen.is_whole = True
        await response.write_eof()
        return response

    def _reply_to(self, body: dict[str, Any]) -> Reply:
        if self.choose is not None:
            return self.choose(body)
        return self._queue.popleft() if self._queue else self.default


def _client_port(request: web.Request) -> int:
    peer = request.transport and request.transport.get_extra_info("peername")
    return int(peer[1]) if peer else 0


class _Cut(Exception):
    """The connection is to break now."""


async def _paced(reply: Reply) -> AsyncIterator[tuple[str, bytes | None]]:
    """(text, None) for each chunk, or ("", line) for a fault in its place."""
    for position, chunk in enumerate([*reply.chunks(), None]):
        if position == reply.cut_after:
            raise _Cut
        if position == reply.silent_after:
            await asyncio.sleep(3600)
        if position == reply.malformed_after:
            yield "", b"data: {this is no JSON\n\n"
        if position == reply.error_after:
            yield "", b"event: error\ndata: " + json.dumps(reply.error).encode() + b"\n\n"
        if chunk is not None:
            if reply.delay:
                await asyncio.sleep(reply.delay)
            yield chunk, None


def _line(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


async def openai_events(reply: Reply, model: str) -> AsyncIterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _line({"id": "chatcmpl-1", "model": model, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    if reply.reasoning:
        yield chunk({"reasoning_content": reply.reasoning})
    async for text, fault in _paced(reply):
        yield fault if fault is not None else chunk({"content": text})
    for index, (key, name, arguments) in enumerate(reply.tools):
        call = {"index": index, "id": key, "type": "function"}
        yield chunk({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})
        for piece in (arguments[:4], arguments[4:]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, reply.finish_reason or ("tool_calls" if reply.tools else "stop"))
    if reply.usage is not None:
        usage = {
            "prompt_tokens": reply.usage["input"],
            "completion_tokens": reply.usage["output"],
            "prompt_tokens_details": {"cached_tokens": reply.usage.get("cached", 0)},
            "completion_tokens_details": {"reasoning_tokens": reply.usage.get("reasoning", 0)},
        }
        yield _line({"id": "chatcmpl-1", "model": model, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


async def anthropic_events(reply: Reply, model: str) -> AsyncIterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\n".encode() + _line({"type": kind, **fields})

    def delta(index: int, **fields: str) -> bytes:
        return event("content_block_delta", index=index, delta=fields)

    usage = reply.usage or {"input": 0, "output": 0}
    start = {
        "input_tokens": usage["input"],
        "cache_read_input_tokens": usage.get("cached", 0),
        "cache_creation_input_tokens": usage.get("cache_write", 0),
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.get("cache_write", 0) - usage.get("hour", 0),
            "ephemeral_1h_input_tokens": usage.get("hour", 0),
        },
        "output_tokens": 1,
    }
    yield event("message_start", message={"id": "msg_1", "model": model, "usage": start})
    yield event("ping")
    index = 0
    if reply.reasoning:
        thinking = {"type": "thinking", "thinking": "", "signature": ""}
        yield event("content_block_start", index=index, content_block=thinking)
        yield delta(index, type="thinking_delta", thinking=reply.reasoning)
        yield delta(index, type="signature_delta", signature="c2lnbmVk")
        yield event("content_block_stop", index=index)
        index += 1
    yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
    async for text, fault in _paced(reply):
        yield fault if fault is not None else delta(index, type="text_delta", text=text)
    yield event("content_block_stop", index=index)
    for key, name, arguments in reply.tools:
        index += 1
        block: dict[str, Any] = {"type": "tool_use", "id": key, "name": name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        for piece in ("", arguments[:4], arguments[4:]):
            yield delta(index, type="input_json_delta", partial_json=piece)
        yield event("content_block_stop", index=index)
    stop = reply.finish_reason or ("tool_use" if reply.tools else "end_turn")
    yield event(
        "message_delta",
        delta={"stop_reason": stop, "stop_sequence": None},
        usage={
            "output_tokens": usage["output"],
            "output_tokens_details": {"thinking_tokens": usage.get("reasoning", 0)},
        },
    )
    yield event("message_stop")
