"""What was looked up, on both stores: kept, given again, too old, deleted, and in the ledger."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.core.management import call_command

from analytics.models import UsageRecord
from assistant import contacts, rocketreach_desk
from assistant.contacts import Contact
from assistant.rocketreach_desk import OrganizationDesk, rocketreach_tools
from assistant.tools.base import ToolFault
from assistant.tools.rocketreach_people import LookupArguments, SearchArguments
from chatcore import clock
from chatcore.env import Rate
from chatcore.ids import new_id
from tests.at_once import at_once
from tests.fakes.rocketreach import JANE_FOUND, FakeRocketReach, Reply, complete, found

pytestmark = pytest.mark.django_db(transaction=True)

JANE_KEPT: dict[str, Any] = {
    "found": True,
    # More than fits into 32 bits, which MongoDB keeps in a class of its own.
    "person": {"id": 2**40, "name": "Jane Doe", "employer": "Acme", "emails": [], "phones": []},
}
TERMS = ("email:jane@acme.example", f"id:{2**40}", "name:jane doe")


@pytest.fixture(scope="module")
def _server() -> Iterator[FakeRocketReach]:
    server = FakeRocketReach().start()
    yield server
    server.stop()


@pytest_asyncio.fixture
async def server(_server, settings) -> AsyncIterator[FakeRocketReach]:
    _server.forget()
    settings.ROCKETREACH_API_KEY = "rr-secret"
    settings.ROCKETREACH_BASE_URL = _server.url
    yield _server
    await rocketreach_desk.close()


def keep(organization_id, key="k", *, terms=TERMS, answer=None, days_ago=0) -> None:
    moment = clock.now() - timedelta(days=days_ago)
    Contact.keep(organization_id, key, terms, answer or JANE_KEPT, moment)


def kept(organization_id, key="k") -> dict[str, Any] | None:
    return Contact.kept(organization_id, key, clock.now())


def manage(*arguments: str) -> list[str]:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().splitlines()


def tools(user, **fields):
    search, lookup = rocketreach_tools(
        user.pk,
        user.organization_id,
        fields.get("conversation_id"),
        fields.get("generation_id"),
        fields.get("request_id", ""),
    )
    return search, lookup


@sync_to_async
def ledger() -> list[UsageRecord]:
    return list(UsageRecord.objects.order_by("pk"))


# --- The store ------------------------------------------------------------------------------------
def test_an_answer_is_given_back_as_it_was_kept(acme):
    keep(acme.pk)

    assert kept(acme.pk) == JANE_KEPT
    assert type(kept(acme.pk)["person"]["id"]) is int


def test_what_one_organisation_looked_up_is_not_given_to_another_one(acme, carol):
    keep(acme.pk)

    assert kept(carol.organization_id) is None


def test_the_same_lookup_is_kept_once_and_its_newest_answer_counts(acme):
    keep(acme.pk)
    keep(acme.pk, answer={"found": True, "person": {"name": "Jane Roe"}})

    assert kept(acme.pk) == {"found": True, "person": {"name": "Jane Roe"}}
    assert Contact.objects.count() == 1


def test_the_same_lookup_from_many_threads_at_once_is_kept_once(acme):
    at_once(4, lambda _n: keep(acme.pk))

    assert Contact.objects.count() == 1


def test_an_answer_is_used_until_it_is_too_old(acme, settings):
    settings.ROCKETREACH_CACHE_DAYS = 30
    keep(acme.pk, "young", days_ago=29)
    keep(acme.pk, "old", days_ago=30)

    assert kept(acme.pk, "young") == JANE_KEPT
    assert kept(acme.pk, "old") is None


def test_a_shorter_time_counts_at_once_for_what_is_kept_already(acme, settings):
    keep(acme.pk, days_ago=8)
    assert kept(acme.pk) == JANE_KEPT

    settings.ROCKETREACH_CACHE_DAYS = 7

    assert kept(acme.pk) is None


def test_off_keeps_and_gives_nothing(acme, settings):
    keep(acme.pk)
    settings.ROCKETREACH_CACHE_DAYS = None

    keep(acme.pk, "other")

    assert kept(acme.pk) is None
    assert Contact.objects.count() == 1


def test_what_has_expired_goes_some_at_a_time_when_another_one_is_kept(acme, monkeypatch):
    monkeypatch.setattr(contacts, "AT_ONCE", 2)
    now = clock.now()
    for number in range(3):
        Contact.objects.create(organization_id=acme.pk, key=f"old{number}", expires_at=now)

    keep(acme.pk)

    assert Contact.objects.filter(key__startswith="old").count() == 1


# --- Commands -------------------------------------------------------------------------------------
def test_purge_contacts_deletes_what_is_too_old(acme, settings, monkeypatch):
    monkeypatch.setattr(contacts, "AT_ONCE", 2)
    keep(acme.pk, "young")
    for number in range(5):
        keep(acme.pk, "old", days_ago=20)
        Contact.objects.filter(key="old").update(key=f"old{number}")
    settings.ROCKETREACH_CACHE_DAYS = 10

    assert manage("purge_contacts", "--dry-run") == ["Would delete 5 contacts."]
    assert Contact.objects.count() == 6
    assert manage("purge_contacts") == ["Deleted 5 contacts."]
    assert list(Contact.objects.values_list("key", flat=True)) == ["young"]


def test_purge_contacts_deletes_all_where_nothing_is_to_be_kept(acme, settings):
    keep(acme.pk)
    settings.ROCKETREACH_CACHE_DAYS = None

    assert manage("purge_contacts") == ["Deleted 1 contacts."]


@pytest.mark.parametrize("person", ["Jane@ACME.example", "jane  DOE", str(2**40)])
def test_a_person_is_deleted_in_every_organisation_however_they_were_looked_up(person, acme, carol):
    keep(acme.pk)
    keep(carol.organization_id, terms=(f"id:{2**40}", "name:jane doe"))
    joe = {"found": True, "person": {"id": 7, "name": "Jane Doerr"}}
    keep(acme.pk, "joe", terms=("name:jane doerr", "email:xjane@acme.example"), answer=joe)

    said = manage("delete_contact", person, "--dry-run")
    assert sorted(said) == [
        "Jane Doe (Acme), looked up by Acme",
        "Jane Doe (Acme), looked up by Globex",
        "Would delete 2 contacts.",
    ]
    assert Contact.objects.count() == 3
    assert manage("delete_contact", person)[-1] == "Deleted 2 contacts."
    assert [each.name for each in Contact.objects.all()] == ["Jane Doerr"]


@pytest.mark.parametrize("person", ["joe@acme.example", "%", "jane", ".*", ""])
def test_nobody_else_is_deleted(person, acme):
    keep(acme.pk)

    assert manage("delete_contact", person) == ["Deleted 0 contacts."]


# --- The tools with all of it ---------------------------------------------------------------------
def test_without_a_key_no_tool_is_offered(bob):
    assert rocketreach_tools(bob.pk, bob.organization_id, None, None, "") == []


async def test_a_lookup_is_a_row_with_its_credit_and_its_place(server, bob):
    conversation, generation = new_id(), new_id()
    _, lookup = tools(bob, conversation_id=conversation, generation_id=generation, request_id="r1")

    told = await lookup.run(LookupArguments(linkedin_url="linkedin.com/in/jane-doe"))

    assert told["person"]["name"] == "Jane Doe"
    (row,) = await ledger()
    assert (row.provider, row.endpoint, row.method) == ("rocketreach", "person_lookup", "GET")
    assert (row.user_id, row.organization_id) == (bob.pk, bob.organization_id)
    assert (row.conversation_id, row.generation_id) == (conversation, generation)
    assert (row.request_id, row.status, row.error) == ("r1", "success", "")
    assert (row.units, row.credits, row.credits_saved) == (1, 1, 0)
    assert (row.cost_usd, row.price_source, row.unpriced_calls) == (None, "credits", 0)


async def test_a_colleague_gets_it_from_the_store_and_the_saving_is_theirs(server, bob, dave):
    arguments = LookupArguments(email="jane@acme.example")
    await tools(bob)[1].run(arguments)
    lookup = tools(dave)[1]

    assert await lookup.asks(arguments) is None
    told = await lookup.run(arguments)

    assert told["person"]["id"] == 42
    assert len(server.requests) == 1
    _, row = await ledger()
    assert (row.user_id, row.status) == (dave.pk, "success")
    assert (row.units, row.credits, row.credits_saved, row.duration_ms) == (0, 0, 1, 0)


async def test_a_search_is_a_row_without_credits(server, bob):
    server.reply_with(found(JANE_FOUND))

    await tools(bob)[0].run(SearchArguments(name=("Jane",)))

    (row,) = await ledger()
    assert (row.endpoint, row.method, row.units, row.credits) == ("person_search", "POST", 1, 0)


async def test_a_failure_is_a_row_with_its_code(server, bob):
    server.reply_with(Reply(cut=True))

    with pytest.raises(ToolFault):
        await tools(bob)[1].run(LookupArguments(id=42))

    (row,) = await ledger()
    assert (row.status, row.error, row.credits) == ("error", "network_unknown", 1)


async def test_the_limit_is_the_organisations_and_a_kept_answer_does_not_count(
    server, bob, dave, carol, settings
):
    settings.ROCKETREACH_LIMIT = Rate(1, 3600)
    await tools(bob)[1].run(LookupArguments(id=42))

    again = await tools(dave)[1].run(LookupArguments(id=42))
    with pytest.raises(ToolFault, match="limit of requests"):
        await tools(dave)[1].run(LookupArguments(id=43))
    elsewhere = await tools(carol)[1].run(LookupArguments(id=42))

    assert again["found"] is elsewhere["found"] is True
    assert len(server.requests) == 2


async def test_the_ledger_names_nobody(server, bob):
    await tools(bob)[1].run(LookupArguments(email="jane@acme.example"))

    (row,) = await ledger()
    fields = [str(getattr(row, field.attname)) for field in UsageRecord._meta.concrete_fields]
    assert "jane" not in " ".join(fields).lower()


async def test_the_store_away_breaks_no_lookup(server, bob, monkeypatch):
    def away(*_):
        raise OSError

    for name in ("kept", "keep"):
        monkeypatch.setattr(Contact, name, away)

    told = await tools(bob)[1].run(LookupArguments(id=42))

    assert told["found"] is True
    assert len(await ledger()) == 1


async def test_another_key_has_connections_of_its_own(server, bob, settings):
    await tools(bob)[1].run(LookupArguments(id=42))
    settings.ROCKETREACH_API_KEY = "rr-new"
    await tools(bob)[1].run(LookupArguments(id=43))

    assert [each.headers["Api-Key"] for each in server.requests] == ["rr-secret", "rr-new"]


async def test_a_persons_id_may_be_a_large_one(server, bob):
    server.reply_with(complete(id=2**40))
    arguments = LookupArguments(email="jane@acme.example")

    first = await tools(bob)[1].run(arguments)
    second = await tools(bob)[1].run(arguments)

    assert first == second
    assert first["person"]["id"] == 2**40


def test_the_scope_of_a_desk_is_its_organisation():
    organization = uuid4()

    desk = OrganizationDesk(user_id=uuid4(), organization_id=organization)

    assert desk.scope == str(organization)


# --- The admin ------------------------------------------------------------------------------------
@pytest.fixture
def admin(client, alice):
    client.force_login(alice)
    return client


def test_administrators_look_for_a_contact_and_read_it(admin, acme):
    keep(acme.pk)
    contact = Contact.objects.get()

    listed = admin.get("/admin/assistant/contact/?q=jane")
    page = admin.get(f"/admin/assistant/contact/{contact.pk}/change/")

    assert "Jane Doe" in listed.text
    assert admin.get("/admin/assistant/contact/?q=joe").text.count("Jane Doe") == 0
    assert (page.status_code, "Acme" in page.text) == (200, True)


def test_what_strangers_wrote_is_escaped_there(admin, acme):
    person = {"name": "<script>alert(1)</script>"}
    keep(acme.pk, answer={"found": True, "person": person})

    assert "<script>alert" not in admin.get("/admin/assistant/contact/").text


def test_a_contact_is_neither_added_nor_changed(admin, acme):
    keep(acme.pk)
    contact = Contact.objects.get()

    assert admin.get("/admin/assistant/contact/add/").status_code == 403
    change = admin.post(f"/admin/assistant/contact/{contact.pk}/change/", {"name": "Joe"})
    assert change.status_code == 403
    assert Contact.objects.get().name == "Jane Doe"


def test_a_contact_is_deleted_and_the_admins_log_does_not_keep_the_name(admin, acme):
    keep(acme.pk)
    contact = Contact.objects.get()

    admin.post(f"/admin/assistant/contact/{contact.pk}/delete/", {"post": "yes"})

    assert not Contact.objects.exists()
    assert LogEntry.objects.get().object_repr == str(contact.pk)
