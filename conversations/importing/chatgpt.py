"""A chat of ChatGPT's data export as ours.

OpenAI documents the format nowhere; this is what exports of the years 2023 to 2026 have in them. A
chat is a `mapping` of nodes, each with its `message`, its `parent` and its `children`; the one of
`current_node` ends the branch that was shown last. One answer is several nodes where the model
thought or used tools on the way: they become one message.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chatcore import ids
from conversations.importing import tree
from conversations.importing.chats import (
    MOST_MESSAGES,
    FoundChat,
    Unusable,
    clean,
    fit,
    is_client_id,
    moment,
    times,
    title_of,
)
from conversations.models import (
    UNTITLED,
    Message,
    MessageRole,
    MessageStatus,
    title_from,
)

Node = dict[str, Any]

# What the model was told or told itself, and notes about it; nobody wrote or read them as messages.
_LEFT_OUT = frozenset(
    {"user_editable_context", "model_editable_context", "reasoning_recap", "system_error"}
    | {"tether_browsing_display", "tether_browsing_code", "execution_output"}
)
_IMAGES = frozenset({"image_asset_pointer"})
_SOUNDS = frozenset(
    {
        "audio_asset_pointer",
        "real_time_user_audio_video_asset_pointer",
        "video_container_asset_pointer",
    }
)
# Where an answer quotes a page there are signs around it that only ChatGPT's page can read.
_MARK = re.compile("\ue200[^\ue200\ue201]*\ue201")
_MOST_REFERENCES = 500
_TO_EVERYBODY = (None, "", "all", "assistant")


@dataclass
class _Said:
    """What one node says. `name` is its key in the mapping."""

    name: str
    role: str
    text: str
    reasoning: str
    model: str
    status: str
    at: datetime | None


@dataclass
class _Turn:
    """Nodes that are one message: a question, or an answer with all its steps."""

    parent: str | None
    said: list[_Said] = field(default_factory=list)


def convert(chat: Any, owner: UUID, now: datetime) -> FoundChat:
    """The chat for the person with this key. Raises Unusable."""
    mapping = chat.get("mapping") if isinstance(chat, dict) else None
    if not isinstance(mapping, dict):
        raise Unusable("It has no messages that can be read.")
    turns = _turns(mapping, now)
    if not turns:
        raise Unusable("It has no messages.")
    if len(turns) > MOST_MESSAGES:
        raise Unusable(f"It has more than {MOST_MESSAGES:,} messages.")
    created = moment(chat.get("create_time"), now)
    order = _order(turns, mapping, chat.get("current_node"), created, now)
    messages, shortened = _messages(order, turns, owner, created or now)
    created, updated = times(created, moment(chat.get("update_time"), now), messages, now)
    questions = (each.content for each in messages if each.role == MessageRole.USER)
    return FoundChat(
        client_id=id_of(chat, owner),
        title=title_of(chat.get("title")) or title_from(next(questions, "")) or UNTITLED,
        created_at=created,
        updated_at=updated,
        messages=messages,
        shortened=shortened,
    )


def id_of(chat: Node, owner: UUID) -> str:
    """The id that the chat has with us: for one person always the same."""
    return str(ids.derived(owner, f"chatgpt:{_name_of(chat)}"))


def _name_of(chat: Node) -> str:
    for name in ("conversation_id", "id"):
        if isinstance(value := chat.get(name), str) and 0 < len(value) <= 200:
            return clean(value)
    # Some exports have none; the names of the nodes are as good.
    names = sorted(map(clean, _dict(chat.get("mapping"))))
    return hashlib.sha256("\0".join(names).encode()).hexdigest()


# --- The tree -----------------------------------------------------------------------------------
def _turns(mapping: Node, now: datetime) -> dict[str, _Turn]:
    """The messages of the chat by the name of the first node of each, above before below."""
    said = {each.name: each for each in _all_said(mapping, now)}
    parents = {name: _parent_of(node) for name, node in mapping.items()}
    above = tree.nearest(parents, said)
    kept = tree.without_rings({name: above[name] for name in said})
    children = tree.children_of(kept)
    turns: dict[str, _Turn] = {}
    turn_of: dict[str, str] = {}
    waiting = list(reversed(children.get(None, [])))
    while waiting:
        name = waiting.pop()
        parent = kept[name]
        goes_on = (
            parent is not None
            and said[name].role == said[parent].role == MessageRole.ASSISTANT
            and len(children[parent]) == 1
        )
        first = turn_of[parent] if goes_on and parent is not None else name
        turn_of[name] = first
        if first == name:
            turns[name] = _Turn(None if parent is None else turn_of[parent])
        turns[first].said.append(said[name])
        waiting.extend(reversed(children.get(name, [])))
    return turns


def _parent_of(node: Any) -> str | None:
    parent = node.get("parent") if isinstance(node, dict) else None
    return parent if isinstance(parent, str) else None


def _order(
    turns: dict[str, _Turn], mapping: Node, current: Any, created: datetime | None, now: datetime
) -> list[str]:
    parents = {name: turn.parent for name, turn in turns.items()}
    begun: dict[str, float] = {}
    for name, turn in turns.items():
        before = begun[turn.parent] if turn.parent else (created or now).timestamp()
        own = next((each.at.timestamp() for each in turn.said if each.at), before)
        begun[name] = max(before, own) if turn.parent else own
    shown = _turn_at(turns, mapping, current)
    last = None if shown is None else tree.last_below(tree.children_of(parents), shown)
    return tree.in_order(parents, begun, last)


def _turn_at(turns: dict[str, _Turn], mapping: Node, current: Any) -> str | None:
    """The message that the chat was shown down to: the nearest one above `current_node`."""
    if not isinstance(current, str):
        return None
    turn_of = {said.name: name for name, turn in turns.items() for said in turn.said}
    if current in turn_of:
        return turn_of[current]
    parents = {name: _parent_of(node) for name, node in mapping.items()}
    above = tree.nearest(parents, turn_of).get(current)
    return None if above is None else turn_of[above]


def _messages(
    order: Sequence[str], turns: dict[str, _Turn], owner: UUID, begin: datetime
) -> tuple[list[Message], int]:
    """In their order, and of how many something was too long."""
    names = {
        name: name if is_client_id(name) else str(ids.derived(owner, f"chatgpt:{clean(name)}"))
        for name in turns
    }
    written: dict[str, datetime] = {}
    messages: list[Message] = []
    for name in order:
        turn = turns[name]
        before = written.get(turn.parent, begin) if turn.parent else begin
        written[name] = max((each.at for each in turn.said if each.at), default=before)
        parent = names[turn.parent] if turn.parent else None
        message = _message(turn.said)
        message.client_id, message.parent_id = names[name], parent
        message.created_at = written[name]
        messages.append(message)
    return messages, sum([fit(each) for each in messages])


def _message(said: Sequence[_Said]) -> Message:
    # Joined once: an answer may have thousands of steps.
    runs: list[tuple[str, list[str]]] = []
    for each in said:
        for kind, text in (("reasoning", each.reasoning), ("text", each.text)):
            if text and runs and runs[-1][0] == kind:
                runs[-1][1].append(text)
            elif text:
                runs.append((kind, [text]))
    parts = [{"type": kind, "text": "\n\n".join(texts)} for kind, texts in runs]
    last = said[-1]
    model = next((each.model for each in reversed(said) if each.model), "")
    return Message(
        role=last.role,
        content="".join(part["text"] for part in parts if part["type"] == "text"),
        parts=parts,
        model=f"chatgpt:{model}" if model and last.role == MessageRole.ASSISTANT else "",
        status=last.status,
    )


# --- What a node says ---------------------------------------------------------------------------
def _all_said(mapping: Node, now: datetime) -> Iterator[_Said]:
    for name, node in mapping.items():
        message = node.get("message") if isinstance(node, dict) else None
        said = _said(name, message, now) if isinstance(message, dict) else None
        if said is not None and (said.text or said.reasoning):
            yield said


def _said(name: str, message: Node, now: datetime) -> _Said | None:
    """None for what was not shown as a message."""
    metadata, content = _dict(message.get("metadata")), _dict(message.get("content"))
    role, kind = _role(message, content), _kind_of(content)
    if role is None or kind in _LEFT_OUT or not _was_shown(message, metadata):
        return None
    is_thought = kind == "thoughts"
    text = "" if is_thought else _with_files(_text(kind, content), metadata, content)
    model, finish = metadata.get("model_slug"), _dict(metadata.get("finish_details"))
    was_stopped = role == MessageRole.ASSISTANT and (
        finish.get("type") == "interrupted" or message.get("status") == "in_progress"
    )
    return _Said(
        name=name,
        role=role,
        text=_without_marks(clean(text), metadata).strip(),
        reasoning=clean(_thoughts(content)).strip() if is_thought else "",
        model=model if isinstance(model, str) else "",
        status=MessageStatus.STOPPED if was_stopped else MessageStatus.COMPLETE,
        at=moment(message.get("create_time"), now),
    )


def _role(message: Node, content: Node) -> str | None:
    role = _dict(message.get("author")).get("role")
    if role in (MessageRole.USER, MessageRole.ASSISTANT):
        return str(role)
    # A picture that was made comes from a tool, and was shown as the answer.
    is_picture = role == "tool" and any(_kind_of(part) in _IMAGES for part in _parts(content))
    return MessageRole.ASSISTANT if is_picture else None


def _was_shown(message: Node, metadata: Node) -> bool:
    return (
        metadata.get("is_visually_hidden_from_conversation") is not True
        and message.get("recipient") in _TO_EVERYBODY
        and message.get("channel") != "analysis"
    )


def _text(kind: Any, content: Node) -> str:
    if kind == "code":
        language = content.get("language")
        name = (
            language
            if isinstance(language, str) and re.fullmatch(r"[\w+#-]{1,30}", language)
            else ""
        )
        return _fenced(_plain(content), "" if name == "unknown" else name)
    if kind in ("text", "multimodal_text"):
        return _joined(_parts(content))
    text = _plain(content)
    return text or f"[Not imported: {title_of(kind) or 'unknown content'}]"


def _plain(content: Node) -> str:
    for name in ("text", "result"):
        if isinstance(value := content.get(name), str):
            return value
    return _joined(_parts(content))


def _joined(parts: Sequence[Any]) -> str:
    has_transcript = any(_kind_of(part) == "audio_transcription" for part in parts)
    pieces = (_part(part, has_transcript=has_transcript) for part in parts)
    return "\n\n".join(piece for piece in pieces if piece.strip())


def _part(part: Any, *, has_transcript: bool) -> str:
    if isinstance(part, str):
        return part
    kind = _kind_of(part)
    # Pictures are named with the other files of the message.
    if not isinstance(part, dict) or kind in _IMAGES:
        return ""
    if kind in _SOUNDS:
        return "" if has_transcript else "[Sound or video]"
    if isinstance(text := part.get("text"), str):
        return text
    return f"[Not imported: {title_of(kind) or 'unknown content'}]"


def _with_files(text: str, metadata: Node, content: Node) -> str:
    """What was attached, by its names, above the text."""
    attached = metadata.get("attachments")
    files = (
        [each for each in attached if isinstance(each, dict)] if isinstance(attached, list) else []
    )
    lines = [_file(each) for each in files[:100]]
    if not any(line.startswith("[Image") for line in lines):
        lines += ["[Image]" for part in _parts(content) if _kind_of(part) in _IMAGES]
    return "\n\n".join([*lines, *([text] if text else [])])


def _file(attachment: Node) -> str:
    kind = attachment.get("mime_type") or attachment.get("mimeType")
    is_image = isinstance(kind, str) and kind.startswith("image/")
    name = re.sub(r"[\[\]]", "", title_of(attachment.get("name")))
    return f"[{'Image' if is_image else 'File'}{': ' if name else ''}{name}]"


def _thoughts(content: Node) -> str:
    found = content.get("thoughts")
    thoughts = [_dict(each) for each in found] if isinstance(found, list) else []
    pieces = []
    for each in thoughts:
        summary, detail = each.get("summary"), each.get("content")
        if isinstance(summary, str) and summary.strip():
            pieces.append(f"**{summary.strip()}**")
        if isinstance(detail, str) and detail.strip():
            pieces.append(detail.strip())
    return "\n\n".join(pieces)


def _without_marks(text: str, metadata: Node) -> str:
    """Quoted pages as links, where the export has them; of the others the sign alone is dropped."""
    if "\ue200" not in text:
        return text
    found = metadata.get("content_references")
    references = (
        [_dict(each) for each in found[:_MOST_REFERENCES]] if isinstance(found, list) else []
    )
    links = {
        each["matched_text"]: clean(each["alt"])
        for each in references
        if isinstance(each.get("matched_text"), str) and isinstance(each.get("alt"), str)
    }
    return _MARK.sub(lambda mark: links.get(mark[0], ""), text)


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}" if text.strip() else ""


def _parts(content: Node) -> list[Any]:
    parts = content.get("parts")
    return parts if isinstance(parts, list) else []


def _kind_of(part: Any) -> Any:
    kind = part.get("content_type") if isinstance(part, dict) else None
    return kind if isinstance(kind, str) else None


def _dict(value: Any) -> Node:
    return value if isinstance(value, dict) else {}
