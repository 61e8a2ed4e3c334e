"""What conversations announce. They know nothing of who counts it."""

from django.dispatch import Signal

# Chats and messages were written, inside the transaction that writes them: `user_id`,
# `organization_id`, the numbers `chats` and `messages`, and the moment `at`.
written = Signal()

# A chat got another title, or went into the trash or out of it, and that is stored: its
# `conversation`, as it is now. Whoever changes one sends it, behind the transaction.
changed = Signal()
