"""What a reader of sound files says where it cannot go on."""


class Unreadable(ValueError):
    """The file is malformed, or sounds in a way whose length cannot be told."""
