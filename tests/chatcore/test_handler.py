"""HTTP as the server serves it: threads, connections, streams, and clients that go away."""

import asyncio
import json
import threading
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core import signals
from django.db import connection
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import get_script_prefix, path, reverse
from django.views.decorators.csrf import csrf_exempt

from accounts.models import Organization
from chatcore.handler import Handler

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.chatcore.test_handler"),
]

# What the views of one test wait for and leave behind.
views = SimpleNamespace()


@pytest.fixture(autouse=True)
def _views():
    views.gate = threading.Event()
    views.entered = []
    views.seen = []
    yield
    views.gate.set()


def where(request):
    """The thread, and the connection that it has."""
    count = Organization.objects.count()
    return JsonResponse(
        {
            "thread": threading.get_ident(),
            "connection": id(connection.connection),
            "count": count,
            "address": reverse("where"),
        }
    )


def wait(request, name):
    views.entered.append(name)
    assert views.gate.wait(10)
    views.seen.append(name)
    return HttpResponse(name)


def fail(request):
    raise ZeroDivisionError


async def asynchronous(request):
    thread = await sync_to_async(threading.get_ident)()
    count = await Organization.objects.acount()
    return JsonResponse({"loop": threading.get_ident(), "thread": thread, "count": count})


async def stream(request):
    return stream_of(request)


def stream_of(request):
    async def parts():
        try:
            yield f"{get_script_prefix()} {await Organization.objects.acount()} "
            yield str(threading.get_ident())
            if "endless" in request.GET:
                await asyncio.Event().wait()
        finally:
            views.seen.append("ended")

    return StreamingHttpResponse(parts())


def late(request):
    views.entered.append("late")
    assert views.gate.wait(10)
    return stream_of(request)


def export(request):
    return StreamingHttpResponse(str(threading.get_ident()) for _ in range(2))


@csrf_exempt
def size(request):
    return HttpResponse(str(len(request.read())))


urlpatterns = [
    path("where", where, name="where"),
    path("wait/<name>", wait),
    path("fail", fail),
    path("async", asynchronous),
    path("stream", stream),
    path("late", late),
    path("export", export),
    path("size", size),
]


class Request(ApplicationCommunicator):
    """One request that is under way, and a client that can go away."""

    def __init__(self, handler: Handler, target: str, *parts: bytes, **scope) -> None:
        location, _, query = target.partition("?")
        super().__init__(
            handler,
            {
                "type": "http",
                "method": "POST" if parts else "GET",
                "path": location,
                "query_string": query.encode(),
                "headers": [(b"host", b"localhost")],
                **scope,
            },
        )
        self.parts = parts or (b"",)

    async def begin(self) -> "Request":
        for number, part in enumerate(self.parts, start=1):
            more = number < len(self.parts)
            await self.send_input({"type": "http.request", "body": part, "more_body": more})
        return self

    async def answer(self) -> SimpleNamespace:
        start = await self.receive_output(timeout=10)
        body, more = b"", True
        while more:
            message = await self.receive_output(timeout=10)
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await self.wait(timeout=10)
        return SimpleNamespace(status=start["status"], text=body.decode())

    async def leave(self) -> None:
        await self.send_input({"type": "http.disconnect"})
        await self.wait(timeout=10)


async def begin(handler: Handler, target: str, *parts: bytes, **scope) -> Request:
    return await Request(handler, target, *parts, **scope).begin()


async def get(handler: Handler, target: str, *parts: bytes, **scope) -> SimpleNamespace:
    return await (await begin(handler, target, *parts, **scope)).answer()


async def until(condition) -> None:
    """Returns when it holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def nothing_more() -> None:
    """Turns enough for a request to get to its view, were there a way."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_request_after_the_other_uses_one_thread_and_one_connection():
    handler = Handler()

    first, second = await get(handler, "/where"), await get(handler, "/where")

    assert first.status == 200
    assert first.text == second.text


