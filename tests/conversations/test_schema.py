"""The schema is true to the code: a fuzzer sends what it allows, and what it does not."""

import os

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from accounts.models import ApiToken
from chatcore import clock
from tests.conversations.api import Api, say

# The requests go through the whole application, which closes its connection after each.
pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))


@pytest.fixture
def api_schema(bob):
    """The document as the server gives it, with a token and a few conversations to meet."""
    api = Api(bob)
    for name in ("0", "a", "conv-12345"):
        api.post({"id": name, "messages": [say("0"), say("1")]})
    schema = schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application())
    token = ApiToken.objects.issue(bob, "fuzzer", lifetime=None, now=clock.now())
    schema.config.update(headers={"Authorization": f"Bearer {token}"})
    return schema


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(
    "operation",
    [
        "listOrGetConversations",
        "createConversation",
        "changeConversation",
        "deleteConversation",
        "restoreConversation",
    ],
)
def test_no_request_ends_in_a_fault_of_ours_and_every_answer_is_as_described(
    api_schema, operation, mode
):
    @given(case=api_schema.find_operation_by_id(operation).as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        # The same examples in each run; a longer one by hand finds what these do not.
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate()

    check()


def test_the_schema_is_there_for_everybody(client: Client):
    response = client.get("/api/schema")

    document = response.json()
    assert response.headers["Content-Type"] == "application/json"
    assert {
        (path, method) for path, methods in document["paths"].items() for method in methods
    } >= {
        ("/api/assistant/conversations", "get"),
        ("/api/assistant/conversations", "post"),
        ("/api/assistant/conversations", "patch"),
        ("/api/assistant/conversations", "delete"),
        ("/api/assistant/conversations/restore", "post"),
    }
    assert set(document["components"]["securitySchemes"]) == {"token", "cookieAuth"}


def test_the_page_of_the_schema_needs_nothing_of_other_servers(client: Client):
    response = client.get("/api/docs")

    page = response.content.decode()
    assert response.status_code == 200
    assert "://" not in page.replace("http://www.w3.org", "")
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert "script-src 'self'" in policy
