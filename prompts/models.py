"""Texts that are kept to be asked again: a person's own, and those of their organisation."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Organization, User
from accounts.permissions import may_write_for_organization
from chatcore import clock
from chatcore.db import in_transaction
from chatcore.ids import new_id


class TooManyPrompts(Exception):
    """The person, or their organisation, has as many prompts as one may have. Its text says so."""

    def __init__(self) -> None:
        super().__init__(f"There are {Prompt.MOST} prompts, which is the most. Delete one first.")


class PromptQuerySet(models.QuerySet["Prompt"]):
    def for_user(self, user: User) -> "PromptQuerySet":
        """Those that this person can insert: their own, and those of their organisation."""
        return self.filter(Q(user=user) | Q(user=None, organization_id=user.organization_id))

    def own(self, user: User) -> "PromptQuerySet":
        return self.filter(user=user)

    def changeable_by(self, user: User) -> "PromptQuerySet":
        """Their own; those of the organisation too for whoever may write for it."""
        return self.for_user(user) if may_write_for_organization(user) else self.own(user)

    def of_organization(self, organization_id: UUID) -> "PromptQuerySet":
        return self.filter(user=None, organization_id=organization_id)


class Prompt(models.Model):
    """One of a person, or without a `user` of the organisation."""

    MOST: ClassVar[int] = 100
    NAME_LENGTH: ClassVar[int] = 60
    TEXT_LENGTH: ClassVar[int] = 8_000

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, db_column="orgId", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_column="userId",
        db_index=False,
    )
    name = models.CharField(max_length=NAME_LENGTH)
    text = models.TextField(max_length=TEXT_LENGTH)
    created_at = models.DateTimeField(default=clock.now, editable=False, db_column="createdAt")
    updated_at = models.DateTimeField(default=clock.now, db_column="updatedAt")

    objects: ClassVar[models.Manager["Prompt"]] = PromptQuerySet.as_manager()

    class Meta:
        db_table = "prompts"
        indexes = [
            models.Index(fields=["user"], name="prompts_user"),
            models.Index(fields=["organization", "user"], name="prompts_org_user"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_shared(self) -> bool:
        return self.user_id is None

    def change(self, now: datetime, **fields: str) -> bool:
        """Set these fields and no others, whoever else changes it meanwhile.

        False: it was deleted meanwhile.
        """
        for name, value in {**fields, "updated_at": now}.items():
            setattr(self, name, value)
        changed = Prompt.objects.filter(pk=self.pk).update(**fields, updated_at=now)
        return changed == 1


def listed(user: User) -> list[Prompt]:
    """All that this person can insert, their own first, by name."""
    found = Prompt.objects.for_user(user)
    return sorted(found, key=lambda each: (each.is_shared, each.name.casefold(), each.pk))


def add(user: User, name: str, text: str, *, is_shared: bool, key: UUID | None = None) -> Prompt:
    """A new prompt. Raises TooManyPrompts. The caller has looked who may share.

    With a `key` as its id there is one of them at most: raises IntegrityError for another one.
    """

    def work() -> Prompt:
        kept = (
            Prompt.objects.of_organization(user.organization_id)
            if is_shared
            else Prompt.objects.own(user)
        )
        if kept.count() >= Prompt.MOST:
            raise TooManyPrompts
        return Prompt.objects.create(
            id=key or new_id(),
            organization_id=user.organization_id,
            user=None if is_shared else user,
            name=name,
            text=text,
        )

    return in_transaction(work)
