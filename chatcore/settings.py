"""Every setting of the product, read once from the environment. docs/settings.md explains each."""

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chatcore import env as _env
from chatcore import secret_key as _secret_key
from chatcore.env import Rate as _Rate

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = _env.load(BASE_DIR)

# --- The server ---------------------------------------------------------------------------------
DEBUG = ENV.boolean("DEBUG", default=False)
DATA_DIR = ENV.path("DATA_DIR", BASE_DIR / "data")
HOST = ENV.string("HOST", "127.0.0.1")
PORT = ENV.integer("PORT", 8000, minimum=1, maximum=65535)
# How many processes serve.
WORKERS = ENV.integer("WORKERS", 1, minimum=1, maximum=_env.MOST_WORKERS)
ALLOWED_HOSTS = ENV.items("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
# Addresses of the pages themselves, where a proxy in front changes the Host header.
TRUSTED_ORIGINS = ENV.items("TRUSTED_ORIGINS")
HTTPS = ENV.boolean("HTTPS", default=False)
# How many proxies stand in front, each adding one address to X-Forwarded-For.
PROXY_COUNT = ENV.integer("PROXY_COUNT", 0, minimum=0, maximum=10)

ROOT_URLCONF = "chatcore.urls"
ASGI_APPLICATION = "chatcore.asgi.application"

# --- Accounts -----------------------------------------------------------------------------------
ALLOW_SIGNUP = ENV.boolean("ALLOW_SIGNUP", default=False)
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.Backend"]
SESSION_ENGINE = "accounts.session_store"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "assistant:chat"
LOGOUT_REDIRECT_URL = "accounts:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
KNOX_TOKEN_MODEL = "accounts.ApiToken"  # noqa: S105  a name
# Programs that look for leaked secrets find ours by the prefix.
REST_KNOX = {"TOKEN_PREFIX": "cc_", "AUTH_HEADER_PREFIX": "Bearer"}

# --- Sharing ------------------------------------------------------------------------------------
# Who can read a chat by its link: nobody, the owner's organisation, or whoever has it.
SHARING = ENV.choice("SHARING", "organization", "anyone", "off")

# --- Providers ----------------------------------------------------------------------------------
OPENAI_API_KEY = ENV.secret("OPENAI_API_KEY")
OPENAI_BASE_URL = ENV.url("OPENAI_BASE_URL", ("http", "https"))
OPENAI_MODELS = ENV.items("OPENAI_MODELS", "gpt-6.1-sol,gpt-6-astra,gpt-6-luna")
ANTHROPIC_API_KEY = ENV.secret("ANTHROPIC_API_KEY")
ANTHROPIC_BASE_URL = ENV.url("ANTHROPIC_BASE_URL", ("http", "https"))
ANTHROPIC_MODELS = ENV.items(
    "ANTHROPIC_MODELS", "claude-sonnet-5-5,claude-opus-5-5,claude-haiku-5-5"
)
# The longest silence of a provider, before and between the pieces of an answer.
PROVIDER_TIMEOUT_SECONDS = ENV.integer("PROVIDER_TIMEOUT_SECONDS", 60, minimum=1, maximum=3600)
# A whole answer, however lively it comes.
ANSWER_DEADLINE_SECONDS = ENV.integer("ANSWER_DEADLINE_SECONDS", 900, minimum=1, maximum=86400)

# Who gives a new chat its title: the model that answered ("same"), "provider:model", or "off".
TITLE_MODEL = ENV.string_or_off("TITLE_MODEL", "same")

# --- Tools --------------------------------------------------------------------------------------
# Look-ups of contacts are offered if there is a key.
ROCKETREACH_API_KEY = ENV.secret("ROCKETREACH_API_KEY")
ROCKETREACH_BASE_URL = ENV.url("ROCKETREACH_BASE_URL", ("http", "https"))
# What was paid for is given again for so long.
ROCKETREACH_CACHE_DAYS = ENV.integer_or_off("ROCKETREACH_CACHE_DAYS", 30, minimum=1, maximum=3650)

# --- Limits -------------------------------------------------------------------------------------
ASSISTANT_LIMIT = ENV.rate_or_off("ASSISTANT_LIMIT", _Rate(20, 60))
ROCKETREACH_LIMIT = ENV.rate_or_off("ROCKETREACH_LIMIT", _Rate(100, 60 * 60))
API_WRITE_LIMIT = ENV.rate_or_off("API_WRITE_LIMIT", _Rate(120, 60))
IMPORT_LIMIT = ENV.rate_or_off("IMPORT_LIMIT", _Rate(10, 60 * 60))
# All files of one import together, as they are sent.
IMPORT_MAX_MB = ENV.integer("IMPORT_MAX_MB", 200, minimum=1, maximum=4096)
EXPORT_LIMIT = ENV.rate_or_off("EXPORT_LIMIT", _Rate(10, 60 * 60))
SHARED_LINK_LIMIT = ENV.rate_or_off("SHARED_LINK_LIMIT", _Rate(120, 60))
LOGIN_LIMIT = ENV.rate("LOGIN_LIMIT", _Rate(5, 15 * 60))
# Answers that are made for one person at the same moment.
RUNNING_LIMIT = ENV.integer_or_off("RUNNING_LIMIT", 10, minimum=1, maximum=1000)
# What limits do while Redis is configured and away.
RATELIMIT_FALLBACK = ENV.choice("RATELIMIT_FALLBACK", "local", "open")

# --- Stores: MongoDB if MONGODB_URI is set, else one SQLite file in DATA_DIR --------------------
MONGODB_URI = ENV.url("MONGODB_URI", ("mongodb", "mongodb+srv"), secret=True)
REDIS_URL = ENV.url("REDIS_URL", ("redis", "rediss", "unix"), secret=True)

DATABASES: dict[str, dict[str, Any]]
# Knox's migrations would make its own table of tokens beside the model that stands in for it.
MIGRATION_MODULES: dict[str, str | None] = {"knox": None}
if MONGODB_URI:
    DATABASES = {
        "default": {
            "ENGINE": "chatcore.mongodb",
            "HOST": MONGODB_URI,
            "NAME": urlsplit(MONGODB_URI).path.lstrip("/") or "chatcore",
            # A server that is away is to be told of in seconds, not in the driver's 30.
            "OPTIONS": {
                "serverSelectionTimeoutMS": 2000,
                "connectTimeoutMS": 2000,
                # Longer than any query of ours; one that hangs must not hold its thread for ever.
                "socketTimeoutMS": 20_000,
            },
        }
    }
    DATABASE_ROUTERS = ["django_mongodb_backend.routers.MongoRouter"]
    DEFAULT_AUTO_FIELD = CONTRIB_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
    # Django's own apps with keys that MongoDB can make.
    MIGRATION_MODULES |= {
        app: f"chatcore.mongo_migrations.{app}" for app in ("admin", "auth", "contenttypes")
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "chatcore.sqlite3",
            # For as long as its thread: to open one and to read the schema takes a millisecond.
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # Writers queue at the start of a transaction; none fails in its middle.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    # What the migrations of Django's own apps say.
    CONTRIB_AUTO_FIELD = "django.db.models.AutoField"


def _cache(*, entries: int, name: str) -> dict[str, Any]:
    """In Redis, or in the process, where it holds at most so many entries."""
    return {
        "BACKEND": "chatcore.cache.ResilientRedisCache"
        if REDIS_URL
        else "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": REDIS_URL or name,
        "KEY_PREFIX": "chatcore",
        "OPTIONS": {"MAX_ENTRIES": entries},
    }


CACHES: dict[str, dict[str, Any]] = {
    # Counts. Django's 300 would let invented addresses push out that of an account under attack.
    "default": _cache(entries=100_000, name="counts"),
    # Chats and lists, of some 10 to 500 kB each.
    "documents": _cache(entries=200, name="documents"),
}

# --- Secrets ------------------------------------------------------------------------------------
SECRET_KEY = ENV.secret("SECRET_KEY")
if SECRET_KEY and len(SECRET_KEY) < 32:
    ENV.problem(
        "SECRET_KEY",
        "SECRET_KEY is too short to be safe.",
        "Remove it and one is made in DATA_DIR, or give at least 32 random characters.",
    )
try:
    if not (SECRET_KEY and MONGODB_URI):
        DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    SECRET_KEY = SECRET_KEY or _secret_key.read_or_make(DATA_DIR)
except (OSError, UnicodeDecodeError) as error:
    ENV.problem(
        "DATA_DIR",
        f"DATA_DIR={DATA_DIR} cannot be used: {getattr(error, 'strerror', None) or error}.",
        "Let it name a folder that this user may write to.",
    )
    SECRET_KEY = SECRET_KEY or secrets.token_urlsafe(64)

# --- Applications -------------------------------------------------------------------------------
INSTALLED_APPS = [
    *(["django_mongodb_backend"] if MONGODB_URI else []),
    "accounts.apps.AdminConfig",
    "chatcore.apps.AuthConfig",
    "chatcore.apps.ContentTypesConfig",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "chatcore.apps.ChatcoreConfig",
    "accounts.apps.AccountsConfig",
    "conversations",
    "prompts",
    "analytics",
    "assistant",
]
MIDDLEWARE = [
    "chatcore.health.ProbesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "chatcore.static.StaticFilesMiddleware",
    "chatcore.error_pages.ErrorPagesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.preferences",
                "conversations.context.sharing",
            ],
            "builtins": ["chatcore.templatetags.icons"],
        },
    }
]
REST_FRAMEWORK = {
    # The first one's challenge is what makes a refusal a 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["chatcore.rest.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "chatcore.rest.JSONRenderer",
        "chatcore.rest.BrowsableAPIRenderer",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "chatcore.rest.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Chatcore",
    "DESCRIPTION": "The API of this installation. docs/api.md of the project has examples.",
    "VERSION": "1",
    # The JSON Schema of msgspec's types is that of 3.1.
    "OAS_VERSION": "3.1.0",
    # Its renaming of enums wants types of its own making.
    "POSTPROCESSING_HOOKS": [],
}
# Limits work on the cache of one process as well, each process counting for itself.
SILENCED_SYSTEM_CHECKS = [
    "django_ratelimit.E003",
    "django_ratelimit.W001",
    # Sub-domains and the browsers' preload list belong to whoever owns the domain.
    "security.W005",
    "security.W021",
]

