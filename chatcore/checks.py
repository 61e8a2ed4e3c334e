"""A misconfiguration is a system check with a hint that says what to do."""

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from chatcore.env import Env


@register
def settings_can_be_used(**_kwargs: Any) -> list[CheckMessage]:
    env: Env = settings.ENV
    return [
        Error(problem.message, hint=problem.hint, id="chatcore.E001") for problem in env.problems
    ]


@register
def hosts_are_named(**_kwargs: Any) -> list[CheckMessage]:
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Error(
            "ALLOWED_HOSTS=* would let any web page speak to this server through DNS rebinding.",
            hint="List the names under which people open it, such as chat.example.org.",
            id="chatcore.E002",
        )
    ]


@register
def origins_are_complete(**_kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"TRUSTED_ORIGINS: {origin} is not an origin.",
            hint="Write scheme and host and nothing else, such as https://chat.example.org.",
            id="chatcore.E003",
        )
        for origin in settings.TRUSTED_ORIGINS
        if not re.fullmatch(r"https?://[^/]+", origin)
    ]


@register
def https_has_a_proxy(**_kwargs: Any) -> list[CheckMessage]:
    if not settings.HTTPS or settings.PROXY_COUNT:
        return []
    return [
        Warning(
            "HTTPS is set, but PROXY_COUNT is not: behind a proxy every page redirects to itself.",
            hint="Set PROXY_COUNT=1 if one proxy ends the TLS.",
            id="chatcore.W002",
        )
    ]


@register
def redis_url_can_be_read(**_kwargs: Any) -> list[CheckMessage]:
    if not settings.REDIS_URL:
        return []
    from redis import ConnectionPool

    try:
        ConnectionPool.from_url(settings.REDIS_URL).make_connection()
    except (TypeError, ValueError):
        return [
            Error(
                "REDIS_URL has an option or a number that cannot be used.",
                hint="Write it like redis://:password@host:6379/0.",
                id="chatcore.E006",
            )
        ]
    return []


@register
def several_workers_have_redis(**_kwargs: Any) -> list[CheckMessage]:
    if settings.WORKERS == 1 or settings.REDIS_URL:
        return []
    return [
        Warning(
            f"WORKERS={settings.WORKERS}, but REDIS_URL is not set: the processes do not hear of"
            " each other. An answer is followed as it is written only in the process that makes"
            " it; elsewhere it is seen and stopped about a second late. Each process caches and"
            " counts limits for itself, so that people get several times what a limit says.",
            hint="Set REDIS_URL, or WORKERS=1. One Redis for all of them is enough.",
            id="chatcore.W003",
        )
    ]


@register
def models_of_a_compatible_server_are_named(**_kwargs: Any) -> list[CheckMessage]:
    if not settings.OPENAI_BASE_URL or settings.ENV.is_set("OPENAI_MODELS"):
        return []
    return [
        Warning(
            "OPENAI_BASE_URL is set, but OPENAI_MODELS is not: OpenAI's own models are offered.",
            hint="Name what that server offers, such as OPENAI_MODELS=llama3.2,qwen3.",
            id="chatcore.W001",
        )
    ]


@register
def titles_have_a_provider(**_kwargs: Any) -> list[CheckMessage]:
    provider, _, model = settings.TITLE_MODEL.partition(":")
    configured = {
        "openai": settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL,
        "anthropic": settings.ANTHROPIC_API_KEY or settings.ANTHROPIC_BASE_URL,
    }
    if settings.TITLE_MODEL in ("", "same") or (model and configured.get(provider)):
        return []
    return [
        Warning(
            f"TITLE_MODEL={settings.TITLE_MODEL} names no provider that is configured:"
            " chats get no titles.",
            hint="Write same, off, or a model with its provider, such as openai:gpt-6-luna.",
            id="chatcore.W004",
        )
    ]


@register(Tags.database)
def mongodb_can_be_used(
    databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Whether MongoDB answers and knows transactions. Runs before migrations."""
    if not databases or connection.vendor != "mongodb":
        return []
    from pymongo.errors import ConfigurationError, InvalidName, InvalidURI

    try:
        connection.ensure_connection()
        hello = connection.connection.admin.command("hello")
    except (ConfigurationError, InvalidName, InvalidURI) as error:
        return [
            Error(
                f"MONGODB_URI cannot be used: {type(error).__name__}.",
                hint="Write it like mongodb://user:password@host:27017/database?option=value.",
                id="chatcore.E004",
            )
        ]
    except Exception as error:
        # The driver has a dozen ways to say no, and most carry the address with its password.
        return [
            Error(
                f"MongoDB cannot be reached: {type(error).__name__}.",
                hint="See that the server of MONGODB_URI runs and takes this user and password.",
                id="chatcore.E004",
            )
        ]
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        return []
    return [
        Error(
            "This MongoDB is a standalone server, which has no transactions.",
            hint="Start mongod with --replSet rs0 and run rs.initiate() once; one node is enough.",
            id="chatcore.E005",
        )
    ]
