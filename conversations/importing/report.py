"""What comes of an import, for the person and for programs."""

import msgspec

from chatcore.validation import Shape


class SkippedChat(Shape):
    """`title` is "" if the chat has none that can be read."""

    title: str
    reason: str


class ImportReport(Shape):
    """What has come of an import. `imported`, `alreadyThere` and `skipped` are numbers of chats.

    Of those that were there `alreadyInTrash` are in the trash. Of the imported ones `inTrash` were
    in the trash of the export. `messages` were imported, of which `shortenedMessages` were too long
    to be taken whole. `skippedChats` names the first of the skipped ones. `prompts` were imported,
    `promptsAlreadyThere` left as they are, and `skippedPrompts` are none that can be kept, or more
    than a person may have. `problem` is null, or says why the import ended before the end of its
    files.
    """

    imported: int = 0
    already_there: int = 0
    already_in_trash: int = 0
    skipped: int = 0
    messages: int = 0
    in_trash: int = 0
    shortened_messages: int = 0
    prompts: int = 0
    prompts_already_there: int = 0
    skipped_prompts: int = 0
    skipped_chats: list[SkippedChat] = msgspec.field(default_factory=list)
    problem: str | None = None
