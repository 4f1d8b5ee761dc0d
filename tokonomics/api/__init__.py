"""The REST API at /api/v1/: what composes several apps, and what all of its routes share (docs/api.md)."""
