"""Static files: hashed names that browsers may keep for ever, served without a second server."""

from collections.abc import Iterator
from typing import Any

from django.core.files.base import ContentFile
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

from chatcore import bundles

# Ours, by folder; what is vendored stays as it is published.
BUNDLED = {"css": bundles.stylesheet, "js": bundles.module}


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    # ES modules import one another by name; those names carry hashes as well.
    support_js_module_import_aggregation = True

    def post_process(
        self, paths: dict[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        if not dry_run:
            paths = {**paths, **self._bundle(paths)}
        yield from super().post_process(paths, dry_run, **options)

    def _bundle(self, paths: dict[str, Any]) -> dict[str, Any]:
        """Put a bundle in the place of each file of ours."""

        def read(name: str) -> str:
            storage, path = paths[name]
            with storage.open(path) as file:
                return str(file.read().decode())

        bundled = {}
        for name in paths:
            if (bundle := BUNDLED.get(name.partition("/")[0])) is not None:
                text = bundle(name, read)
                self.delete(name)
                self._save(name, ContentFile(text.encode()))
                bundled[name] = (self, name)
        return bundled


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise with the body in one piece: ASGI cannot stream from its ordinary file objects."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        response = static_file.get_response(request.method, request.META)
        body = b""
        if response.file is not None:
            with response.file:
                body = response.file.read()
        answer = HttpResponse(body, status=int(response.status))
        del answer["Content-Type"]
        for name, value in response.headers:
            answer[name] = value
        return answer
