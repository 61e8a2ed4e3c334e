"""What the adapters of HTTP providers share: server-sent events, clients, broken connections."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from assistant.providers.base import Prompt
from assistant.providers.errors import (
    NetworkError,
    ProviderError,
    ProviderFault,
    ProviderTimeout,
    Refusal,
    classify,
    retry_after_seconds,
)

logger = logging.getLogger("chatcore.providers")

CONNECT_SECONDS = 5.0
LAST_BYTES_SECONDS = 0.2
# No event of either provider comes near this; without a bound one bad line could fill the memory.
MAX_LINE_BYTES = 8 * 1024 * 1024


class Closable(Protocol):
    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closable)


class ClientPerLoop(Generic[Client]):
    """One SDK client for each event loop, made on first use.

    Importing an SDK takes about a second and making a client 40 ms, so both happen in a thread.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()

    async def get(self) -> Client:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            made = await asyncio.to_thread(self._make)
            client = self._clients.setdefault(loop, made)
        return client

    async def close(self) -> None:
        """Close the connections of this loop's client."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


class HttpProvider(ABC, Generic[Client]):
    """A provider behind an official SDK, whose module is called as the provider is."""

    name: ClassVar[str]

    def __init__(self, *, label: str, api_key: str, base_url: str, timeout: float) -> None:
        """`timeout` is the longest silence in seconds; an empty `base_url` the provider's own."""
        self.label = label
        self._api_key = api_key
        self._base_url = base_url
        self._timeout = timeout
        self._clients = ClientPerLoop(self._make_client)

    @abstractmethod
    def _make_client(self) -> Client: ...

    def load(self) -> None:
        import_module(self.name)

    async def close(self) -> None:
        await self._clients.close()


def as_messages(prompt: Prompt) -> list[dict[str, str]]:
    """The prompt as both providers write it."""
    return [{"role": message.role, "content": message.text} for message in prompt.messages]


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The `data:` of each server-sent event. Raises ValueError for a line without end.

    Neither provider spreads the data of one event over several lines, so a line is an event.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
        if len(rest) > MAX_LINE_BYTES:
            raise ValueError("a line is too long")


async def read_to_end(stream: AsyncIterator[bytes]) -> None:
    """Read what follows the last event, so that the connection is kept for the next answer.

    The answer is complete: whatever goes wrong now costs a connection and nothing else.
    """
    with suppress(Exception):
        async with asyncio.timeout(LAST_BYTES_SECONDS):
            async for _ in stream:
                pass


@contextmanager
def provider_errors(provider: str, sdk: Any) -> Iterator[None]:
    """Turn what the SDK, its transport and the decoder raise into the error tree.

    `sdk` is the module, `openai` or `anthropic`: their exceptions have the same names and fields.
    """
    import httpx2

    try:
        yield
    except ProviderError as error:
        logger.warning("%s: %s", provider, error.code)
        raise
    except sdk.APIStatusError as error:
        raise _told(provider, error) from error
    except (sdk.APITimeoutError, httpx2.TimeoutException) as error:
        logger.warning("%s: %s", provider, _innermost(error))
        kind = ProviderTimeout if _is_timeout(error) else NetworkError
        raise kind(provider) from error
    except (sdk.APIConnectionError, httpx2.TransportError, httpx2.StreamError, OSError) as error:
        logger.warning("%s: %s", provider, _innermost(error))
        raise NetworkError(provider) from error
    except (sdk.APIError, msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        logger.warning("%s sent what cannot be read: %s", provider, type(error).__name__)
        raise ProviderFault(provider) from error


def _told(provider: str, error: Any) -> ProviderError:
    """The error for an HTTP status other than success."""
    body = error.body if isinstance(error.body, dict) else {}
    # Anthropic's body is {"type": "error", "error": {...}}; OpenAI's SDK has unwrapped it already.
    detail = body["error"] if isinstance(body.get("error"), dict) else body
    refusal = Refusal(
        status=error.status_code,
        kind=kind_of(detail),
        message=str(detail.get("message") or ""),
        retry_after=retry_after_seconds(error.response.headers, datetime.now(UTC)),
    )
    # Never the message: providers quote parts of the key, and the question, in it.
    logger.warning(
        "%s answered %s %s (request %s)", provider, refusal.status, refusal.kind, error.request_id
    )
    return classify(provider, refusal)


def kind_of(detail: dict[str, Any]) -> str:
    """A provider's own words for its error, such as "insufficient_quota insufficient_quota"."""
    return " ".join(str(detail[key]) for key in ("code", "type") if detail.get(key))


def told_in_stream(provider: str, detail: object) -> ProviderError:
    """The error for an error event in the middle of a stream, or in place of one."""
    fields = detail if isinstance(detail, dict) else {"message": detail}
    # Some compatible servers give the HTTP status as the code.
    code = fields.get("code")
    return classify(
        provider,
        Refusal(
            status=code if isinstance(code, int) else None,
            kind=kind_of(fields),
            message=str(fields.get("message") or ""),
        ),
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _innermost(error: BaseException) -> str:
    return type(list(_causes(error))[-1]).__name__


def _is_timeout(error: BaseException) -> bool:
    """Whether time ran out. The SDKs' aiohttp transport calls a dropped connection that, too."""
    return any(isinstance(cause, TimeoutError) for cause in _causes(error))
