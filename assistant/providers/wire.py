"""What the adapters of HTTP providers share: the stream's course, clients, broken connections."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    closing,
    contextmanager,
    suppress,
)
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from assistant.events import Event
from assistant.providers.base import Prompt, ToolRound
from assistant.providers.errors import (
    NetworkError,
    ProviderError,
    ProviderTimeout,
    Refusal,
    Unreadable,
    WrongAddress,
    classify,
    retry_after_seconds,
)
from assistant.providers.silence import Silence, SilentForTooLong
from assistant.providers.sse import EventData

logger = logging.getLogger("chatcore.providers")

CONNECT_SECONDS = 5.0
LAST_BYTES_SECONDS = 0.2


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
        # Of many first questions at once one makes the client, and the others wait for it.
        self._making: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )

    async def get(self) -> Client:
        loop = asyncio.get_running_loop()
        if (client := self._clients.get(loop)) is not None:
            return client
        async with self._making.setdefault(loop, asyncio.Lock()):
            if (client := self._clients.get(loop)) is None:
                client = self._clients[loop] = await asyncio.to_thread(self._make)
        return client

    async def close(self) -> None:
        """Close the connections of this loop's client."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


class StreamReader(Protocol):
    """The data of a provider's stream events in, our events out."""

    is_complete: bool  # nothing follows that counts

    @property
    def has_ended(self) -> bool:
        """Whether the provider has said how the answer ended. A report of usage may follow."""

    def read(self, data: bytes) -> list[Event]:
        """Raises a ProviderError for an error event, msgspec's errors for what is no event."""

    def end(self) -> list[Event]:
        """The last events. Raises NetworkError if the stream broke off, or what ended it early."""


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

    def _make_client(self) -> Client:
        import httpx2

        # Silence is ours to notice: the SDK's transport sets and ends a timer at each piece.
        timeout = httpx2.Timeout(self._timeout, connect=CONNECT_SECONDS, read=None)
        sdk = self._sdk()
        # A redirect is not followed: the SDKs would send key and question wherever it points.
        http_client = sdk.DefaultAioHttpClient(timeout=timeout, follow_redirects=False)
        return self._client_of(
            sdk,
            # Local servers ask for no key, the SDKs do.
            api_key=self._api_key or "none",
            base_url=self._base_url or None,
            timeout=timeout,
            # The engine asks again, and tells the person. Anthropic's SDK would wait for as long
            # as a Retry-After says, be it hours.
            max_retries=0,
            http_client=http_client,
        )

    @abstractmethod
    def _client_of(self, sdk: Any, **options: Any) -> Client: ...

    @abstractmethod
    def _request(self, client: Client, prompt: Prompt) -> AbstractAsyncContextManager[Any]:
        """The SDK's raw streaming response."""

    @abstractmethod
    def _reader(self) -> StreamReader: ...

    def _sdk(self) -> Any:
        return import_module(self.name)

    def load(self) -> None:
        self._sdk()

    async def close(self) -> None:
        await self._clients.close()

    async def answer(self, prompt: Prompt) -> AsyncGenerator[Event, None]:
        client = await self._clients.get()
        reader, incoming = self._reader(), EventData()
        silence = Silence(self._timeout)
        with provider_errors(self.label, self._sdk()), closing(silence):
            async with AsyncExitStack() as stack:
                with silence:
                    response = await stack.enter_async_context(self._request(client, prompt))
                pieces = body_of(response)
                try:
                    while True:
                        with silence:
                            piece = await anext(pieces, None)
                        if piece is None:
                            break
                        for data in incoming.feed(piece):
                            for event in reader.read(data):
                                yield event
                        if reader.is_complete:
                            await read_to_end(pieces)
                            break
                except broken_connection():
                    # Behind the end of the answer there is nothing to lose but the token counts.
                    if not reader.has_ended:
                        raise
                if incoming.document is not None:
                    raise told_in_document(self.label, incoming.document)
                for event in reader.end():
                    yield event


def messages_of(
    prompt: Prompt, of_round: Callable[[ToolRound], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The messages as both providers write them; a round of tools is each provider's own matter.

    For the part of a request that an SDK passes on as it is: to look each message over takes it
    0.3 ms, which a long chat pays at every question.
    """
    messages: list[dict[str, Any]] = []
    for message in prompt.messages:
        if isinstance(message, ToolRound):
            messages += of_round(message)
        else:
            messages.append({"role": message.role, "content": message.text})
    return messages


def body_of(response: Any) -> AsyncIterator[bytes]:
    """The body of an SDK's streaming response in pieces, as they come."""
    http_response = response.http_response
    if "content-encoding" in http_response.headers:
        body: AsyncIterator[bytes] = http_response.aiter_bytes()
        return body
    # Below httpx2's own iterators, which cost as much for each piece as decoding it.
    return aiter(http_response.stream)


async def read_to_end(pieces: AsyncIterator[bytes]) -> None:
    """Read what follows the last event, so that the connection is kept for the next answer.

    The answer is complete: whatever goes wrong now costs a connection and nothing else.
    """
    with suppress(Exception):
        async with asyncio.timeout(LAST_BYTES_SECONDS):
            async for _ in pieces:
                pass


def broken_connection() -> tuple[type[Exception], ...]:
    """What ends a stream in its middle: the transport's errors, and silence."""
    import httpx2

    return httpx2.TransportError, httpx2.StreamError, OSError, SilentForTooLong


@contextmanager
def provider_errors(provider: str, sdk: Any) -> Iterator[None]:
    """Turn what the SDK, its transport and the decoder raise into the error tree.

    `sdk` is the module, `openai` or `anthropic`: their exceptions have the same names and fields.
    """

    try:
        yield
    except ProviderError as error:
        logger.warning("%s: %s", provider, error.code)
        raise
    except sdk.APIStatusError as error:
        raise _told(provider, error) from error
    except SilentForTooLong as error:
        logger.warning("%s was silent for too long", provider)
        raise ProviderTimeout(provider) from error
    except (sdk.APIConnectionError, *broken_connection()) as error:
        logger.warning("%s: %s", provider, _innermost(error))
        raise NetworkError(provider) from error
    except (sdk.APIError, msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        logger.warning("%s sent what cannot be read: %s", provider, type(error).__name__)
        raise Unreadable(provider) from error


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


def told_in_document(provider: str, document: bytes) -> ProviderError:
    """The error for a page or a JSON document, with status 200, where a stream should be."""
    logger.warning("%s answered with %d bytes that are no stream", provider, len(document))
    if document.startswith(b"<"):
        return WrongAddress(provider)
    try:
        content = msgspec.json.decode(document)
    except msgspec.DecodeError:
        return Unreadable(provider)
    if not isinstance(content, dict) or not content.get("error"):
        return Unreadable(provider)
    return told_in_stream(provider, content["error"])


def _innermost(error: BaseException) -> str:
    """The class of what began it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__
