"""manage.py create_indexes, on both stores."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models

from accounts.models import ApiToken, User
from assistant.models import Generation
from conversations.models import Conversation, Message, SharedLink

pytestmark = pytest.mark.django_db(transaction=True)

# As the seed document lists them for its collections, then ours.
EXPECTED = {
    "conversations.conversations_id_user {id: 1, userId: 1} unique",
    "conversations.conversations_user_updated {userId: 1, updatedAt: -1}",
    "conversations.conversations_org_created {orgId: 1, createdAt: -1}",
    "conversations.conversations_deleted {deletedAt: 1} sparse",
    "conversations.conversations_user_list {userId: 1, deletedAt: 1, updatedAt: -1, _id: -1}",
    "messages.messages_conversation_id {conversationId: 1, id: 1} unique",
    "messages.messages_conversation_seq {conversationId: 1, seq: 1}",
    "shared_links.shared_links_token {token: 1} unique",
    "shared_links.shared_links_conversation {conversationId: 1} unique",
    "shared_links.shared_links_user_shared {userId: 1, sharedAt: -1}",
    "generations.generations_user_request {userId: 1, requestId: 1} unique",
    "generations.generations_status_beat {status: 1, heartbeatAt: 1}",
    "generations.generations_conv_status {conversationId: 1, status: 1}",
    "generations.generations_user_status {userId: 1, status: 1}",
    "contacts.contacts_org_key {orgId: 1, key: 1} unique",
    "contacts.contacts_expires {expiresAt: 1}",
    "title_calls.title_calls_due {dueAt: 1}",
    "organizations.organizations_name {name: 1} unique",
    "users.users_email {email: 1} unique",
    "users.users_org_email {orgId: 1, email: 1}",
    "api_tokens.api_tokens_digest {digest: 1} unique",
    "api_tokens.api_tokens_user_created {userId: 1, createdAt: -1}",
}


def run(**options) -> list[str]:
    out = StringIO()
    call_command("create_indexes", stdout=out, **options)
    return out.getvalue().splitlines()


def index(model, name):
    declared = (*model._meta.indexes, *model._meta.constraints)
    return next(each for each in declared if each.name == name)


def drop(model, name) -> None:
    found = index(model, name)
    with connection.schema_editor() as editor, pytest.MonkeyPatch.context() as patch:
        if isinstance(found, models.Index):
            editor.remove_index(model, found)
            return
        # SQLite removes a constraint by making the table anew from what the model declares.
        rest = [each for each in model._meta.constraints if each is not found]
        patch.setattr(model._meta, "constraints", rest)
        editor.remove_constraint(model, found)


def test_migrations_make_every_index():
    assert {line.removesuffix(": there already") for line in run()} == EXPECTED
    run(check=True)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Conversation, "conversations_user_updated"),
        (Conversation, "conversations_deleted"),
        (Conversation, "conversations_id_user"),
        (Message, "messages_conversation_id"),
        (User, "users_email"),
    ],
)
def test_a_missing_index_is_named_and_then_made(model, name):
    drop(model, name)

    with pytest.raises(CommandError, match="1 indexes are missing or different") as caught:
        run(check=True)
    assert caught.value.returncode == 1
    made = [line for line in run() if line.endswith(": made")]
    assert len(made) == 1
    assert f".{name} " in made[0]
    run(check=True)


def test_an_index_that_differs_is_named_and_then_made_anew():
    name = "conversations_user_updated"
    drop(Conversation, name)
    other = models.Index(fields=["user", "updated_at"], name=name)
    with connection.schema_editor() as editor:
        editor.add_index(Conversation, other)
    out = StringIO()

    with pytest.raises(CommandError):
        call_command("create_indexes", check=True, stdout=out)
    assert "different, is {userId: 1, updatedAt: 1}" in out.getvalue()
    assert [line for line in run() if line.endswith(": made")]
    run(check=True)


def test_rows_that_are_there_twice_are_told_in_a_sentence(acme):
    drop(User, "users_email")
    for _ in range(2):
        User.objects.create(email="bob@acme.example", organization=acme)

    with pytest.raises(CommandError, match="users_email could not be made"):
        run()

    User.objects.all().delete()
    run()


@pytest.mark.skipif(connection.vendor != "mongodb", reason="SQLite does not mind")
def test_the_same_index_under_another_name_is_told_in_a_sentence():
    drop(User, "users_org_email")
    collection = connection.get_collection("users")
    collection.create_index([("orgId", 1), ("email", 1)], name="by_hand")

    with pytest.raises(CommandError, match="users_org_email could not be made"):
        run()

    collection.drop_index("by_hand")
    run()


def test_without_tables_the_command_says_what_to_do(monkeypatch):
    monkeypatch.setattr(connection.introspection, "table_names", list)

    with pytest.raises(CommandError, match="migrate"):
        run()


@pytest.mark.parametrize(
    ("queryset", "name"),
    [
        (lambda: User.objects.filter(email="x@acme.example"), "users_email"),
        (
            lambda: ApiToken.objects.select_related("user").filter(digest="d"),
            "api_tokens_digest",
        ),
        (lambda: ApiToken.objects.for_user(User()), "api_tokens_user_created"),
        (
            lambda: Generation.objects.filter(user_id=User().pk, request_id="r"),
            "generations_user_request",
        ),
        (
            lambda: Conversation.objects.filter(client_id="c", user_id=User().pk),
            "conversations_id_user",
        ),
        (
            lambda: Message.objects.filter(
                conversation_id=Conversation().pk, client_id__in=["a", "b"]
            ),
            "messages_conversation_id",
        ),
        (lambda: SharedLink.objects.filter(token="t"), "shared_links_token"),
        (
            lambda: SharedLink.objects.filter(conversation_id=Conversation().pk),
            "shared_links_conversation",
        ),
        (lambda: SharedLink.objects.for_user(User()).with_chats(), "shared_links_user_shared"),
        (
            lambda: Message.objects.filter(conversation_id=Conversation().pk).order_by("seq"),
            "messages_conversation_seq",
        ),
    ],
)
def test_the_look_ups_use_their_index(queryset, name):
    plan = queryset().explain()

    assert name in plan or "sqlite_autoindex" in plan
    assert "COLLSCAN" not in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN " not in plan
