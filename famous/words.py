"""Counts in words."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """Say how many there are: `1 box`, `1,200 boxes`; without `many` the plural takes an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
