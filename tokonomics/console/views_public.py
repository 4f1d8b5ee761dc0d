"""Pages for anyone: the landing page, the choice of colours, sign-up."""

from datetime import UTC, datetime

from allauth.account.views import SignupView as AllauthSignupView
from django.conf import settings
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from budgets.windows import windows_of
from tenants.errors import TenantError

_YEAR = 365 * 86_400


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    month = windows_of(datetime.now(UTC).date()).month
    base_url = (settings.PUBLIC_URL or request.build_absolute_uri("/")).rstrip("/")
    return render(request, "public/landing.html", {"base_url": base_url, "reset_at": month.reset_at})


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the system has it, kept in a cookie that the next page is rendered with."""
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        target = "/"
    response = HttpResponseRedirect(target)
    chosen = request.POST.get("theme")
    if chosen in ("light", "dark"):
        response.set_cookie("theme", chosen, max_age=_YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response


class SignupView(AllauthSignupView):  # type: ignore[misc]
    """allauth's, with what may stop a company from being made said at the form."""

    def form_valid(self, form: Form) -> HttpResponse:
        try:
            response: HttpResponse = super().form_valid(form)
        except TenantError as error:
            names = {"name": "company", "password": "password1"}
            field = names.get(error.field or "", error.field)
            form.add_error(field if field in form.fields else None, error.message)
            response = self.form_invalid(form)
        return response


signup = SignupView.as_view()
