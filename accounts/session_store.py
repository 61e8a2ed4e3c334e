"""Sessions in the database, as Django keeps them, read without putting a query together."""

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from chatcore import rows


class SessionStore(db.SessionStore):
    """Every request reads one; Django's query for it costs as much as a whole page of a list."""

    def _get_session_from_db(self) -> Session | None:
        found = rows.one(Session, session_key=self.session_key)
        if found is None or found.expire_date <= timezone.now():
            self._session_key = None
            return None
        return found
