"""The schema is true to the code: a fuzzer sends what it allows, and what it does not."""

import os

import hypothesis
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, given
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from accounts.models import ApiToken, Role
from chatcore import clock
from chatcore.validation import Shape
from tests.conversations.api import Api, say

# The requests go through the whole application, which closes its connection after each.
pytestmark = pytest.mark.django_db(transaction=True)

# What a schema cannot say of a valid request: depth, distinct ids, parents that come before. And a
# request is not without a log-in because one of its two credentials is invented.
BEYOND_A_SCHEMA = [positive_data_acceptance, ignored_auth]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))


@pytest.fixture
def api_schema(bob, settings):
    """The document as the server gives it, with a token and a few conversations to meet."""
    settings.API_WRITE_LIMIT = None
    # As one to whom reports are answered.
    bob.role = Role.MANAGER
    bob.save()
    api = Api(bob)
    for name in ("0", "a", "conv-12345"):
        api.post({"id": name, "messages": [say("0"), say("1")]})
    schema = schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application())
    token = ApiToken.objects.issue(bob, "fuzzer", lifetime=None, now=clock.now())
    schema.config.update(headers={"Authorization": f"Bearer {token}"})
    rejection = schema.config.checks.negative_data_rejection
    rejection.expected_statuses = [*rejection.expected_statuses, "413"]
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
        "listSharedLinks",
        "shareConversation",
        "renewSharedLink",
        "stopSharing",
        "resumeAnswer",
        "stopAnswer",
        "getUsage",
        "getAnalytics",
    ],
)
def test_no_request_ends_in_a_fault_of_ours_and_every_answer_is_as_described(
    api_schema, operation, mode
):
    @given(case=api_schema.find_operation_by_id(operation).as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        # The same examples in each run; a longer one by hand finds what these do not.
        derandomize="FUZZ_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    def check(case):
        case.call_and_validate(excluded_checks=BEYOND_A_SCHEMA)

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
        ("/api/assistant/conversations/share", "get"),
        ("/api/assistant/conversations/share", "post"),
        ("/api/assistant/conversations/share", "patch"),
        ("/api/assistant/conversations/share", "delete"),
        ("/api/assistant/stream", "post"),
        ("/api/assistant/stream/{conversation_id}/stream", "get"),
        ("/api/assistant/stream/{conversation_id}/stream", "delete"),
        ("/api/usage", "get"),
    }
    assert set(document["components"]["securitySchemes"]) == {"token", "cookieAuth"}


def test_the_page_of_the_schema_needs_nothing_of_other_servers(client: Client):
    response = client.get("/api/docs")

    page = response.content.decode()
    assert response.status_code == 200
    assert "://" not in page.replace("http://www.w3.org", "")
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert "script-src 'self'" in policy


def test_no_two_shapes_have_one_name():
    """The schema would show one of them in the place of the other."""
    shapes = list(_all_below(Shape))

    assert sorted({each.__name__ for each in shapes}) == sorted(each.__name__ for each in shapes)


def _all_below(shape):
    for each in shape.__subclasses__():
        yield each
        yield from _all_below(each)
