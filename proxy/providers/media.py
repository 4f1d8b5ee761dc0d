"""The most input tokens that one image can come to."""

OPENAI_IMAGE = 48_169
"""gpt-4o-mini at high detail, 2833 + 8 x 5667: the dearest published count of one image. Tighter per model, later."""

ANTHROPIC_IMAGE = 4_784
"""The high-resolution tier after its own downscaling; older models stop at about 1,600."""
