"""OpenAI, and every server that speaks its chat completions: Ollama, vLLM, llama.cpp and others.

The SDK does what it is good at: addresses, authentication, errors. The stream itself is read raw
and decoded by msgspec; the SDK's own objects for each chunk cost three times the time.
"""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from msgspec import Struct

from assistant.events import Event, Finished, ReasoningDelta, TextDelta, ToolCall, Usage, tokens
from assistant.providers.base import Prompt
from assistant.providers.errors import NetworkError, Refused
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
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolDelta(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    # DeepSeek, vLLM and SGLang say reasoning_content; Ollama and OpenRouter say reasoning.
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolDelta] | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    # Not decoded into a type: see events.tokens.
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class OpenAIProvider(HttpProvider["AsyncOpenAI"]):
    name = "openai"

    def _make_client(self) -> "AsyncOpenAI":
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient

        timeout = httpx2.Timeout(self._timeout, connect=CONNECT_SECONDS)
        return AsyncOpenAI(
            # Local servers ask for no key, the SDK does.
            api_key=self._api_key or "none",
            base_url=self._base_url or None,
            timeout=timeout,
            max_retries=0,
            http_client=DefaultAioHttpClient(timeout=timeout),
        )

    async def answer(self, prompt: Prompt) -> AsyncGenerator[Event, None]:
        client = await self._clients.get()
        import openai

        messages = cast("list[ChatCompletionMessageParam]", as_messages(prompt))
        with provider_errors(self.label, openai):
            async with client.chat.completions.with_streaming_response.create(
                model=prompt.model,
                messages=messages,
                stream=True,
                stream_options={"include_usage": True},
            ) as response:
                reader = _StreamReader(self.label)
                stream = event_data(response.iter_bytes())
                async for data in stream:
                    if data == b"[DONE]":
                        await read_to_end(stream)
                        break
                    for event in reader.read(data):
                        yield event
                for event in reader.end():
                    yield event


class _StreamReader:
    """Chunks in, events out. Tool calls come in pieces and are kept until the end."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._tools: dict[int, _Function] = {}
        self._tool_ids: dict[int, str] = {}
        self._finish_reason: str | None = None

    def read(self, data: bytes) -> list[Event]:
        """Raises a ProviderError for an error event, msgspec's errors for what is not a chunk."""
        chunk = _decode(data)
        if chunk.error is not None:
            raise told_in_stream(self._label, chunk.error)
        events: list[Event] = []
        for choice in chunk.choices or ():
            if choice.delta is not None:
                self._read_delta(choice.delta, events)
            self._finish_reason = choice.finish_reason or self._finish_reason
        # Comes in a chunk of its own, after the finish reason; some servers never send it.
        if isinstance(chunk.usage, dict):
            events.append(_usage(chunk.usage))
        return events

    def _read_delta(self, delta: _Delta, events: list[Event]) -> None:
        if reasoning := delta.reasoning_content or delta.reasoning:
            events.append(ReasoningDelta(reasoning))
        if text := delta.content or delta.refusal:
            events.append(TextDelta(text))
        for piece in delta.tool_calls or ():
            index = piece.index or 0
            call = self._tools.setdefault(index, _Function("", ""))
            self._tool_ids.setdefault(index, piece.id or "")
            if piece.function is not None:
                call.name = call.name or piece.function.name
                call.arguments = (call.arguments or "") + (piece.function.arguments or "")

    def end(self) -> list[Event]:
        """The last events. Raises NetworkError if the stream broke off, Refused if filtered."""
        if self._finish_reason is None:
            raise NetworkError(self._label)
        if self._finish_reason == "content_filter":
            raise Refused(self._label)
        calls: list[Event] = [
            ToolCall(self._tool_ids[index], call.name or "", call.arguments or "{}")
            for index, call in sorted(self._tools.items())
        ]
        return [*calls, Finished(_reason(self._finish_reason, has_tool_calls=bool(calls)))]


def _reason(finish_reason: str, *, has_tool_calls: bool) -> Literal["stop", "length", "tool_calls"]:
    # Some compatible servers say "stop" although they ask for tools.
    if has_tool_calls:
        return "tool_calls"
    return "length" if finish_reason == "length" else "stop"


def _usage(usage: dict[str, Any]) -> Usage:
    """OpenAI counts cached tokens as part of the input; here they are apart."""
    cached = tokens(_detail(usage, "prompt_tokens_details", "cached_tokens"))
    return Usage(
        input_tokens=max(0, tokens(usage.get("prompt_tokens")) - cached),
        cache_read_tokens=cached,
        output_tokens=tokens(usage.get("completion_tokens")),
        reasoning_tokens=tokens(_detail(usage, "completion_tokens_details", "reasoning_tokens")),
    )


def _detail(usage: dict[str, Any], group: str, name: str) -> object:
    details = usage.get(group)
    return details.get(name) if isinstance(details, dict) else None
