"""The least that Channels can do with a stream: read the upstream, forward each chunk as a frame.

No database, no log-in, no resume; aiohttp and msgspec, one frame for each chunk.
"""

import os
from typing import Any

import aiohttp
import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from msgspec import Struct


class _Delta(Struct):
    content: str | None = None


class _Choice(Struct):
    delta: _Delta


class _Chunk(Struct):
    choices: list[_Choice]


_decode = msgspec.json.Decoder(_Chunk).decode
_encode = msgspec.json.Encoder().encode
_sessions: list[aiohttp.ClientSession] = []


def _session() -> aiohttp.ClientSession:
    """One for the process, made inside the event loop at the first question."""
    if not _sessions:
        _sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    return _sessions[0]


class Consumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()
        await self._send({"type": "ready", "protocol": 1})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        frame = msgspec.json.decode(text_data or "")
        request = {
            "model": "bench",
            "messages": [{"role": "user", "content": frame["text"]}],
            "stream": True,
        }
        url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
        async with _session().post(url, data=_encode(request)) as response:
            seq, rest = 0, b""
            async for received in response.content.iter_any():
                *lines, rest = (rest + received).split(b"\n")
                for line in lines:
                    if line.startswith(b"data: {"):
                        seq = await self._forward(_decode(line[6:]), seq)
        await self._send({"type": "finished", "seq": seq, "status": "done", "error": None})

    async def _forward(self, chunk: _Chunk, seq: int) -> int:
        for choice in chunk.choices:
            if text := choice.delta.content:
                seq += 1
                await self._send({"type": "delta", "seq": seq, "channel": "text", "text": text})
        return seq

    async def _send(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=_encode(frame).decode())


async def _is_up(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


settings.configure()
application = ProtocolTypeRouter({"http": _is_up, "websocket": Consumer.as_asgi()})
