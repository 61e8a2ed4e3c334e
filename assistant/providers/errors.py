"""A provider's failures as one small tree, each with a sentence that a person understands.

ProviderError
├── WrongKey          the key is missing, wrong, or may not use this model
├── NoCredit          the account has no money left
├── RateLimited       too many requests; `retry_after` says how long to wait, if known
├── Overloaded        the provider has too much to do
├── ContextTooLong    the conversation does not fit into the model
├── Refused           the provider or model declined to answer
├── UnknownModel      no such model there
├── WrongAddress      something else answers at the provider's address
├── BadRequest        the provider did not understand us
├── ProviderFault     a fault on the provider's side
├── Unreadable        the provider's answer makes no sense
├── AnswerTooLong     more than we keep of one answer
├── AnswerTooSlow     not at its end within the time an answer may take
├── NetworkError      no connection, or it broke
└── ProviderTimeout   silence for too long
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import ceil, isfinite
from typing import ClassVar

LONGEST_WAIT = 24 * 60 * 60.0


class ProviderError(Exception):
    """`str(error)` is shown to the person who asked. `retryable`: the same again may work.

    `advice` is what to do if it may; how long to wait takes its place where the provider said so.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool]
    sentence: ClassVar[str]
    advice: ClassVar[str] = "Try again."

    def __init__(self, provider: str, *, retry_after: float | None = None) -> None:
        self.provider = provider
        self.retry_after = retry_after
        super().__init__(f"{self.what} {self._advice()}" if self.retryable else self.what)

    @property
    def what(self) -> str:
        """What happened, without what to do about it."""
        return self.sentence.format(provider=self.provider)

    def _advice(self) -> str:
        if self.retry_after is None:
            return self.advice
        return f"Try again in {in_words(self.retry_after)}."


def in_words(seconds: float) -> str:
    """A time to wait, as in "20 seconds" or "3 minutes", rather too long than too short."""
    if seconds <= 90:
        return _counted(max(1, round(seconds)), "second")
    if seconds <= 90 * 60:
        return _counted(ceil(seconds / 60), "minute")
    return _counted(ceil(seconds / 3600), "hour")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


class WrongKey(ProviderError):
    code, retryable = "wrong_key", False
    sentence = "{provider} did not accept the API key. An administrator has to check the key."


class NoCredit(ProviderError):
    code, retryable = "no_credit", False
    sentence = "The account at {provider} has no credit left. An administrator has to add some."


class RateLimited(ProviderError):
    code, retryable = "rate_limited", True
    sentence = "{provider} is receiving too many requests from us."
    advice = "Try again in a moment."


class Overloaded(ProviderError):
    code, retryable = "overloaded", True
    sentence = "{provider} is overloaded at the moment."
    advice = "Try again shortly."


class ContextTooLong(ProviderError):
    code, retryable = "context_too_long", False
    sentence = (
        "This conversation is too long for the model. Start a new chat or choose another model."
    )


class Refused(ProviderError):
    code, retryable = "refused", False
    sentence = "{provider} declined to answer this. Put it in other words, or ask something else."


class UnknownModel(ProviderError):
    code, retryable = "unknown_model", False
    sentence = "{provider} does not know this model. Choose another one."


class WrongAddress(ProviderError):
    code, retryable = "wrong_address", False
    sentence = (
        "There is no chat API at the address set for {provider}. An administrator has to check it;"
        " for most servers it ends in /v1."
    )


class BadRequest(ProviderError):
    code, retryable = "bad_request", False
    sentence = "{provider} did not accept the request. The server's log says why."


class ProviderFault(ProviderError):
    code, retryable = "provider_fault", True
    sentence = "{provider} had a fault."


class Unreadable(ProviderError):
    code, retryable = "unreadable", True
    sentence = "{provider} sent what cannot be read."


class AnswerTooLong(ProviderError):
    code, retryable = "too_long", False
    sentence = "This answer grew too long and was ended here."


class AnswerTooSlow(ProviderError):
    code, retryable = "deadline", True
    sentence = "This answer took too long and was ended here."


class NetworkError(ProviderError):
    code, retryable = "network", True
    sentence = "The connection to {provider} failed."


class ProviderTimeout(ProviderError):
    code, retryable = "timeout", True
    sentence = "{provider} did not answer in time."


@dataclass(frozen=True)
class Refusal:
    """A provider's "no", as far as it can be told from the wire.

    `status` is the HTTP status, or None in mid-stream. `kind` is the provider's own word for it
    (`code` and `type` joined).
    """

    status: int | None
    kind: str = ""
    message: str = ""
    retry_after: float | None = None


# OpenAI, vLLM, llama.cpp and Anthropic, in this order.
_TOO_LONG = re.compile(
    r"context_length_exceeded|maximum context length|exceed_context_size|prompt is too long"
)
# OpenAI says 429 insufficient_quota; Anthropic 400 with this sentence, or 402 billing_error.
_NO_CREDIT = re.compile(r"insufficient_quota|billing_|credit balance is too low")
_FILTERED = re.compile(r"content_filter|content_policy_violation")

_BY_STATUS: dict[int, type[ProviderError]] = {
    400: BadRequest,
    401: WrongKey,
    402: NoCredit,
    403: WrongKey,
    404: UnknownModel,
    408: ProviderTimeout,
    409: ProviderFault,
    413: ContextTooLong,
    425: ProviderFault,
    429: RateLimited,
    503: Overloaded,
    504: ProviderTimeout,
    529: Overloaded,
}
# In mid-stream there is no status, only the word for it.
_BY_KIND: list[tuple[str, type[ProviderError]]] = [
    ("authentication", WrongKey),
    ("permission", WrongKey),
    ("rate_limit", RateLimited),
    ("overloaded", Overloaded),
    ("timeout", ProviderTimeout),
    ("not_found", UnknownModel),
    ("invalid_request", BadRequest),
]


def classify(provider: str, refusal: Refusal) -> ProviderError:
    """The error for a provider's "no": by its words if they are clear, else by status or kind."""
    words = f"{refusal.kind} {refusal.message}".lower()
    error_type: type[ProviderError] | None = None
    for pattern, candidate in (
        (_NO_CREDIT, NoCredit),
        (_TOO_LONG, ContextTooLong),
        (_FILTERED, Refused),
    ):
        if pattern.search(words):
            error_type = candidate
            break
    # A provider that misses a model says so in words; a web server knows no such page.
    if refusal.status in (404, 405) and not words.strip():
        error_type = WrongAddress
    if error_type is None and refusal.status is not None:
        error_type = _by_status(refusal.status)
    if error_type is None and refusal.status in (None, 200):
        kind = refusal.kind.lower()
        error_type = next((candidate for word, candidate in _BY_KIND if word in kind), None)
    return (error_type or ProviderFault)(provider, retry_after=refusal.retry_after)


def _by_status(status: int) -> type[ProviderError] | None:
    if status // 100 == 3:
        # A redirect. It is not followed: the key and the question would go wherever it points.
        return WrongAddress
    return _BY_STATUS.get(status, BadRequest if status // 100 == 4 else None)


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After` (seconds or a date).

    None if it is not said or makes no sense; at most a day, 0 for what has passed.
    """
    try:
        seconds = _wait(headers, now)
    except (ValueError, TypeError, OverflowError):
        return None
    if seconds is None or not isfinite(seconds):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT)


def _wait(headers: Mapping[str, str], now: datetime) -> float | None:
    if milliseconds := headers.get("retry-after-ms"):
        return float(milliseconds) / 1000
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        return (parsedate_to_datetime(value) - now).total_seconds()
