# mypy: disable-error-code="type-arg"
# Django's admin classes are generic in their stubs alone.
"""The operator's view of who. All but secrets can be seen and searched; what proxies obey changes by actions alone.

Those go through the services; the admin's forms would not, and each of them is a transaction that cannot be fenced.
"""

from collections.abc import Callable
from typing import Any

from allauth.mfa import admin as mfa_admin  # noqa: F401 - registers what is registered anew below
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from tenants import services
from tenants.audit import Actor, record
from tenants.errors import TenantError
from tenants.models import (
    ApiKey,
    AuditEvent,
    ManagementToken,
    Membership,
    ProviderCredential,
    RetiredSecret,
    Tenant,
    User,
)


class ReadOnly:
    """For an admin or an inline: rows are looked at. `operate` is the permission of actions, which call services."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.change_tenant")


def operator(request: HttpRequest) -> Actor:
    return Actor.operator(request.user, request.META.get("REMOTE_ADDR"))  # type: ignore[arg-type]


def each(
    model_admin: admin.ModelAdmin, request: HttpRequest, rows: QuerySet[Any], work: Callable[[Any], object]
) -> None:
    """Do it to each row, and say of each how it went: one that fails does not undo the others."""
    for row in rows:
        try:
            work(row)
        except TenantError as error:
            model_admin.message_user(request, f"{row}: {error.message}", messages.ERROR)
        else:
            model_admin.message_user(request, f"{row}: done. It holds from the next request.", messages.SUCCESS)


class MembershipInline(ReadOnly, admin.TabularInline):
    model = Membership
    fields = ["user", "role", "created_at"]
    readonly_fields = ["user", "role", "created_at"]


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    list_display = ["email", "is_active", "is_staff", "date_joined", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["email"]
    ordering = ["email"]
    fields = ["email", "is_active", "is_staff", "is_superuser", "groups", "date_joined", "last_login"]
    filter_horizontal = ["groups"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        theirs = ["email", "date_joined", "last_login"]
        # Who may change people must not be able to make an operator of them, or of themselves.
        return theirs if request.user.is_superuser else [*theirs, "is_staff", "is_superuser", "groups"]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        changes = {
            field: (form.initial.get(field), form.cleaned_data[field])
            for field in form.changed_data
            if field != "groups"
        }
        record(None, operator(request), "user.changed", target_id=str(obj.pk), target=obj.email, changes=changes)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Tenant)
class TenantAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "slug", "id", "created_at", "suspended_at", "policy_version"]
    list_filter = [("suspended_at", admin.EmptyFieldListFilter), "created_at"]
    search_fields = ["name", "slug", "=id", "memberships__user__email"]
    fields = [
        *("id", "name", "slug", "created_at", "suspended_at", "policy_version", "default_output_limit"),
        *("least_output_limit", "hold_policy", "allowed_fields", "time_zone"),
    ]
    inlines = [MembershipInline]
    actions = ["suspend", "resume"]

    @admin.action(description="Suspend: refuse every request from the next one on", permissions=["operate"])
    def suspend(self, request: HttpRequest, rows: QuerySet[Tenant]) -> None:
        each(self, request, rows, lambda tenant: services.suspend_tenant(tenant=tenant, actor=operator(request)))

    @admin.action(description="Lift the suspension", permissions=["operate"])
    def resume(self, request: HttpRequest, rows: QuerySet[Tenant]) -> None:
        each(self, request, rows, lambda tenant: services.resume_tenant(tenant=tenant, actor=operator(request)))


@admin.register(Membership)
class MembershipAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["user", "tenant", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "tenant"]
    search_fields = ["user__email", "tenant__name", "=tenant__id"]
    fields = ["user", "tenant", "role", "created_at"]


class RetiredSecretInline(ReadOnly, admin.TabularInline):
    model = RetiredSecret
    fields = ["prefix", "last_four", "retired_at", "expires_at"]
    readonly_fields = ["prefix", "last_four", "retired_at", "expires_at"]
    verbose_name_plural = "What it was before it was rotated"


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "tenant", "mode", "prefix", "last_four", "created_at", "last_used_at", "revoked_at"]
    list_filter = ["mode", ("revoked_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["tenant"]
    search_fields = ["name", "=id", "prefix", "=last_four", "tenant__name", "=tenant__id"]
    fields = [
        *("id", "tenant", "name", "mode", "prefix", "last_four", "allowed_models", "default_output_limit"),
        *("created_by", "created_at", "expires_at", "last_used_at", "revoked_at", "revoked_by"),
    ]
    inlines = [RetiredSecretInline]
    actions = ["revoke"]

    @admin.action(description="Revoke, for good", permissions=["operate"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        def work(key: ApiKey) -> None:
            services.revoke_api_key(tenant=key.tenant, key_id=key.pk, actor=operator(request))

        each(self, request, rows.select_related("tenant"), work)


@admin.register(ProviderCredential)
class ProviderCredentialAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["tenant", "provider", "last_four", "created_at", "tested_at", "test_result"]
    list_filter = ["provider"]
    list_select_related = ["tenant"]
    search_fields = ["tenant__name", "=tenant__id", "=id"]
    fields = ["id", "tenant", "provider", "last_four", "created_by", "created_at", "tested_at", "test_result"]


@admin.register(ManagementToken)
class ManagementTokenAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "tenant", "prefix", "created_at", "last_used_at", "expires_at", "revoked_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["tenant"]
    search_fields = ["name", "prefix", "=id", "tenant__name", "=tenant__id"]
    fields = [
        *("id", "tenant", "name", "prefix", "scopes"),
        *("created_by", "created_at", "expires_at", "last_used_at", "revoked_at"),
    ]
    actions = ["revoke"]

    @admin.action(description="Revoke, for good", permissions=["operate"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ManagementToken]) -> None:
        def work(token: ManagementToken) -> None:
            services.revoke_management_token(tenant=token.tenant, token_id=token.pk, actor=operator(request))

        each(self, request, rows.select_related("tenant"), work)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["created_at", "tenant", "actor_label", "action", "target_label", "changes", "address"]
    list_filter = ["action", "created_at"]
    list_select_related = ["tenant"]
    search_fields = ["actor_label", "=target_id", "target_label", "tenant__name", "=tenant__id"]
    show_full_result_count = False
    fields = [
        *("id", "created_at", "tenant", "actor", "actor_label", "address"),
        *("action", "target_id", "target_label", "changes"),
    ]


admin.site.unregister(Authenticator)


@admin.register(Authenticator)
class AuthenticatorAdmin(admin.ModelAdmin):
    """Second factors, without what is secret in them. Deleting one is how a person who has lost theirs gets back in."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__email"]
    fields = ["user", "type", "created_at", "last_used_at"]
    readonly_fields = ["user", "type", "created_at", "last_used_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
