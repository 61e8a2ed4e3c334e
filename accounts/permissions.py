"""May this person see this? The one place that answers.

A role reaches as far as this: an administrator the whole installation, a manager their own
organisation, a member themselves. Chats are their owner's alone, whatever the role:
`Conversation.objects.for_user()` is the only door to them, but for what the owner shares by a link.
"""

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts.models import Organization, Role, User

Viewer = AbstractBaseUser | AnonymousUser


def may_administer(viewer: Viewer) -> bool:
    """People, organisations and everything else in Django's admin."""
    return isinstance(viewer, User) and viewer.is_active and viewer.role == Role.ADMIN


def sees_everything(viewer: Viewer) -> bool:
    """Reports of all organisations, also of what those who are gone have used."""
    return may_administer(viewer)


def may_see_reports(viewer: Viewer) -> bool:
    """Who used what at what cost: of the whole installation, or of one's own organisation."""
    is_manager = isinstance(viewer, User) and viewer.is_active and viewer.role == Role.MANAGER
    return is_manager or sees_everything(viewer)


def may_write_for_organization(viewer: Viewer) -> bool:
    """What everybody in their organisation is offered, such as its prompts."""
    # A manager their own organisation's, an administrator theirs.
    return may_see_reports(viewer)


def may_read_shared_by(viewer: Viewer, owner: User) -> bool:
    """A chat of the owner's, for whoever has its link, as SHARING says."""
    if not owner.is_active or settings.SHARING == "off":
        return False
    return settings.SHARING == "anyone" or is_colleague(viewer, owner)


def is_colleague(viewer: Viewer, person: User) -> bool:
    """Of the same organisation, or the person themselves."""
    return (
        isinstance(viewer, User)
        and viewer.is_active
        and viewer.organization_id == person.organization_id
    )


def may_see_user(viewer: Viewer, person: User) -> bool:
    return users_visible_to(viewer).filter(pk=person.pk).exists()


def may_see_organization(viewer: Viewer, organization: Organization) -> bool:
    return organizations_visible_to(viewer).filter(pk=organization.pk).exists()


def users_visible_to(viewer: Viewer) -> "QuerySet[User]":
    """The people whose account and usage this viewer may see."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return User.objects.none()
    if viewer.role == Role.ADMIN:
        return User.objects.all()
    if viewer.role == Role.MANAGER:
        return User.objects.filter(organization_id=viewer.organization_id)
    return User.objects.filter(pk=viewer.pk)


def organizations_visible_to(viewer: Viewer) -> "QuerySet[Organization]":
    """The organisations whose people and usage this viewer may see."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return Organization.objects.none()
    if viewer.role == Role.ADMIN:
        return Organization.objects.all()
    if viewer.role == Role.MANAGER:
        return Organization.objects.filter(pk=viewer.organization_id)
    return Organization.objects.none()
