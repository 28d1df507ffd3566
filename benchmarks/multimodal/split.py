"""Which entities of the made data are for training, for development and for test."""

import hashlib

PARTS = (("train", 60), ("dev", 75), ("test", 100))  # per cent, up to which


def part_of(entity: str) -> str:
    """The part that an entity belongs to: always the same one."""
    number = int(hashlib.sha256(f"split {entity}".encode()).hexdigest()[:8], 16) % 100
    return next(name for name, end in PARTS if number < end)
