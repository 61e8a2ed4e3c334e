"""What a person does without a browser, and how long it took."""

import json
import re
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from tests.server import PASSWORD, Server

# What a person who is logged in may open, and answers 200 while everything is there.
API = "/api/assistant/conversations"
PATHS = ["/", "/password", API]
# As long as no answer of the server may ever take.
PATIENCE = 30
# Ten missed beats and the look every five seconds; MongoDB holds what a killed process was about to
# write for a minute; and a busy machine.
REAPED_SECONDS = 100.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    text: str
    seconds: float


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args, **_kwargs):
        return None


class Person:
    """Somebody with cookies of their own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies), _NoRedirect()
        )

    def get(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(self.server.url + path))

    def post(self, path: str, **fields: str) -> Answer:
        """Sends a form, with the token that a page before it has set."""
        token = self.csrf_token()
        data = urlencode({**fields, "csrfmiddlewaretoken": token}).encode()
        return self._ask(urllib.request.Request(self.server.url + path, data))

    def api(self, method: str, body: dict[str, Any]) -> Answer:
        token = self.csrf_token()
        return self._ask(
            urllib.request.Request(
                self.server.url + API,
                json.dumps(body).encode(),
                {"Content-Type": "application/json", "X-CSRFToken": token},
                method=method,
            )
        )

    def write_and_read(self, title: str) -> list[Answer]:
        """Makes one chat and renames another; both have to be in what is read right after."""
        name = f"chat-{uuid4()}"
        answers = [
            self.api("POST", {"id": "always"}),
            self.api("POST", {"id": name, "title": title}),
            self.api("PATCH", {"id": "always", "title": title}),
            listed := self.get(API),
            one := self.get(f"{API}?id=always"),
        ]
        titles = {each["id"]: each["title"] for each in json.loads(listed.text)["conversations"]}
        assert (titles.get(name), titles.get("always")) == (title, title)
        assert json.loads(one.text)["title"] == title
        return answers

    def csrf_token(self) -> str:
        return next(str(each.value) for each in self.cookies if each.name == "csrftoken")

    def _ask(self, request: urllib.request.Request) -> Answer:
        begun = time.perf_counter()
        try:
            response = self._opener.open(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read().decode()
        return Answer(response.status, response.headers, text, time.perf_counter() - begun)

    def make_first_account(self) -> None:
        path = re.sub(r"^.*?(?=/setup)", "", self.server.line)
        assert self.get(path).status == 200
        made = self.post(
            path,
            name="Alice",
            organization="Acme",
            email="alice@acme.example",
            password=PASSWORD,
        )
        assert made.status == 302, made.text

    def log_in(self) -> Answer:
        self.get("/login")
        return self.post("/login", username="alice@acme.example", password=PASSWORD)


def log_in(server: Server) -> Person:
    """The first account of a server that is new."""
    person = Person(server)
    person.make_first_account()
    return person


def at_once(person: Person, path: str, times: int) -> list[Answer]:
    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(lambda _: person.get(path), range(times)))


def wait_until(is_so, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
