"""Team: who belongs to the company, in which role; invitations; who leaves."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tenants import services
from tenants.errors import NotFound, TenantError
from tenants.models import Invitation, Membership, Role
from tenants.roles import Action
from tokonomics.console import access, invitations, once, team_rows
from tokonomics.console.access import TenantRequest
from tokonomics.console.forms import ConsoleForm, Radios, sent

TO = "invite people and change their roles"


class InviteForm(ConsoleForm):
    email = forms.EmailField(
        label="E-mail",
        error_messages={
            "required": "Enter the e-mail of whom you invite.",
            "invalid": "Enter an e-mail address, like name@company.example.",
        },
    )
    role = forms.ChoiceField(
        label="Role",
        choices=team_rows.CHOICES,
        initial=Role.MEMBER,
        widget=Radios,
        error_messages={"required": "Choose a role.", "invalid_choice": "Choose one of these roles."},
    )


class RoleForm(ConsoleForm):
    role = forms.ChoiceField(
        label="Role",
        choices=team_rows.CHOICES,
        widget=Radios,
        error_messages={"required": "Choose a role.", "invalid_choice": "Choose one of these roles."},
    )


@require_safe
@access.page("team")
def page(request: TenantRequest, slug: str) -> HttpResponse:
    may_manage = access.allowed(request, Action.MANAGE_PEOPLE)
    invited = Invitation.objects.filter(tenant=request.tenant, pk=request.GET.get("invited", "")).first()
    link = once.take_secret(request.session, invited.pk) if invited is not None else ""
    context = {
        "people": team_rows.people(request.tenant, request.user),
        "invitations": services.open_invitations(request.tenant),
        "may_manage": may_manage,
        "invited": invited,
        "link": link,
        "why_not": "" if may_manage else access.no_right(request.tenant, Action.MANAGE_PEOPLE, TO),
    }
    return access.show(request, "console/team.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("team", needs=Action.MANAGE_PEOPLE, to=TO, name="Invite somebody")
def invite(request: TenantRequest, slug: str) -> HttpResponse:
    form = InviteForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(once.first_time(request, lambda: _invite(request, form)))
        except TenantError as error:
            form.refuse(error)
    context = {
        "form": form,
        "form_id": request.POST.get("form_id") or once.new_form_id(),
        "by_mail": invitations.goes_by_mail(),
    }
    return access.show(request, "console/team_invite.html", context)


def _invite(request: TenantRequest, form: InviteForm) -> str:
    email, role = form.cleaned_data["email"], form.cleaned_data["role"]
    invitation, link = invitations.send(
        request, tenant=request.tenant, email=email, role=role, actor=access.actor(request)
    )
    home = f"/t/{request.tenant.slug}/team/"
    if link:
        once.keep_secret(request.session, invitation.pk, link)
        return f"{home}?invited={invitation.pk}"
    messages.success(request, f"Invited. The mail to {invitation.email} has a link that works once, for a week.")
    return home


@require_POST
@access.page("team", needs=Action.MANAGE_PEOPLE, to=TO)
def withdraw(request: TenantRequest, slug: str, invitation_id: str) -> HttpResponse:
    try:
        gone = services.withdraw_invitation(
            tenant=request.tenant, invitation_id=invitation_id, actor=access.actor(request)
        )
    except NotFound as error:
        messages.warning(request, error.message)
    else:
        messages.success(request, f"Withdrawn. The link of {gone.email} does not work any more.")
    return _back(request)


# --- One person ------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("team", needs=Action.MANAGE_PEOPLE, to=TO, name="Change a role")
def person(request: TenantRequest, slug: str, user_id: int) -> HttpResponse:
    member = _member(request, user_id)
    form = RoleForm(sent(request), initial={"role": member.role})
    if request.method == "POST" and form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            services.change_role(tenant=request.tenant, user_id=user_id, role=role, actor=access.actor(request))
        except TenantError as error:
            form.add_error("role", error.message)
        else:
            messages.success(
                request, f"Saved. {member.user.email} is {role.label.lower()} now: {team_rows.DOES[role]}."
            )
            return _back(request)
    return access.show(request, "console/team_person.html", {"member": member, "form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("team", needs=Action.MANAGE_PEOPLE, to=TO, name="Remove somebody")
def remove(request: TenantRequest, slug: str, user_id: int) -> HttpResponse:
    return _part(request, _member(request, user_id))


@require_http_methods(["GET", "HEAD", "POST"])
@access.page("team", name="Leave")
def leave(request: TenantRequest, slug: str) -> HttpResponse:
    return _part(request, request.membership)


def _part(request: TenantRequest, member: Membership) -> HttpResponse:
    """Somebody goes, of themselves or not; their keys stay, for applications depend on them."""
    is_you = member.user_id == request.user.pk
    problem = ""
    if request.method == "POST":
        try:
            services.remove_member(tenant=request.tenant, user_id=member.user_id, actor=access.actor(request))
        except NotFound:  # the form was sent twice
            return redirect("/") if is_you else _back(request)
        except TenantError as error:
            problem = error.message
        else:
            if is_you:
                return redirect("/")
            messages.success(request, f"Removed. {member.user.email} sees nothing of {request.tenant.name} any more.")
            return _back(request)
    keys = request.tenant.api_keys.filter(created_by=member.user_id, revoked_at=None).count()
    context = {"member": member, "is_you": is_you, "keys": keys, "problems": [("", problem)] if problem else []}
    return access.show(request, "console/team_remove.html", context)


def _member(request: TenantRequest, user_id: int) -> Membership:
    member = Membership.objects.select_related("user").filter(tenant=request.tenant, user_id=user_id).first()
    if member is None:
        raise Http404
    return member


def _back(request: TenantRequest) -> HttpResponse:
    return redirect(f"/t/{request.tenant.slug}/team/")
