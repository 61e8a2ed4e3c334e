"""Files as ChatGPT exports them, in miniature."""

import io
import json
import zipfile
from typing import Any

# 14 May 2024, 12:00:00 UTC.
NOON = 1715688000.0


def node(name: str, parent: str | None, role: str = "user", text: Any = None, **fields) -> Any:
    """A node by its name; the text is its own name if there is none. `content` replaces it."""
    content = {"content_type": "text", "parts": [name if text is None else text]}
    message = {
        "id": name,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": fields.pop("at", None),
        "content": fields.pop("content", content),
        "status": "finished_successfully",
        "weight": 1.0,
        "metadata": fields.pop("metadata", {}),
        "recipient": fields.pop("recipient", "all"),
        **fields,
    }
    return name, {"id": name, "message": message, "parent": parent, "children": []}


def answer(name: str, parent: str | None, text: Any = None, **fields) -> Any:
    metadata = {"model_slug": "gpt-4o", **fields.pop("metadata", {})}
    return node(name, parent, "assistant", text, metadata=metadata, **fields)


def chat(*nodes: Any, title: Any = "A chat", current: str | None = None, **fields) -> dict:
    """The chat of these nodes below an empty root, which is the parent None."""
    mapping: dict[str, Any] = {
        "root": {"id": "root", "message": None, "parent": None, "children": []}
    }
    for name, each in nodes:
        if each["parent"] is None:
            each["parent"] = "root"
        mapping[name] = each
        if each["parent"] in mapping:
            mapping[each["parent"]]["children"].append(name)
    return {
        "title": title,
        "create_time": NOON,
        "update_time": NOON + 60,
        "mapping": mapping,
        "current_node": current or (nodes[-1][0] if nodes else "root"),
        "conversation_id": f"chat-{title}",
        **fields,
    }


def simple(title: str = "A chat", **fields) -> dict:
    """A question and its answer."""
    return chat(node("q1", None, at=NOON), answer("a1", "q1", at=NOON + 5), title=title, **fields)


def as_zip(files: dict[str, Any], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these files: of bytes as they are, of anything else its JSON."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", method) as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            archive.writestr(name, data)
    return raw.getvalue()
