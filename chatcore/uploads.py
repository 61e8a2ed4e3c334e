"""Files that people send: on the disk without a name, so that nothing is left of one, whatever
becomes of the process that takes it."""

from io import BytesIO
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler


def nameless_file() -> BinaryIO:
    """Empty; whoever asks for it closes it."""
    return cast(BinaryIO, TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR))


class NamelessFiles(FileUploadHandler):
    """Django's own takes small ones into memory, and gives large ones a name that a kill leaves."""

    file: BinaryIO

    def new_file(self, *args: object, **kwargs: object) -> None:
        super().new_file(*args, **kwargs)  # type: ignore[arg-type]
        self.file = nameless_file()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[bytes]":
        self.file.seek(0)
        return UploadedFile(
            self.file,
            self.file_name,
            self.content_type,
            file_size,
            self.charset,
            self.content_type_extra,
        )

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


def taken(upload: "UploadedFile[bytes]") -> BinaryIO:
    """The file itself, which its request does not close any more. Whoever takes it does."""
    file = cast(BinaryIO, upload.file)
    upload.file = BytesIO()
    return file
