"""An answer in the making. The finished answer is a message of its conversation."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models

from accounts.models import User
from analytics.models import UsageSource
from chatcore import clock
from chatcore.ids import new_id
from chatcore.money import UsdField
from conversations.models import Conversation


class GenerationStatus(models.TextChoices):
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class GenerationQuerySet(models.QuerySet["Generation"]):
    def for_user(self, user: User) -> "GenerationQuerySet":
        return self.filter(user=user)

    def running(self) -> "GenerationQuerySet":
        return self.filter(status=GenerationStatus.RUNNING)

    def with_chat(self) -> "GenerationQuerySet":
        return self.select_related("conversation")

    def silent_since(self, moment: datetime) -> "GenerationQuerySet":
        """Running by their word, but not heard of since: their process is gone."""
        return self.running().filter(heartbeat_at__lt=moment)


class Generation(models.Model):
    """One run of a model for one question.

    `text` and `reasoning` are what was saved of it while it ran. Once it has ended, its message has
    them and they are empty here: a message that is deleted is gone.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, db_column="conversationId", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_column="userId", db_index=False
    )
    # The client's key for "this very request": sent twice, it is answered once.
    request_id = models.CharField(max_length=64, db_column="requestId")
    parent_id = models.CharField(max_length=64, db_column="parentId")
    answer_id = models.CharField(max_length=64, db_column="answerId")
    provider = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    status = models.CharField(
        max_length=16, choices=GenerationStatus, default=GenerationStatus.RUNNING
    )
    seq = models.PositiveIntegerField(default=0)
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    error = models.JSONField(null=True, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    # Set by a process that cannot reach the one that makes the answer; that one looks every second.
    stop_asked = models.BooleanField(default=False, db_column="stopAsked")
    # The tools that were used so far, and what came of each (assistant/tool_uses.py).
    tools = models.JSONField(default=list, blank=True)
    # The call of the provider that runs (metering.CallState), for an estimate by the reaper.
    call = models.JSONField(null=True, blank=True)
    # What the person said of tool calls that had to be allowed: {call id: decision}.
    # Null for none: MongoDB adds no field whose default is an empty object.
    decisions = models.JSONField(null=True, blank=True)
    # What all calls came to, by the ledger: in tokens, and in dollars as far as they are priced.
    usage = models.JSONField(null=True, blank=True)
    usage_source = models.CharField(
        max_length=16, choices=UsageSource, blank=True, db_column="usageSource"
    )
    cost_usd = UsdField(null=True, blank=True, db_column="costUsdE10")
    heartbeat_at = models.DateTimeField(default=clock.now, db_column="heartbeatAt")
    created_at = models.DateTimeField(default=clock.now, db_column="createdAt")
    finished_at = models.DateTimeField(null=True, blank=True, db_column="finishedAt")

    objects: ClassVar[models.Manager["Generation"]] = GenerationQuerySet.as_manager()

    class Meta:
        db_table = "generations"
        constraints = [
            models.UniqueConstraint(fields=["user", "request_id"], name="generations_user_request")
        ]
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], name="generations_status_beat"),
            models.Index(fields=["conversation", "status"], name="generations_conv_status"),
            models.Index(fields=["user", "status"], name="generations_user_status"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.status}"


# Django finds these from here.
from assistant.contacts import Contact  # noqa: E402, F401
from assistant.title_calls import TitleCall  # noqa: E402, F401
