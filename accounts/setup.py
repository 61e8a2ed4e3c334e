"""First-run set-up: one link, printed where the server was started, makes the first administrator.

The link's token is derived from the secret key, so every process of an installation knows the same
one and nothing is stored. It is spent for good when the row of `Installation` is there.
"""

from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import Installation


def setup_path() -> str | None:
    """The path of the set-up link, or None once an administrator was made."""
    if Installation.is_set_up():
        return None
    return f"{reverse('accounts:setup')}?token={_token()}"


def token_is_valid(token: str) -> bool:
    return constant_time_compare(token, _token())


def _token() -> str:
    return salted_hmac("accounts.setup", "first administrator", algorithm="sha256").hexdigest()[:40]