async def test_a_request_begins_and_ends_with_its_signals_in_its_thread():
    heard = []

    def note(signal, **_kwargs) -> None:
        heard.append((signal, threading.get_ident()))

    for signal in (signals.request_started, signals.request_finished):
        signal.connect(note)
    answer = await get(Handler(), "/export")
    await get(Handler(), "/where")
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(note)

    assert [signal for signal, _ in heard] == 2 * [
        signals.request_started,
        signals.request_finished,
    ]
    assert heard[2][1] == heard[3][1] != threading.get_ident()
    assert answer.text == 2 * str(heard[0][1])


async def test_an_exception_is_answered_with_500_and_the_thread_goes_on():
    handler = Handler(threads=1)

    failed = await get(handler, "/fail")

    assert failed.status == 500
    assert (await get(handler, "/where")).status == 200


async def test_the_prefix_of_a_mounted_application_counts_in_view_and_stream():
    handler = Handler()

    page = await get(handler, "/chat/where", root_path="/chat")
    stream = await get(handler, "/chat/stream", root_path="/chat")

    assert '"address": "/chat/where"' in page.text
    assert stream.text.startswith("/chat/ 0 ")


async def test_an_async_view_runs_in_the_loop_and_its_queries_in_its_thread(acme):
    handler = Handler(threads=1)
    page = await get(handler, "/where")

    answer = await get(handler, "/async")

    thread = page.text.split('"thread": ')[1].split(",")[0]
    assert answer.text == f'{{"loop": {threading.get_ident()}, "thread": {thread}, "count": 1}}'


async def test_a_stream_runs_in_the_loop_and_holds_no_thread():
    handler = Handler(threads=1)
    request = await begin(handler, "/stream?endless")
    assert (await request.receive_output())["status"] == 200
    await request.receive_output()
    piece = await request.receive_output()

    page = await get(handler, "/where")
    await request.leave()

    assert piece["body"] == str(threading.get_ident()).encode()
    assert page.status == 200
    assert views.seen == ["ended"]


async def test_a_large_upload_arrives_whole():
    answer = await get(Handler(), "/size", *10 * [b"x" * 200_000])

    assert answer.text == "2000000"


async def test_an_upload_without_end_is_ended_before_it_fills_the_disk():
    handler = Handler()

    answer = await get(handler, "/size", *[b"x" * 2**20] * 20)

    assert answer.status == 413
    assert json.loads(answer.text)["error"]["code"] == "too_large"
    assert (await get(handler, "/size", b"12")).text == "2"


def larger(settings, most: int) -> dict:
    """Lets /size take more, of whoever has a cookie; and the scope of one who has."""
    settings.LARGE_BODIES = {"/size": most}
    settings.LARGE_BODIES_OF = "tests.chatcore.test_handler.has_cookie"
    return {"headers": [(b"host", b"localhost"), (b"cookie", b"x")]}


def has_cookie(headers) -> bool:
    return b"cookie" in headers


async def test_an_address_may_take_more_of_somebody_who_is_known(settings):
    scope = larger(settings, 30 * 2**20)

    mine = await get(Handler(), "/size", *[b"x" * 2**20] * 20, **scope)
    mounted = await get(Handler(), "/chat/size", *[b"x" * 2**20] * 20, root_path="/chat", **scope)
    strangers = await get(Handler(), "/size", *[b"x" * 2**20] * 20)
    elsewhere = await get(Handler(), "/where", *[b"x" * 2**20] * 20, **scope)

    assert (mine.status, mounted.status) == (200, 200)
    assert (strangers.status, elsewhere.status) == (413, 413)


async def test_a_larger_body_is_ended_at_its_own_limit(settings):
    scope = larger(settings, 18 * 2**20)

    answer = await get(Handler(), "/size", *[b"x" * 2**20] * 20, **scope)

    assert answer.status == 413
    assert "18,874,368 bytes" in json.loads(answer.text)["error"]["message"]


