"""The form of a prompt."""

from typing import Any

from django import forms

from accounts.models import User
from accounts.permissions import may_write_for_organization
from prompts.models import Prompt, TooManyPrompts, add


class PromptForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=Prompt.NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
        help_text="What you type behind the / to find it.",
    )
    text = forms.CharField(
        label="Text",
        max_length=Prompt.TEXT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 5, "dir": "auto"}),
    )
    is_shared = forms.BooleanField(
        label="For everybody in the organisation", required=False, initial=False
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """With a prompt's values as `initial` it changes that one, whose owner stays."""
        super().__init__(*args, **kwargs)
        if kwargs.get("initial") or not may_write_for_organization(user):
            del self.fields["is_shared"]

    def add(self, user: User) -> bool:
        """Whether it is saved; False (and an error) if there are as many as there may be."""
        data = self.cleaned_data
        try:
            add(user, data["name"], data["text"], is_shared=data.get("is_shared", False))
        except TooManyPrompts as error:
            self.add_error(None, str(error))
            return False
        return True
