"""What tests of several modules of the assistant share."""

import pytest_asyncio

from tests.assistant.sse import Http, client_of


@pytest_asyncio.fixture
async def http(bob) -> Http:
    """A program with a token of bob's."""
    return await client_of(bob)
