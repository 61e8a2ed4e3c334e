"""Make an API token for somebody, from a script or without a browser."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import ApiToken, TooManyTokens, User
from chatcore import clock

LONGEST_DAYS = 3650


class Command(BaseCommand):
    help = "Make an API token for a person and print it, alone, so that a script can take it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="Whom the token acts as.")
        parser.add_argument("--name", required=True, help="What it is for.")
        parser.add_argument("--days", type=int, help="How long it is valid; without it, for ever.")

    def handle(self, *, email: str, name: str, days: int | None, **_options: Any) -> None:
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days: give a number from 1 to {LONGEST_DAYS}.")
        lifetime = timedelta(days=days) if days else None
        try:
            token = ApiToken.objects.issue(
                _person(email), _checked(name), lifetime=lifetime, now=clock.now()
            )
        except TooManyTokens as error:
            raise CommandError(
                f"{email} has {ApiToken.MOST_PER_PERSON} tokens, which is the most."
                " Delete some under Administration, or let the person revoke them on /tokens."
            ) from error
        self.stdout.write(token)


def _person(email: str) -> User:
    try:
        user = User.objects.get_by_natural_key(email)
    except User.DoesNotExist as error:
        raise CommandError(
            f"There is no account {email}. Make it under Administration, or with createsuperuser."
        ) from error
    if not user.is_active:
        raise CommandError(f"{email} is deactivated. Make the account active first.")
    return user


def _checked(name: str) -> str:
    try:
        return str(ApiToken._meta.get_field("name").clean(name.strip(), None))
    except ValidationError as error:
        raise CommandError(f"--name: {error.messages[0]}") from error
