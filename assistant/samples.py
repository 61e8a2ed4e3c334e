"""One message of each kind there is, and rows of other pages: for the page of components, and for
tests that look at all.
"""

from datetime import datetime, timedelta
from typing import Any

from accounts.models import ApiToken
from assistant.shown import ShownMessage
from chatcore.ids import new_id
from conversations.models import Conversation, SharedLink
from prompts.models import Prompt

MODEL = "openai:gpt-6.1-sol"
AT = "2026-11-02T09:30:00+00:00"

EVERYTHING = """\
## A heading, and what may follow it

Text with **bold**, *italic*, ~~struck~~ and `code`, a [link](https://docs.example.org/csv), and a
<kbd>Ctrl</kbd> to press.

1. Numbered
   - and a point below it
2. Numbered again

> A quotation, of a second line
> as well.

| Way | Memory | Rows a second |
|:---|:---:|---:|
| `csv` | a few kB | 1,200,000 |
| `polars`, lazy | a fraction of the file | 9,800,000 |

```python
def total(prices):  # all of them, in a line that is longer than the frame in which it is shown here
    return sum(float(price) for price in prices if price) + 0.5
```

Formulas in a line, $e^{i\\pi} + 1 = 0$, and by themselves:

$$\\int_0^1 x^2 \\, dx = \\frac{1}{3}$$

---

### A smaller heading

![A picture of another site](https://pictures.example.org/chart.png)
"""

LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
HEBREW = "מה ההבדל בין רשימה לבין מערך?"
ARABIC = "القائمة **مرنة**، والمصفوفة سريعة:\n\n1. الأولى تكبر\n2. والثانية ثابتة"


def messages() -> list[ShownMessage]:
    """A chat in order, each the answer to the one before."""
    found: list[ShownMessage] = []
    for number, (role, parts, more) in enumerate(_given(), start=1):
        key = f"sample-{number}"
        found.append(
            {
                "id": key,
                "parentId": f"sample-{number - 1}" if number > 1 else None,
                "role": role,
                "parts": parts,
                "model": MODEL if role == "assistant" else "",
                "status": "complete",
                "error": None,
                "createdAt": AT,
                "siblings": [key],
                **more,  # type: ignore[typeddict-item]
            }
        )
    return found


def _given() -> list[tuple[str, list[dict[str, Any]], dict[str, Any]]]:
    versions = {"siblings": ["sample-3-earlier", "sample-3"]}
    overloaded = {"code": "overloaded", "message": "OpenAI has too much to do. Try again."}
    return [
        _asked("How do I read a CSV of a million rows?"),
        _answered(EVERYTHING, reasoning="The file is large.\nSo it is read in pieces."),
        ("user", _text(f"And this word?\n\n{LONG_WORD}"), versions),
        ("assistant", _with_tools(), {}),
        _asked("Does it fail, too?"),
        _answered("It began well, but", status="failed", error=overloaded),
        _asked("And without a word of it?"),
        _answered("", status="failed", error=overloaded),
        _asked("What if the server goes down?"),
        _answered("So far it was", status="interrupted"),
        _asked("And if I stop it?"),
        _answered("Enough of", status="stopped"),
        _asked(HEBREW),
        _answered(ARABIC),
    ]


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text else []


def _asked(text: str) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
    return ("user", _text(text), {})


def _answered(
    text: str, reasoning: str = "", **more: Any
) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
    thought = [{"type": "reasoning", "text": reasoning}] if reasoning else []
    return ("assistant", [*thought, *_text(text)], more)


def _with_tools() -> list[dict[str, Any]]:
    call = {"type": "dynamic-tool", "toolName": "rocketreach_person_lookup"}
    return [
        *_text("Let me look."),
        {
            **call,
            "toolCallId": "sample-done",
            "input": {"id": 42},
            "state": "output-available",
            "output": {"found": True, "emails": ["jane@acme.example"]},
        },
        {
            **call,
            "toolCallId": "sample-failed",
            "input": {"id": 43},
            "state": "output-error",
            "errorText": "RocketReach refused: no credits are left.",
        },
        *_text("Her address is jane@acme.example."),
    ]


# --- Rows of other pages, none of which is stored -------------------------------------------------
def tokens(now: datetime) -> list[ApiToken]:
    day, beginning = timedelta(days=1), "b3d0f4c2a719"
    long_name = "A name as long as one may be, sixty characters, of a program"
    return [
        ApiToken(name="Laptop", token_key=beginning, created=now, expiry=now + day),
        ApiToken(name=long_name, token_key=beginning, created=now - day, last_used_at=now),
        ApiToken(name="An old one", token_key=beginning, created=now - day, expiry=now),
    ]


def links(now: datetime) -> list[SharedLink]:
    return [
        SharedLink(shared_at=now, conversation=Conversation(title="A chat that is shared")),
        SharedLink(shared_at=now, conversation=Conversation(title=LONG_WORD)),
        SharedLink(
            shared_at=now,
            conversation=Conversation(title="One in the trash", deleted_at=now),
        ),
    ]


def prompts() -> list[dict[str, Any]]:
    """As templates/prompts/prompt_list.html reads them."""
    own = Prompt(user_id=new_id(), name="Summary", text="Sum this up in three sentences.")
    shared = Prompt(
        name="Our tone", text="Write as we write: short, kind and without exclamation. " * 5
    )
    return [
        {"prompt": own, "may_change": True},
        {"prompt": shared, "may_change": True},
        {"prompt": Prompt(name=HEBREW, text=ARABIC), "may_change": False},
    ]
