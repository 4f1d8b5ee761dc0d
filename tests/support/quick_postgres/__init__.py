"""PostgreSQL as a backend for tests: the product's own in all but how a test's rows are thrown away."""
