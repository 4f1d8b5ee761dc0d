"""Accounts and their mail."""

from tokonomics.settings.environment import EMAIL_URL, env

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "tokonomics.console.passwords.LongEnough", "OPTIONS": {"min_length": 12}},
    {"NAME": "tokonomics.console.passwords.NotCommon"},
    {"NAME": "tokonomics.console.passwords.NotYourself", "OPTIONS": {"user_attributes": ("email",)}},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
CSRF_FAILURE_VIEW = "tokonomics.console.errors.csrf_refused"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if EMAIL_URL else "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_ADAPTER = "tokonomics.console.accounts.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "tokonomics.console.account_forms.LoginForm",
    "signup": "tokonomics.console.account_forms.SignupForm",
    "reset_password": "tokonomics.console.account_forms.ResetPasswordForm",
    "reset_password_from_key": "tokonomics.console.account_forms.ResetPasswordKeyForm",
    "change_password": "tokonomics.console.account_forms.ChangePasswordForm",
    "set_password": "tokonomics.console.account_forms.SetPasswordForm",
    "add_email": "tokonomics.console.account_forms.AddEmailForm",
    "reauthenticate": "tokonomics.console.account_forms.ReauthenticateForm",
}
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
# Wrong passwords are counted by django-axes, for one account from one address; this is the bound of one address.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip"}
MFA_ADAPTER = "tokonomics.console.accounts.MFAAdapter"
MFA_FORMS = {
    "authenticate": "tokonomics.console.account_forms.CodeForm",
    "reauthenticate": "tokonomics.console.account_forms.CodeAgainForm",
    "activate_totp": "tokonomics.console.account_forms.ActivateAppForm",
    "add_webauthn": "tokonomics.console.account_forms.AddPasskeyForm",
    "edit_webauthn": "tokonomics.console.account_forms.EditPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["webauthn", "totp", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Tokonomics"
MFA_TOTP_TOLERANCE = 1  # a code of the half minute before still counts
MFA_ALLOW_UNVERIFIED_EMAIL = not EMAIL_URL  # without mail nobody could ever be verified
AXES_FAILURE_LIMIT = env.int("TOKONOMICS_LOGIN_FAILURES", default=10)
AXES_COOLOFF_TIME = 1  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "login"
AXES_USERNAME_CALLABLE = "tokonomics.console.accounts.login_name"
AXES_LOCKOUT_CALLABLE = "tokonomics.console.accounts.locked_out"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # so that "until 10:42" stays true
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
SIGNUP_OPEN = env.bool("TOKONOMICS_SIGNUP_OPEN", default=True)

if EMAIL_URL:
    globals().update(env.email_url_config(EMAIL_URL))
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
DEFAULT_FROM_EMAIL = env.str("TOKONOMICS_FROM_EMAIL", default="Tokonomics <tokonomics@localhost>")
