"""Contacts that were looked up, kept so that the same lookup is not paid for twice.

They are an organisation's own: what one has paid for is not given to another one.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, models

from assistant.tools.rocketreach_people import term
from chatcore import clock, rows, writes
from chatcore.db import in_transaction
from chatcore.ids import new_id

# The expired ones go when one is kept, so many at a time, even where no command is ever run.
AT_ONCE = 100


class ContactQuerySet(models.QuerySet["Contact"]):
    def expired(self, now: datetime) -> "ContactQuerySet":
        """What is not used any more, be it by a setting that was changed since."""
        if settings.ROCKETREACH_CACHE_DAYS is None:
            return self.all()
        start = now - timedelta(days=settings.ROCKETREACH_CACHE_DAYS)
        return self.filter(models.Q(expires_at__lte=now) | models.Q(created_at__lte=start))

    def about(self, text: str) -> "ContactQuerySet":
        """Of the people who have this e-mail, name, LinkedIn profile or RocketReach id: all that is
        stored, in every organisation, under whatever they were looked up by."""
        named = list(
            self.filter(terms__contains=f"\n{term(text)}\n").values_list("pk", "person_key")
        )
        same_people = {person_key for _, person_key in named if person_key}
        return self.filter(
            models.Q(pk__in=[pk for pk, _ in named]) | models.Q(person_key__in=same_people)
        )


class Contact(models.Model):
    """The answer to one lookup."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    organization_id = models.UUIDField("organisation", db_column="orgId")
    # A digest of the lookup.
    key = models.CharField(max_length=64)
    # RocketReach's id of the person; empty where it gave none.
    person_key = models.CharField(max_length=32, blank=True, db_column="personKey")
    name = models.CharField(max_length=200, blank=True)
    # What the person is found by to be deleted, one in a line and with a line end on either side:
    # "email:jane@acme.example", "name:jane doe".
    terms = models.TextField(blank=True)
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now, db_column="createdAt")
    expires_at = models.DateTimeField(db_column="expiresAt")

    objects: ClassVar[models.Manager["Contact"]] = ContactQuerySet.as_manager()

    class Meta:
        db_table = "contacts"
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "key"], name="contacts_org_key")
        ]
        indexes = [models.Index(fields=["expires_at"], name="contacts_expires")]

    def __str__(self) -> str:
        # Django's admin writes it down when one is deleted, and nothing of it is to stay.
        return str(self.pk)

    @classmethod
    def kept(cls, organization_id: UUID, key: str, now: datetime) -> dict[str, Any] | None:
        """The answer to the same lookup, None if there is none or it is too old."""
        days = settings.ROCKETREACH_CACHE_DAYS
        if days is None:
            return None
        found = rows.one(cls, organization_id=organization_id, key=key)
        if found is None or min(found.expires_at, found.created_at + timedelta(days=days)) <= now:
            return None
        # MongoDB's whole numbers are of a class that no encoder of ours knows.
        answer: dict[str, Any] = json.loads(json.dumps(found.answer))
        return answer

    @classmethod
    def keep(
        cls,
        organization_id: UUID,
        key: str,
        terms: Iterable[str],
        answer: dict[str, Any],
        now: datetime,
    ) -> None:
        """Keep the answer in place of an older one, and let some go that have expired."""
        days = settings.ROCKETREACH_CACHE_DAYS
        if days is None:
            return
        person = answer["person"]
        values = {
            "person_key": str(person.get("id", "")),
            "name": person.get("name", ""),
            "terms": "\n".join(["", *dict.fromkeys(terms), ""]),
            "answer": answer,
            "created_at": now,
            "expires_at": now + timedelta(days=days),
        }
        _write({"organization_id": organization_id, "key": key}, values)
        delete_some(Contact.objects.filter(expires_at__lte=now))


def _write(equal: dict[str, Any], values: dict[str, Any]) -> None:
    def work() -> None:
        if writes.update(Contact, equal, values=values) is None:
            writes.insert(Contact(**equal, **values))

    try:
        in_transaction(work)
    except IntegrityError:
        # The same was looked up by another process at the same moment.
        in_transaction(work)


def delete_some(contacts: models.QuerySet[Contact]) -> int:
    """Delete at most AT_ONCE of these. Returns how many."""
    keys = list(contacts.values_list("pk", flat=True)[:AT_ONCE])
    if keys:
        Contact.objects.filter(pk__in=keys).delete()
    return len(keys)


def delete_all(contacts: models.QuerySet[Contact]) -> int:
    """Delete them, some at a time so that other writers get their turn. Returns how many."""
    count = 0
    while deleted := delete_some(contacts):
        count += deleted
    return count
