"""Django's password rules in our words; the rules themselves are in the settings."""

from django.contrib.auth import password_validation as rules


class LongEnough(rules.MinimumLengthValidator):
    def get_error_message(self) -> str:
        return f"Enter a password of at least {self.min_length} characters."

    def get_help_text(self) -> str:
        return f"At least {self.min_length} characters."


class NotCommon(rules.CommonPasswordValidator):
    def get_error_message(self) -> str:
        return "Choose another password: this one is on the lists that attackers try first."


class NotYourself(rules.UserAttributeSimilarityValidator):
    def get_error_message(self) -> str:
        return "Choose another password: this one is too much like your e-mail."
