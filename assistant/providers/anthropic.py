"""Anthropic's messages. As with OpenAI, the SDK makes the call and msgspec reads the stream."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct

from assistant.events import Event, Finished, ReasoningDelta, TextDelta, ToolCall, Usage, tokens
from assistant.providers.base import Prompt
from assistant.providers.errors import ContextTooLong, NetworkError, Refused
from assistant.providers.wire import (
    CONNECT_SECONDS,
    HttpProvider,
    as_messages,
    event_data,
    provider_errors,
    read_to_end,
    told_in_stream,
)

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import MessageParam

# The API asks for a limit; every current model allows this much.
MAX_TOKENS = 32_000


class _Message(Struct):
    usage: Any = None


class _Block(Struct):
    type: str = ""
    id: str = ""
    name: str = ""


class _Delta(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _StreamEvent(Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_StreamEvent).decode


class AnthropicProvider(HttpProvider["AsyncAnthropic"]):
    name = "anthropic"

    def _make_client(self) -> "AsyncAnthropic":
        import httpx2
        from anthropic import AsyncAnthropic, DefaultAioHttpClient

        timeout = httpx2.Timeout(self._timeout, connect=CONNECT_SECONDS)
        return AsyncAnthropic(
            api_key=self._api_key or "none",
            base_url=self._base_url or None,
            timeout=timeout,
            # The SDK waits for as long as a Retry-After says, be it hours.
            max_retries=0,
            http_client=DefaultAioHttpClient(timeout=timeout),
        )

    async def answer(self, prompt: Prompt) -> AsyncGenerator[Event, None]:
        client = await self._clients.get()
        import anthropic

        messages = cast("list[MessageParam]", as_messages(prompt))
        with provider_errors(self.label, anthropic):
            async with client.messages.with_streaming_response.create(
                model=prompt.model, max_tokens=MAX_TOKENS, messages=messages, stream=True
            ) as response:
                reader = _StreamReader(self.label)
                stream = event_data(response.iter_bytes())
                async for data in stream:
                    for event in reader.read(data):
                        yield event
                    if reader.is_complete:
                        await read_to_end(stream)
                        break
                yield reader.end()


class _StreamReader:
    """Stream events in, our events out."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._usage = Usage()
        self._tools: dict[int, _Block] = {}
        self._arguments: dict[int, list[str]] = {}
        self._stop_reason: str | None = None
        self.is_complete = False

    def read(self, data: bytes) -> list[Event]:
        """Raises a ProviderError for an error event, msgspec's errors for what is no event."""
        event = _decode(data)
        match event.type:
            case "message_start" if event.message is not None:
                return self._count(event.message.usage)
            case "content_block_start" if event.content_block is not None:
                if event.content_block.type == "tool_use":
                    self._tools[event.index] = event.content_block
                    self._arguments[event.index] = []
            case "content_block_delta" if event.delta is not None:
                return self._read_delta(event.index, event.delta)
            case "content_block_stop" if event.index in self._tools:
                block = self._tools.pop(event.index)
                arguments = "".join(self._arguments.pop(event.index)) or "{}"
                return [ToolCall(block.id, block.name, arguments)]
            case "message_delta":
                if event.delta is not None:
                    self._stop_reason = event.delta.stop_reason or self._stop_reason
                return self._count(event.usage)
            case "message_stop":
                self.is_complete = True
            case "error":
                raise told_in_stream(self._label, event.error)
        # Pings, signatures, and what may come in later versions.
        return []

    def _read_delta(self, index: int, delta: _Delta) -> list[Event]:
        match delta.type:
            case "text_delta" if delta.text:
                return [TextDelta(delta.text)]
            case "thinking_delta" if delta.thinking:
                return [ReasoningDelta(delta.thinking)]
            case "input_json_delta" if index in self._arguments:
                self._arguments[index].append(delta.partial_json)
        return []

    def _count(self, usage: Any) -> list[Event]:
        """Anthropic's input excludes what the cache read and wrote, as ours does; all grow."""
        if not isinstance(usage, dict):
            return []
        before, details = self._usage, usage.get("output_tokens_details")

        def later(name: str, earlier: int) -> int:
            return tokens(usage[name]) if usage.get(name) is not None else earlier

        thinking = details.get("thinking_tokens") if isinstance(details, dict) else None
        self._usage = Usage(
            input_tokens=later("input_tokens", before.input_tokens),
            cache_read_tokens=later("cache_read_input_tokens", before.cache_read_tokens),
            cache_write_tokens=later("cache_creation_input_tokens", before.cache_write_tokens),
            output_tokens=later("output_tokens", before.output_tokens),
            reasoning_tokens=before.reasoning_tokens if thinking is None else tokens(thinking),
        )
        return [self._usage]

    def end(self) -> Event:
        """The last event. Raises NetworkError if the stream broke off, or what ended it early."""
        if not self.is_complete:
            raise NetworkError(self._label)
        match self._stop_reason:
            case "refusal":
                raise Refused(self._label)
            case "model_context_window_exceeded":
                raise ContextTooLong(self._label)
            case "max_tokens":
                return Finished("length")
            case "tool_use":
                return Finished("tool_calls")
        return Finished("stop")
