"""Who a session or a form belongs to."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from accounts.models import User
from chatcore import rows


class Backend(ModelBackend):
    def get_user(self, user_id: Any) -> User | None:
        """As Django's, without putting a query together for each request."""
        user = rows.one(User, id=user_id)
        return user if user and self.user_can_authenticate(user) else None
