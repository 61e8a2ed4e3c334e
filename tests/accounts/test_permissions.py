"""Who may see whom: every role against every other."""

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts import permissions


@pytest.fixture
def cast(alice, bob, carol, dave):
    return {"alice": alice, "bob": bob, "carol": carol, "dave": dave, "nobody": AnonymousUser()}


@pytest.mark.parametrize(
    ("viewer", "visible"),
    [
        ("alice", {"alice", "bob", "carol", "dave"}),  # administrator: the whole installation
        ("dave", {"alice", "bob", "dave"}),  # manager: their own organisation
        ("bob", {"bob"}),  # member: themselves
        ("carol", {"carol"}),
        ("nobody", set()),
    ],
)
def test_people_are_visible_as_far_as_the_role_reaches(viewer, visible, cast):
    seen = {
        name
        for name, person in cast.items()
        if name != "nobody" and permissions.may_see_user(cast[viewer], person)
    }

    assert seen == visible


@pytest.mark.parametrize(
    ("viewer", "visible"),
    [
        ("alice", {"Acme", "Globex"}),
        ("dave", {"Acme"}),
        ("bob", set()),
        ("carol", set()),
        ("nobody", set()),
    ],
)
def test_organisations_are_visible_to_those_who_answer_for_them(viewer, visible, cast):
    organizations = (cast["alice"].organization, cast["carol"].organization)

    assert {
        each.name for each in organizations if permissions.may_see_organization(cast[viewer], each)
    } == visible


def test_only_administrators_administer(cast):
    allowed = {name for name, person in cast.items() if permissions.may_administer(person)}

    assert allowed == {"alice"}


def test_a_deactivated_administrator_sees_nothing(alice):
    alice.is_active = False

    assert not permissions.may_administer(alice)
    assert not permissions.users_visible_to(alice).exists()
    assert not permissions.organizations_visible_to(alice).exists()
