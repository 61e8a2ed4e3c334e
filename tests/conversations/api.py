"""The API as a client sees it: requests in, status and JSON out."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from accounts.models import User

PATH = "/api/assistant/conversations"


class Api:
    """A person's requests. `last` is the whole answer to the last one."""

    def __init__(self, user: User | None = None) -> None:
        self.client = Client(raise_request_exception=False)
        self.last: HttpResponse = HttpResponse()
        if user is not None:
            self.client.force_login(user)

    def get(self, headers: dict[str, str] | None = None, **query: Any) -> tuple[int, Any]:
        return self._answer(self.client.get(PATH, query, headers=headers))

    def post(self, body: Any, path: str = PATH) -> tuple[int, Any]:
        return self.send("POST", body, path=path)

    def patch(self, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        return self.send("PATCH", body, headers=headers)

    def delete(self, **query: Any) -> tuple[int, Any]:
        return self._answer(self.client.delete(PATH, query_params=query))

    def restore(self, conversation_id: str) -> tuple[int, Any]:
        return self.post({"id": conversation_id}, path=f"{PATH}/restore")

    def send(
        self, method: str, body: Any, path: str = PATH, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._answer(
            self.client.generic(method, path, raw, "application/json", headers=headers)
        )

    def ids(self, **query: Any) -> list[str]:
        """The ids of a page of the list."""
        status, found = self.get(**query)
        assert status == 200, found
        return [each["id"] for each in found["conversations"]]

    def _answer(self, response: Any) -> tuple[int, Any]:
        self.last = response
        return response.status_code, json.loads(response.content) if response.content else None


def say(client_id: str, content: str = "", role: str = "user", **fields: Any) -> dict[str, Any]:
    """A message as a client sends it."""
    return {"id": client_id, "role": role, "content": content or client_id, **fields}