async def test_only_so_many_large_bodies_are_taken_at_once(settings, monkeypatch):
    monkeypatch.setattr("chatcore.handler.LARGE_AT_ONCE", 1)
    scope = larger(settings, 30 * 2**20)
    handler = Handler()
    first = Request(handler, "/size", **scope, method="POST")
    for _ in range(17):
        await first.send_input({"type": "http.request", "body": b"x" * 2**20, "more_body": True})
    await until(lambda: handler._large == 1)

    second = await get(handler, "/size", *[b"x" * 2**20] * 20, **scope)
    await first.send_input({"type": "http.request", "body": b"", "more_body": False})

    assert (second.status, (await first.answer()).status) == (503, 200)
    assert (await get(handler, "/size", *[b"x" * 2**20] * 20, **scope)).status == 200


async def test_no_more_requests_run_at_once_than_there_are_threads():
    handler = Handler(threads=2)
    requests = [await begin(handler, f"/wait/{name}") for name in "abc"]
    await until(lambda: len(views.entered) == 2)
    await nothing_more()

    assert sorted(views.entered) == ["a", "b"]
    views.gate.set()
    assert [(await request.answer()).text for request in requests] == list("abc")


async def test_requests_that_wait_for_a_thread_are_served_in_order():
    handler = Handler(threads=1)
    requests = [await begin(handler, f"/wait/{name}") for name in "abcde"]
    await until(lambda: views.entered == ["a"])

    views.gate.set()

    assert [(await request.answer()).text for request in requests] == list("abcde")
    assert views.entered == list("abcde")


async def test_a_thread_whose_client_has_gone_is_used_again_when_its_view_has_ended():
    handler = Handler(threads=1)
    gone = await begin(handler, "/wait/gone")
    await until(lambda: views.entered == ["gone"])
    await gone.leave()
    following = [await begin(handler, f"/wait/{name}") for name in "ab"]
    await nothing_more()

    assert views.entered == ["gone"]
    views.gate.set()
    answers = [await request.answer() for request in following]

    assert [answer.text for answer in answers] == ["a", "b"]
    assert views.seen == ["gone", "a", "b"]


async def test_a_client_that_goes_while_it_waits_is_not_served():
    handler = Handler(threads=1)
    first = await begin(handler, "/wait/first")
    await until(lambda: views.entered == ["first"])
    gone, last = [await begin(handler, f"/wait/{name}") for name in ("gone", "last")]
    await gone.leave()

    views.gate.set()

    assert (await first.answer()).text == "first"
    assert (await last.answer()).text == "last"
    assert views.seen == ["first", "last"]


async def test_a_server_that_ends_cancels_the_request():
    handler = Handler(threads=1)
    request = await begin(handler, "/wait/a")
    await until(lambda: views.entered == ["a"])

    request.future.cancel()

    with pytest.raises(asyncio.CancelledError):
        await request.future


async def test_a_stream_whose_client_went_before_it_began_is_closed():
    handler, finished = Handler(threads=1), []
    request = await begin(handler, "/late")
    await until(lambda: views.entered == ["late"])
    signals.request_finished.connect(lambda **_: finished.append(1), weak=False, dispatch_uid="t")
    await request.leave()

    views.gate.set()
    await get(handler, "/where")
    signals.request_finished.disconnect(dispatch_uid="t")

    # Once for the stream, and once for the page behind it.
    assert finished == [1, 1]


class Stalled:
    """A server's end of a connection whose client takes nothing behind the headers."""

    def __init__(self) -> None:
        self.transport = self
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    async def send(self, message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()


async def test_a_client_that_takes_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr("chatcore.handler.PATIENCE_SECONDS", 0.01)
    server, handler = Stalled(), Handler(threads=1)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/stream",
        "query_string": b"endless=",
        "headers": [(b"host", b"localhost")],
    }
    messages = asyncio.Queue()
    messages.put_nowait({"type": "http.request"})

    await handler(scope, messages.get, server.send)

    assert server.aborted
    await until(lambda: views.seen == ["ended"])
    assert (await get(handler, "/where")).status == 200
