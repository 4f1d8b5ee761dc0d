"""The REST API and its schema."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.authentication.ManagementTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.authentication.HasScope"],
    "DEFAULT_SCHEMA_CLASS": "tokonomics.api.schema.StrictSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tokonomics.api.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tokonomics.api.parsers.AlwaysJSON",
    "DEFAULT_PAGINATION_CLASS": "tokonomics.api.pagination.NewestFirst",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "tokonomics.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tokonomics API",
    "VERSION": "1",
    "DESCRIPTION": "Budgets, keys and usage of one company. Money is a decimal string in USD; times are UTC.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["tokonomics.api.schema.only_the_api"],
    "POSTPROCESSING_HOOKS": ["tokonomics.api.schema.strict_both_ways"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
