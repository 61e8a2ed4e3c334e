"""Who uses this installation: people, the organisation each belongs to, and what they may do."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.validators import MinValueValidator
from django.db import IntegrityError, models
from knox.models import AbstractAuthToken, get_digest_token
from knox.settings import CONSTANTS as KNOX

from chatcore import clock
from chatcore.db import in_transaction
from chatcore.ids import new_id
from chatcore.money import UsdField

FIRST_ORGANIZATION_NAME = "My organisation"


class SetupClosed(Exception):
    """The first administrator is there already."""


class TooManyTokens(Exception):
    """The person has as many API tokens as one may have."""


class Organization(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    name = models.CharField(max_length=120)
    monthly_budget_usd = UsdField(
        "monthly budget",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        db_column="monthlyBudgetUsdE10",
        help_text="US dollars in a calendar month (UTC) for all its people. Empty: no budget.",
    )
    paid_tools_allowed = models.BooleanField(
        "paid tools need no question",
        default=False,
        db_column="paidToolsAllowed",
        help_text="With the tick a model may look up contacts, which costs credits, without asking"
        " the person first.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False, db_column="createdAt")

    class Meta:
        db_table = "organizations"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["name"], name="organizations_name")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def first(cls) -> "Organization | None":
        """The one that was made with the first account. Who joins by themselves joins it."""
        return cls.objects.order_by("created_at").first()


class Role(models.TextChoices):
    ADMIN = "admin", "Administrator of this installation"
    MANAGER = "manager", "Manager of their organisation"
    MEMBER = "member", "Member"


class Theme(models.TextChoices):
    """The colours of the pages. Django's admin has a choice of its own, in the browser."""

    SYSTEM = "system", "As the device"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class UserManager(BaseUserManager["User"]):
    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """In lower case throughout: nobody means two people by Bob@ and bob@."""
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=self.normalize_email(username))

    def create_user(
        self, email: str, password: str | None = None, *, organization: Organization, **fields: Any
    ) -> "User":
        """A saved user. Raises IntegrityError if the address has an account."""
        user = self.model(email=self.normalize_email(email), organization=organization, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """An administrator in the first organisation; closes the first-run set-up."""
        organization = Organization.first() or Organization.objects.create(
            name=FIRST_ORGANIZATION_NAME
        )
        administrator = {**fields, "role": Role.ADMIN}
        user = self.create_user(email, password, organization=organization, **administrator)
        Installation.objects.get_or_create(pk=Installation.KEY)
        return user

    def create_first_administrator(
        self, email: str, password: str, *, organization_name: str, name: str = ""
    ) -> "User":
        """The account that ends the first-run set-up, in an organisation of that name.

        Raises SetupClosed if another one, perhaps made at this moment, was first.
        """
        user = self.model(email=self.normalize_email(email), name=name, role=Role.ADMIN)
        # Takes a good part of a second, for which no transaction should be open.
        user.set_password(password)

        def save() -> User:
            # The row's fixed key lets exactly one of two set-ups through.
            Installation.objects.create(pk=Installation.KEY)
            user.organization = Organization.objects.create(name=organization_name)
            user.save(force_insert=True)
            return user

        try:
            return in_transaction(save)
        except IntegrityError as error:
            raise SetupClosed from error


class User(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    email = models.EmailField("e-mail", max_length=254)
    name = models.CharField(max_length=120, blank=True)
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="users",
        db_column="orgId",
        db_index=False,
    )
    role = models.CharField(max_length=16, choices=Role, default=Role.MEMBER)
    is_active = models.BooleanField(
        "active",
        default=True,
        db_column="isActive",
        help_text="Without the tick the person can no longer log in. Their chats are kept.",
    )
    monthly_budget_usd = UsdField(
        "monthly budget",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        db_column="monthlyBudgetUsdE10",
        help_text="US dollars in a calendar month (UTC). Empty: no budget of their own.",
    )
    # What the person has chosen. Here and not in a table of its own: every page needs the theme,
    # and the log-in reads this row anyway.
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.SYSTEM)
    # "provider:model", with which new chats begin. Empty: the first one that is offered.
    default_model = models.CharField(max_length=300, blank=True, db_column="defaultModel")
    # Counts the changes to this person's chats; what is cached of their list holds for one value.
    chats_version = models.PositiveBigIntegerField(
        default=0, editable=False, db_column="chatsVersion"
    )
    last_login = models.DateTimeField("last log-in", null=True, blank=True, db_column="lastLogin")
    created_at = models.DateTimeField(default=clock.now, editable=False, db_column="createdAt")

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "users"
        ordering = ["email"]
        constraints = [models.UniqueConstraint(fields=["email"], name="users_email")]
        indexes = [models.Index(fields=["organization", "email"], name="users_org_email")]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = type(self).objects.normalize_email(self.email)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As Django's, but for `chats_version`: whoever read the person a while ago would turn the
        count back."""
        if not self._state.adding and kwargs.get("update_fields") is None:
            names = [field.attname for field in self._meta.concrete_fields if not field.primary_key]
            kwargs["update_fields"] = [name for name in names if name != "chats_version"]
        super().save(*args, **kwargs)

    @property
    def display_name(self) -> str:
        return self.name or self.email

    # What Django's admin asks of a user; the answers are in accounts/permissions.py.
    @property
    def is_staff(self) -> bool:
        from accounts import permissions

        return permissions.may_administer(self)

    def has_perm(self, _permission: str, _object: object = None) -> bool:
        return self.is_staff

    def has_module_perms(self, _app_label: str) -> bool:
        return self.is_staff


class Installation(models.Model):
    """One row, made with the first administrator: while it is missing, set-up is open."""

    KEY: ClassVar[str] = "installation"

    id = models.CharField(primary_key=True, max_length=16, default=KEY, db_column="_id")
    created_at = models.DateTimeField(default=clock.now, editable=False, db_column="createdAt")

    class Meta:
        db_table = "installation"

    def __str__(self) -> str:
        return self.id

    @classmethod
    def is_set_up(cls) -> bool:
        """Whether the first administrator was made, here or by `createsuperuser`."""
        return cls.objects.filter(pk=cls.KEY).exists() or User.objects.exists()


class ApiTokenManager(models.Manager["ApiToken"]):
    def for_user(self, user: User) -> "models.QuerySet[ApiToken]":
        """This person's own, newest first. Somebody else's is not there, whatever the role."""
        return self.filter(user=user).order_by("-created")

    def issue(self, user: User, name: str, *, lifetime: timedelta | None, now: datetime) -> str:
        """A new token, of which only a digest is stored. Raises TooManyTokens.

        Two requests at one moment may pass the limit by one, which does no harm.
        """
        if self.for_user(user).count() >= self.model.MOST_PER_PERSON:
            raise TooManyTokens
        digest, token = get_digest_token()
        self.create(
            user=user,
            name=name,
            digest=digest,
            token_key=token[: KNOX.TOKEN_KEY_LENGTH],
            created=now,
            expiry=now + lifetime if lifetime else None,
        )
        return str(token)


class ApiToken(AbstractAuthToken):
    """Lets a program act as its person at the REST API. Only the token's digest is stored."""

    MOST_PER_PERSON: ClassVar[int] = 50
    NAME_LENGTH: ClassVar[int] = 60
    USE_NOTED_EVERY: ClassVar[timedelta] = timedelta(minutes=1)

    # Not knox's, which is the digest: that belongs into no address and no page.
    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    digest = models.CharField(max_length=KNOX.DIGEST_LENGTH)
    token_key = models.CharField(
        "begins with", max_length=KNOX.TOKEN_KEY_LENGTH, db_column="tokenKey"
    )
    user = models.ForeignKey(
        User,
        on_delete=models.CASCADE,
        related_name="+",
        db_column="userId",
        db_index=False,
        verbose_name="person",
    )
    name = models.CharField(max_length=NAME_LENGTH)
    created = models.DateTimeField("made", default=clock.now, editable=False, db_column="createdAt")
    last_used_at = models.DateTimeField("last used", null=True, blank=True, db_column="lastUsedAt")
    expiry = models.DateTimeField("expires", null=True, blank=True, db_column="expiresAt")

    objects: ClassVar[ApiTokenManager] = ApiTokenManager()

    class Meta:
        db_table = "api_tokens"
        verbose_name = "API token"
        constraints = [models.UniqueConstraint(fields=["digest"], name="api_tokens_digest")]
        indexes = [models.Index(fields=["user", "-created"], name="api_tokens_user_created")]

    def __str__(self) -> str:
        return self.name

    def has_expired(self, now: datetime) -> bool:
        return self.expiry is not None and self.expiry <= now

    def note_use(self, now: datetime) -> None:
        """Write the time of use, once a minute at most, so that a read stays a read."""
        if self.last_used_at is None or now - self.last_used_at >= self.USE_NOTED_EVERY:
            ApiToken.objects.filter(pk=self.pk).update(last_used_at=now)
