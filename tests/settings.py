"""The product's settings as tests want them: nothing of the developer's, a folder of its own."""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Every setting that there is, but for the store that tests.run has chosen.
for name in re.findall(r"\b[A-Z_]{3,}\b", (ROOT / ".env.example").read_text(encoding="utf-8")):
    if name != "MONGODB_URI":
        os.environ.pop(name, None)
        os.environ.pop(f"{name}_FILE", None)
os.environ["ENV_FILE"] = ""
os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="chatcore-test-")
atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

from chatcore.settings import *  # noqa: E402, F403
from chatcore.settings import DATABASES, STORAGES  # noqa: E402

# Tests of other things count the requests of a provider. Those of titles ask for them.
TITLE_MODEL = ""
# A second of hashing for each account would be most of the run.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Exists and is empty: the files of a run of the product are none of the tests'.
STATIC_ROOT = Path(os.environ["DATA_DIR"])
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Sockets and generations use the database from threads of their own, which a database in
    # memory does not allow.
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(os.environ["DATA_DIR"], "test.sqlite3")}
