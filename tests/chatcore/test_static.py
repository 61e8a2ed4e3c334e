"""Static files as the server gives them out."""

import re

import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.test import Client, override_settings


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    storages = {"staticfiles": {"BACKEND": "chatcore.static.HashedStaticFilesStorage"}}
    with override_settings(
        STATIC_ROOT=tmp_path_factory.mktemp("static"), STORAGES={**settings.STORAGES, **storages}
    ):
        call_command("collectstatic", interactive=False, verbosity=0)
        yield Client()


def test_a_module_comes_with_those_it_imports_and_may_be_kept(collected):
    url = staticfiles_storage.url("js/chat.js")
    response = collected.get(url)

    assert url != "/static/js/chat.js"
    assert response.status_code == 200
    assert "immutable" in response["Cache-Control"]
    assert response["Content-Type"].startswith("text/javascript")
    assert b"function createComposer(" in response.content
    assert b'from "./' not in response.content
    # What is vendored stays a file of its own.
    assert re.search(rb'from "\.\./vendor/marked/marked\.esm\.\w+\.js"', response.content)


def test_browsers_that_take_brotli_get_it(collected):
    response = collected.get(
        staticfiles_storage.url("css/base.css"), headers={"accept-encoding": "br"}
    )

    assert response["Content-Encoding"] == "br"
    assert len(response.content) == int(response["Content-Length"])


def test_a_file_that_the_browser_has_is_not_sent_again(collected):
    url = staticfiles_storage.url("css/base.css")
    first = collected.get(url)
    again = collected.get(url, headers={"if-modified-since": first["Last-Modified"]})

    assert (again.status_code, again.content) == (304, b"")


def test_what_is_outside_is_not_given_out(collected):
    for path in ("/static/../manage.py", "/static/%2e%2e/manage.py", "/static//etc/passwd"):
        assert collected.get(path).status_code == 404