# --- Files that people send -----------------------------------------------------------------------
FILE_UPLOAD_HANDLERS = ["chatcore.uploads.NamelessFiles"]
# One more than an import takes, so that it can say how many it takes.
DATA_UPLOAD_MAX_NUMBER_FILES = 101
# With room for what a form has around its files. chatcore/handler.py keeps all others below 16 MB.
LARGE_BODIES = dict.fromkeys(
    ("/settings/data/import", "/api/assistant/import"), (IMPORT_MAX_MB + 1) * 1024 * 1024
)
LARGE_BODIES_OF = "accounts.authentication.is_known"

# --- Static files -------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
# The plain names are never asked for; to compress them as well would double the time of an install.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "chatcore.static.HashedStaticFilesStorage"
    },
}

# --- Security -----------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
CSRF_FAILURE_VIEW = "chatcore.error_pages.csrf_failed"
CSRF_TRUSTED_ORIGINS = TRUSTED_ORIGINS
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365 if HTTPS else 0
if PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Language and time --------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# --- Logging ------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["one_line"],
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        # A page that is not there, or not for this person, is nothing to report.
        "django.request": {"level": "ERROR", "filters": ["store_away"]},
        # Nor is what a stranger sends that is no HTTP.
        "uvicorn.error": {"level": "ERROR"},
    },
    "filters": {
        "store_away": {"()": "chatcore.error_pages.StoreAwayIsLoggedOnce"},
        "one_line": {"()": "chatcore.error_pages.StrangersGetOneLine"},
    },
}
