"""The product's settings as tests want them: no .env of the developer's, a folder of its own."""

import os
import tempfile

os.environ["ENV_FILE"] = ""
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="chatcore-test-"))
for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
    os.environ.pop(name, None)
for name in ("DEBUG", "ALLOW_SIGNUP", "HTTPS", "REDIS_URL", "SECRET_KEY", "PROXY_COUNT"):
    os.environ.pop(name, None)

from chatcore.settings import *  # noqa: E402, F403
from chatcore.settings import DATABASES, STORAGES  # noqa: E402

# A second of hashing for each account would be most of the run.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Sockets and generations use the database from threads of their own, which a database in memory
# does not allow.
DATABASES["default"]["TEST"] = {}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"]["NAME"] = os.path.join(os.environ["DATA_DIR"], "test.sqlite3")
