"""The bodies of both providers' streams, put together piece by piece."""

import json
from typing import Any


def data(content: Any) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"


class OpenAIBody:
    """Chat completions."""

    path = "/v1"
    error_kinds = {"overloaded": "overloaded", "fault": "server_error"}
    stop, length, filtered, tools = "stop", "length", "content_filter", "tool_calls"

    def begin(self) -> bytes:
        return self.chunk({"role": "assistant", "content": ""})

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return data({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def text(self, text: str) -> bytes:
        return self.chunk({"content": text})

    def end(self, reason: str = "stop") -> bytes:
        return self.chunk({}, reason)

    def last(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, kind: str) -> dict[str, Any]:
        word = self.error_kinds[kind]
        return {"error": {"message": "No.", "type": word, "code": word}}

    def error_event(self, kind: str) -> bytes:
        return data(self.error(kind))


class AnthropicBody:
    """Messages."""

    path = ""
    error_kinds = {"overloaded": "overloaded_error", "fault": "api_error"}
    stop, length, filtered, tools = "end_turn", "max_tokens", "refusal", "tool_use"

    def event(self, kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\n".encode() + data({"type": kind, **fields})

    def block(self, index: int, kind: str, **fields: Any) -> bytes:
        return self.event(
            "content_block_start", index=index, content_block={"type": kind, **fields}
        )

    def delta(self, index: int, kind: str, **fields: Any) -> bytes:
        return self.event("content_block_delta", index=index, delta={"type": kind, **fields})

    def block_end(self, index: int) -> bytes:
        return self.event("content_block_stop", index=index)

    def begin(self) -> bytes:
        return self.event("message_start", message={"id": "msg_1"}) + self.block(0, "text", text="")

    def text(self, text: str) -> bytes:
        return self.delta(0, "text_delta", text=text)

    def end(self, reason: str = "end_turn", **fields: Any) -> bytes:
        return self.block_end(0) + self.event(
            "message_delta", delta={"stop_reason": reason, "stop_sequence": None}, **fields
        )

    def last(self) -> bytes:
        return self.event("message_stop")

    def error(self, kind: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": self.error_kinds[kind], "message": "No."}}

    def error_event(self, kind: str) -> bytes:
        return b"event: error\n" + data(self.error(kind))


Body = OpenAIBody | AnthropicBody
BODIES: dict[str, Body] = {"openai": OpenAIBody(), "anthropic": AnthropicBody()}


def whole(body: Body, *texts: str) -> bytes:
    """A stream as it should be."""
    return b"".join((body.begin(), *map(body.text, texts), body.end(body.stop), body.last()))
