"""A provider without a model: it lets a newcomer see the product before they have a key."""

import asyncio
import re
from collections.abc import AsyncGenerator

from assistant.events import Event, Finished, TextDelta, Usage
from assistant.providers.base import Prompt

WORDS_PER_SECOND = 40

ANSWER = """\
This is Chatcore's **built-in demo**. No language model is connected, so this text is the same \
whatever you ask. You wrote:

> {question}

Everything around it is real: your question was saved before this answer began, the answer streams \
in word by word, and both are still here after a reload.

To talk to a model, stop the server and start it with a key:

```bash
OPENAI_API_KEY=… make run
ANTHROPIC_API_KEY=… make run
```

or with a server of your own, such as Ollama:

```bash
OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODELS=llama3.2 make run
```
"""
QUOTE_LENGTH = 300
TITLE_WORDS = 6


class DemoProvider:
    name = "demo"
    label = "Built in"

    def __init__(self, *, words_per_second: float = WORDS_PER_SECOND) -> None:
        self._pause = 1 / words_per_second

    async def answer(self, prompt: Prompt) -> AsyncGenerator[Event, None]:
        if prompt.most_tokens is not None:
            # Something short: a title.
            first = " ".join(prompt.messages[0].text.split()[:TITLE_WORDS])
            yield TextDelta(first.rstrip("?!.,:;"))
            yield Usage(output_tokens=TITLE_WORDS)
            yield Finished("stop")
            return
        question = " ".join(prompt.messages[-1].text.split())
        if len(question) > QUOTE_LENGTH:
            question = question[:QUOTE_LENGTH] + "…"
        words = re.findall(r"\S+\s*|\s+", ANSWER.format(question=question))
        for word in words:
            await asyncio.sleep(self._pause)
            yield TextDelta(word)
        yield Usage(output_tokens=len(words))
        yield Finished("stop")

    def load(self) -> None:
        """Nothing to import."""

    async def close(self) -> None:
        """Nothing is open."""
