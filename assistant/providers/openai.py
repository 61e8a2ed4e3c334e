"""OpenAI, and every server that speaks its chat completions: Ollama, vLLM, llama.cpp and others.

The SDK does what it is good at: addresses, authentication, errors. The stream itself is read raw
and decoded by msgspec; the SDK's own objects for each chunk cost three times the time.
"""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from msgspec import Struct

from assistant.events import Event, Finished, ReasoningDelta, TextDelta, ToolCall, Usage, tokens
from assistant.providers.base import Prompt, ToolRound
from assistant.providers.errors import NetworkError, Refused
from assistant.providers.wire import HttpProvider, messages_of, told_in_stream

if TYPE_CHECKING:
    from openai import AsyncAPIResponse, AsyncOpenAI


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

    def _client_of(self, sdk: Any, **options: Any) -> "AsyncOpenAI":
        return cast("AsyncOpenAI", sdk.AsyncOpenAI(**options))

    def _request(
        self, client: "AsyncOpenAI", prompt: Prompt
    ) -> AbstractAsyncContextManager["AsyncAPIResponse[Any]"]:
        return client.chat.completions.with_streaming_response.create(
            model=prompt.model,
            messages=[],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={**_body(prompt), **self._bound(prompt)},
        )

    def _bound(self, prompt: Prompt) -> dict[str, int]:
        """OpenAI's own models refuse the old name, and many compatible servers know no other."""
        if prompt.most_tokens is None:
            return {}
        name = "max_tokens" if self._base_url else "max_completion_tokens"
        return {name: prompt.most_tokens}

    def _reader(self) -> "_StreamReader":
        return _StreamReader(self.label)


def _body(prompt: Prompt) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": messages_of(prompt, _round)}
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in prompt.tools
        ]
        if not prompt.may_call:
            body["tool_choice"] = "none"
    return body


def _round(tools: ToolRound) -> list[dict[str, Any]]:
    """What the model wrote, then a message for each result. Its reasoning is not sent back."""
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in tools.calls
    ]
    return [
        {"role": "assistant", "content": tools.text or None, "tool_calls": calls},
        *(
            {"role": "tool", "tool_call_id": result.id, "content": result.content}
            for result in tools.results
        ),
    ]


class _Call:
    """A tool call in the making."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class _StreamReader:
    """Chunks in, events out. Tool calls come in pieces and are kept until the end."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._calls: list[_Call] = []
        self._finish_reason: str | None = None
        self.is_complete = False

    @property
    def has_ended(self) -> bool:
        return self._finish_reason is not None

    def read(self, data: bytes) -> list[Event]:
        if data == b"[DONE]":
            self.is_complete = True
            return []
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
            self._read_tool(piece)

    def _read_tool(self, piece: _ToolDelta) -> None:
        call = self._call_of(piece)
        call.id = call.id or piece.id or ""
        if piece.function is not None:
            call.name = call.name or piece.function.name or ""
            call.arguments.append(piece.function.arguments or "")

    def _call_of(self, piece: _ToolDelta) -> _Call:
        """The call that the piece belongs to, a new one if it begins one.

        Some compatible servers give no index, or 0 to every call: there an id that is new, with
        a name, begins another call.
        """
        for call in reversed(self._calls):
            if piece.index is not None and piece.index != call.index:
                continue
            if _begins_another(piece, call):
                break
            return call
        call = _Call(piece.index)
        self._calls.append(call)
        return call

    def end(self) -> list[Event]:
        if self._finish_reason is None:
            raise NetworkError(self._label)
        if self._finish_reason == "content_filter":
            raise Refused(self._label)
        # Ids tie results to calls; a server that gives none gets one that is unique in its answer.
        calls: list[Event] = [
            ToolCall(call.id or f"call-{position}", call.name, "".join(call.arguments) or "{}")
            for position, call in enumerate(self._calls, start=1)
        ]
        return [*calls, Finished(_reason(self._finish_reason, has_tool_calls=bool(calls)))]


def _begins_another(piece: _ToolDelta, call: _Call) -> bool:
    if piece.function is None or not piece.function.name:
        return False
    if piece.id:
        return piece.id != call.id
    # Without ids and indexes a name is all that tells one call from the next.
    return piece.index is None


def _reason(finish_reason: str, *, has_tool_calls: bool) -> Literal["stop", "length", "tool_calls"]:
    # Some compatible servers say "stop" although they ask for tools.
    if has_tool_calls:
        return "tool_calls"
    return "length" if finish_reason == "length" else "stop"


def _usage(usage: dict[str, Any]) -> Usage:
    """OpenAI counts cached tokens as part of the input; here they are apart."""
    details = "prompt_tokens_details"
    cached = tokens(_detail(usage, details, "cached_tokens"))
    # OpenRouter's name for what its providers' caches wrote.
    written = tokens(_detail(usage, details, "cache_write_tokens"))
    prompt, completion = tokens(usage.get("prompt_tokens")), tokens(usage.get("completion_tokens"))
    # xAI and Gemini count reasoning beside the completion, where only the total tells.
    beside = max(0, tokens(usage.get("total_tokens")) - prompt - completion)
    reasoning = tokens(_detail(usage, "completion_tokens_details", "reasoning_tokens"))
    return Usage(
        input_tokens=max(0, prompt - cached - written),
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=completion + beside,
        reasoning_tokens=reasoning or beside,
    )


def _detail(usage: dict[str, Any], group: str, name: str) -> object:
    details = usage.get(group)
    return details.get(name) if isinstance(details, dict) else None
