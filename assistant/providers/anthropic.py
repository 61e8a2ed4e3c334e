"""Anthropic's messages. As with OpenAI, the SDK makes the call and msgspec reads the stream."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from msgspec import Struct

from assistant.events import (
    Event,
    Finished,
    ReasoningDelta,
    ReasoningSignature,
    RedactedReasoning,
    TextDelta,
    ToolCall,
    Usage,
    tokens,
)
from assistant.providers.base import Prompt, Said, ToolRound
from assistant.providers.errors import ContextTooLong, NetworkError, Refused
from assistant.providers.wire import HttpProvider, messages_of, told_in_stream

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic, AsyncAPIResponse

# The API asks for a limit; every current model allows this much.
MAX_TOKENS = 32_000


class _Message(Struct):
    usage: Any = None


class _Block(Struct):
    """A part of the answer, as it begins. Compatible servers may give all of it at once."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Delta(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
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

    def _client_of(self, sdk: Any, **options: Any) -> "AsyncAnthropic":
        return cast("AsyncAnthropic", sdk.AsyncAnthropic(**options))

    def _request(
        self, client: "AsyncAnthropic", prompt: Prompt
    ) -> AbstractAsyncContextManager["AsyncAPIResponse[Any]"]:
        return client.messages.with_streaming_response.create(
            model=prompt.model,
            max_tokens=prompt.most_tokens or MAX_TOKENS,
            messages=[],
            stream=True,
            extra_body=_body(prompt),
        )

    def _reader(self) -> "_StreamReader":
        return _StreamReader(self.label)


def _body(prompt: Prompt) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": messages_of(prompt, _round)}
    if prompt.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in prompt.tools
        ]
        if not prompt.may_call:
            body["tool_choice"] = {"type": "none"}
    return body


def _round(tools: ToolRound) -> list[dict[str, Any]]:
    """The model's own blocks as they came, reasoning with its signature; then all results."""
    results = [
        {
            "type": "tool_result",
            "tool_use_id": result.id,
            "content": result.content,
            "is_error": result.is_error,
        }
        for result in tools.results
    ]
    return [
        {"role": "assistant", "content": _blocks(tools.said)},
        {"role": "user", "content": results},
    ]


def _blocks(said: Sequence[Said]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    text: list[str] = []
    thinking: list[str] = []

    def end_text() -> None:
        # Blank text is refused.
        if (joined := "".join(text)).strip():
            blocks.append({"type": "text", "text": joined})
        text.clear()

    for each in said:
        match each:
            case TextDelta():
                text.append(each.text)
            case ReasoningDelta():
                thinking.append(each.text)
            case ReasoningSignature():
                end_text()
                # Reasoning without a seal is refused, so it is sent with it or not at all.
                sealed = {"thinking": "".join(thinking), "signature": each.signature}
                blocks.append({"type": "thinking", **sealed})
                thinking.clear()
            case RedactedReasoning():
                end_text()
                blocks.append({"type": "redacted_thinking", "data": each.data})
            case ToolCall():
                end_text()
                call = {"id": each.id, "name": each.name, "input": _input(each.arguments)}
                blocks.append({"type": "tool_use", **call})
    end_text()
    return blocks


def _input(arguments: str) -> Any:
    """The arguments as the object that they have to be; what is none was told to the model."""
    try:
        given = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}
    return given if isinstance(given, dict) else {}


class _StreamReader:
    """Stream events in, our events out."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._usage = Usage()
        # What is told only when its block ends: tool calls and signatures, by the block's index.
        self._blocks: dict[int, _Block] = {}
        self._pieces: dict[int, list[str]] = {}
        self._stop_reason: str | None = None
        self.is_complete = False

    @property
    def has_ended(self) -> bool:
        return self._stop_reason is not None

    def read(self, data: bytes) -> list[Event]:
        event = _decode(data)
        match event.type:
            case "content_block_delta" if event.delta is not None:
                return self._read_delta(event.index, event.delta)
            case "content_block_start" if event.content_block is not None:
                return self._begin_block(event.index, event.content_block)
            case "content_block_stop":
                return self._end_block(event.index)
            case "message_start" if event.message is not None:
                return self._count(event.message.usage)
            case "message_delta":
                if event.delta is not None:
                    self._stop_reason = event.delta.stop_reason or self._stop_reason
                return self._count(event.usage)
            case "message_stop":
                self.is_complete = True
            case "error":
                raise told_in_stream(self._label, event.error)
        # Pings, and what may come in later versions.
        return []

    def _read_delta(self, index: int, delta: _Delta) -> list[Event]:
        match delta.type:
            case "text_delta" if delta.text:
                return [TextDelta(delta.text)]
            case "thinking_delta" if delta.thinking:
                return [ReasoningDelta(delta.thinking)]
            case "input_json_delta" if index in self._pieces:
                self._pieces[index].append(delta.partial_json)
            case "signature_delta" if index in self._pieces:
                self._pieces[index].append(delta.signature)
        return []

    def _begin_block(self, index: int, block: _Block) -> list[Event]:
        match block.type:
            case "text" if block.text:
                return [TextDelta(block.text)]
            case "redacted_thinking":
                return [RedactedReasoning(block.data)]
            case "tool_use" | "thinking":
                self._blocks[index], self._pieces[index] = block, [block.signature]
        return [ReasoningDelta(block.thinking)] if block.thinking else []

    def _end_block(self, index: int) -> list[Event]:
        if index not in self._blocks:
            return []
        block, pieces = self._blocks.pop(index), "".join(self._pieces.pop(index))
        if block.type == "tool_use":
            arguments = pieces or bytes(block.input).decode()
            return [ToolCall(block.id or f"call-{index}", block.name, arguments)]
        return [ReasoningSignature(pieces)] if pieces else []

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
            cache_write_1h_tokens=_kept_for_an_hour(usage, before.cache_write_1h_tokens),
            output_tokens=later("output_tokens", before.output_tokens),
            reasoning_tokens=before.reasoning_tokens if thinking is None else tokens(thinking),
        )
        return [self._usage]

    def end(self) -> list[Event]:
        if not (self.is_complete or self.has_ended):
            raise NetworkError(self._label)
        if self._stop_reason == "refusal":
            raise Refused(self._label)
        if self._stop_reason == "model_context_window_exceeded":
            raise ContextTooLong(self._label)
        # Blocks that a compatible server began and never ended.
        left = [event for index in sorted(self._blocks) for event in self._end_block(index)]
        return [*left, Finished(_REASONS.get(self._stop_reason or "", "stop"))]


def _kept_for_an_hour(usage: dict[str, Any], earlier: int) -> int:
    """Of the tokens that the cache wrote, those kept for an hour; the rest is for 5 minutes."""
    lifetimes = usage.get("cache_creation")
    if not isinstance(lifetimes, dict) or lifetimes.get("ephemeral_1h_input_tokens") is None:
        return earlier
    return tokens(lifetimes["ephemeral_1h_input_tokens"])


_REASONS: dict[str, Literal["stop", "length", "tool_calls"]] = {
    "max_tokens": "length",
    "tool_use": "tool_calls",
}
