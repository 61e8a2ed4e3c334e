"""Prices and the records of usage in Django's admin: prices are added, records looked at."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import Organization, User
from analytics.models import ModelPrice, PriceSource, UsageRecord
from analytics.prices import in_dollars, plain
from chatcore import rows
from chatcore.money import UsdField

# USD for a million tokens. The dearest model so far takes 600 for its output.
HIGHEST_PRICE = 10_000

PRICES = tuple(
    field.name for field in ModelPrice._meta.concrete_fields if isinstance(field, UsdField)
)


# --- prices ---------------------------------------------------------------------------------------
class ModelPriceForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = ModelPrice
        fields = ("pattern", "provider", "starts_at", *PRICES)
        help_texts = {
            "starts_at": "UTC. The price holds for calls from then on. Calls that have been made"
            " are priced by manage.py reprice_usage, if this is before them.",
        }

    def clean_provider(self) -> str:
        """As providers are named everywhere."""
        return str(self.cleaned_data["provider"]).strip().lower()


def _price_column(name: str) -> Callable[[Any, ModelPrice], str]:
    @admin.display(description=_label(name), empty_value="")
    def column(_admin: Any, row: ModelPrice) -> str:
        price = getattr(row, name)
        return "" if price is None else plain(price)

    return column


def _label(name: str) -> str:
    return str(ModelPrice._meta.get_field(name).verbose_name)  # type: ignore[union-attr]


def _in_words(row: ModelPrice) -> str:
    """ "input 2.5, output 10", of what is set."""
    given = {name: getattr(row, name) for name in PRICES}
    return ", ".join(
        f"{_label(name)} {plain(price)}" for name, price in given.items() if price is not None
    )


@admin.register(ModelPrice)
class ModelPriceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To add to. A new price is a new row, as what has been charged stays charged."""

    form = ModelPriceForm
    search_fields = ("pattern", "provider")
    ordering = ("pattern", "-starts_at")
    list_per_page = 100

    input = _price_column("input_usd")
    output = _price_column("output_usd")
    cache_read = _price_column("cache_read_usd")
    cache_write = _price_column("cache_write_usd")
    cache_write_1h = _price_column("cache_write_1h_usd")
    reasoning = _price_column("reasoning_usd")
    columns = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
    list_display = ("pattern", "provider_or_any", "starts_at", *columns)

    @admin.display(description="provider", ordering="provider")
    def provider_or_any(self, row: ModelPrice) -> str:
        return row.provider or "any"

    def get_fields(self, _request: HttpRequest, obj: ModelPrice | None = None) -> tuple[str, ...]:
        if obj is None:
            return ModelPriceForm.Meta.fields
        return ("pattern", "provider_or_any", "starts_at", *self.columns, "created_at")

    def get_readonly_fields(
        self, request: HttpRequest, obj: ModelPrice | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else self.get_fields(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What a link to the form names; from where a call is unpriced."""
        return {name: request.GET.get(name, "") for name in ("pattern", "provider")}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, UsdField):
            kwargs["max_value"] = HIGHEST_PRICE
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def log_addition(self, request: HttpRequest, obj: ModelPrice, _message: Any) -> Any:
        """Django would note "Added." """
        return super().log_addition(request, obj, _change_in_words(obj))

    def has_change_permission(self, _request: HttpRequest, _obj: ModelPrice | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: ModelPrice | None = None) -> bool:
        return False


def _change_in_words(row: ModelPrice) -> str:
    """What was set, and what was set for the same pattern and provider until then."""
    earlier = _earlier(row)
    before = f"before: {_in_words(earlier)}" if earlier else "no price of ours before"
    return f"{row.provider or 'any provider'}, USD for a million: {_in_words(row)} ({before})"


def _earlier(row: ModelPrice) -> ModelPrice | None:
    """What held for the same pattern and provider when this row begins."""
    others = ModelPrice.objects.filter(provider=row.provider, starts_at__lte=row.starts_at)
    # Compared here: to MongoDB "the same but for capitals" is a pattern with asterisks of its own.
    same = [
        each
        for each in others.exclude(pk=row.pk)
        if each.pattern.casefold() == row.pattern.casefold()
    ]
    return max(same, key=lambda each: (each.starts_at, each.created_at), default=None)


# --- records of usage -----------------------------------------------------------------------------
# A page is found by an index however large the table is; to count all of it takes seconds.
MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than `MOST_COUNTED`; what is older is reached by the filters."""

    @cached_property
    def count(self) -> int:
        found: Any = self.object_list
        return int(found.order_by().values("pk")[:MOST_COUNTED].count())


class UsageChangeList(ChangeList):
    """A page of records with what else is shown of them, by one query for each kind."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: list[Any] = list(self.result_list)
        emails = dict(
            User.objects.filter(pk__in={row.user_id for row in page}).values_list("pk", "email")
        )
        adjusted = set(
            UsageRecord.objects.filter(adjusts__in=[row.pk for row in page]).values_list(
                "adjusts", flat=True
            )
        )
        for row in page:
            row.person = emails.get(row.user_id, str(row.user_id))
            row.is_adjusted = row.pk in adjusted
        self.result_list = page


class ProviderFilter(admin.SimpleListFilter):
    title = "provider"
    parameter_name = "provider"

    def lookups(self, _request: HttpRequest, _admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, name) for name in _providers()]

    def queryset(self, _request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(provider=self.value()) if self.value() else queryset


def _providers() -> list[str]:
    """All that are in the ledger, by a step in the index each; a DISTINCT would read all of it."""
    found: list[str] = []
    while next_ones := rows.read(
        UsageRecord,
        ["provider"],
        equal={},
        order=[("provider", 1)],
        after=[found[-1] if found else ""],
        limit=1,
    ):
        found.append(next_ones[0]["provider"])
    return found


class PriceFilter(admin.SimpleListFilter):
    title = "price"
    parameter_name = "price"

    def lookups(self, _request: HttpRequest, _admin: Any) -> Iterable[tuple[str, str]]:
        return [("unpriced", "unpriced"), *PriceSource.choices]

    def queryset(self, _request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "unpriced":
            return queryset.filter(unpriced_calls=1)
        return queryset.filter(price_source=self.value()) if self.value() else queryset


@admin.register(UsageRecord)
class UsageRecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To look at. Nothing in the ledger is changed or deleted."""

    list_display = (
        *("time", "person", "provider", "endpoint", "model", "tokens", "cost"),
        *("status", "source"),
    )
    list_filter = (ProviderFilter, "status", "usage_source", PriceFilter, "created_at")
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UsageChangeList

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The newest first, in the order of an index: the keys are made of the time as well."""
        return ("-created_at", "-pk") if request.GET.get("provider") else ("-pk",)

    @admin.display(description="time (UTC)")
    def time(self, row: UsageRecord) -> str:
        return f"{row.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="person")
    def person(self, row: Any) -> str:
        """Their e-mail, or their id where the account is gone."""
        known = getattr(row, "person", None)
        return str(known or _name_of(User, "email", row.user_id))

    @admin.display(description="organisation")
    def organisation(self, row: UsageRecord) -> str:
        return _name_of(Organization, "name", row.organization_id)

    @admin.display(description="tokens")
    def tokens(self, row: UsageRecord) -> str:
        total = (
            row.input_tokens + row.cache_read_tokens + row.cache_write_tokens + row.output_tokens
        )
        return f"{total:,}"

    @admin.display(description="cost")
    def cost(self, row: Any) -> str:
        if row.cost_usd is not None:
            return in_dollars(row.cost_usd)
        if row.price_source == PriceSource.CREDITS:
            return f"{row.credits:,} {'credit' if row.credits == 1 else 'credits'}"
        return "see adjustment" if getattr(row, "is_adjusted", False) else _unpriced(row)

    @admin.display(description="source")
    def source(self, row: UsageRecord) -> str:
        counted = row.get_usage_source_display().lower()
        return f"adjustment, {counted}" if row.adjusts else counted

    @admin.display(description="adjusts")
    def adjusted_row(self, row: UsageRecord) -> str:
        return _link_to(row.adjusts, str(row.adjusts)) if row.adjusts else ""

    @admin.display(description="adjustments")
    def adjustments(self, row: UsageRecord) -> str:
        found = UsageRecord.objects.filter(adjusts=row.pk).order_by("recorded_at")
        return format_html_join(
            ", ", "{}", ((_link_to(each.pk, _amount(each.cost_usd)),) for each in found)
        )

    def get_fields(self, _request: HttpRequest, _obj: UsageRecord | None = None) -> tuple[str, ...]:
        return (
            *("time", "recorded_at", "person", "organisation", "provider", "endpoint", "method"),
            *("model", "status", "error", "duration_ms", "ttft_ms", "calls", "units"),
            *("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
            *("output_tokens", "reasoning_tokens", "usage_source", "cost", "price_source"),
            *("price_version", "credits", "credits_saved", "adjusted_row", "adjustments"),
            *("conversation_id", "generation_id", "step", "request_id"),
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: UsageRecord | None = None
    ) -> tuple[str, ...]:
        return self.get_fields(request, obj)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: UsageRecord | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: UsageRecord | None = None) -> bool:
        return False


def _name_of(model: type[models.Model], field: str, key: UUID) -> str:
    row = rows.read(model, [field], equal={"id": key}, limit=1)
    return str(row[0][field] if row else key)


def _amount(cost: Decimal | None) -> str:
    return "unpriced" if cost is None else in_dollars(cost)


def _unpriced(row: UsageRecord) -> SafeString:
    """A link to the form where its model gets a price."""
    query = urlencode({"pattern": row.model, "provider": row.provider})
    form = reverse("admin:analytics_modelprice_add")
    return format_html('<a href="{}?{}">unpriced</a>', form, query)


def _link_to(key: UUID, text: str) -> SafeString:
    page = reverse("admin:analytics_usagerecord_change", args=[key])
    return format_html('<a href="{}">{}</a>', page, text)
