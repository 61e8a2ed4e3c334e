"""A chat as Markdown, for people and other programs to read."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from conversations.models import Conversation, Message, MessageRole, branch

ENDINGS = {
    "stopped": "This answer was stopped.",
    "failed": "This answer failed.",
    "interrupted": "This answer was interrupted.",
}


def as_markdown(chat: Conversation, leaf_id: str | None, now: datetime) -> str:
    """The branch that ends with that message; without one of that name, the one written to last."""
    messages = list(chat.messages.in_order())
    path = branch(messages, leaf_id) or branch(
        messages, messages[-1].client_id if messages else None
    )
    title = re.sub(r"\s+", " ", chat.title).strip() or "Untitled"
    blocks = [f"# {title}", f"*Exported from Chatcore on {_moment(now)}.*"]
    for message in path:
        blocks += _message(message)
    return "\n\n".join(blocks) + "\n"


def _message(message: Message) -> Iterator[str]:
    if message.role == MessageRole.USER:
        yield f"## You\n\n*{_moment(message.created_at)}*"
    else:
        by = f" – {message.model}" if message.model else ""
        yield f"## Answer{by}\n\n*{_moment(message.created_at)}*"
    yield from _parts(message.parts)
    if message.status in ENDINGS:
        said = message.error.get("message") if message.error else None
        yield f"*{said if isinstance(said, str) else ENDINGS[message.status]}*"


def _parts(parts: Sequence[Any]) -> Iterator[str]:
    """Parts may be a client's, of any shape: what is none of ours is passed over."""
    for part in parts:
        kind, text = part.get("type"), part.get("text")
        if kind == "text" and isinstance(text, str) and text.strip():
            yield text.strip("\n")
        elif kind == "reasoning" and isinstance(text, str) and text.strip():
            quoted = "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())
            yield f"### Reasoning\n\n{quoted}"
        elif kind == "dynamic-tool":
            yield from _tool(part)


def _tool(part: dict[str, Any]) -> Iterator[str]:
    yield f"### Tool: {part.get('toolName')}\n\nAsked for:\n\n{_fenced(part.get('input'))}"
    if "errorText" in part:
        yield f"Failed:\n\n{_fenced(part['errorText'])}"
    elif "output" in part:
        yield f"Result:\n\n{_fenced(part['output'])}"


def _fenced(value: Any) -> str:
    """In a fence that is longer than any inside of it."""
    is_text = isinstance(value, str)
    text = value if is_text else json.dumps(value, indent=2, ensure_ascii=False, default=int)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{'' if is_text else 'json'}\n{text}\n{fence}"


def _moment(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
