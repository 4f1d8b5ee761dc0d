"""Unmodified clients, run through the product: what works, and what each says when the money is spent."""
