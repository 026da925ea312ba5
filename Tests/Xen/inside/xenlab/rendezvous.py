"""Words between a guest and dom0, as nodes below the guest's data/: each side tells and hears by name.

These are a guest's; dom0 has the same as methods of its Guest."""

from .store import store

FROM_GUEST = "data/lab/guest"
FROM_DOM0 = "data/lab/dom0"


def tell(word: str, value="1"):
    """Tells dom0 a word with a value."""
    store.write(f"{FROM_GUEST}/{word}", value)


def hear(word: str, limit: float = 60) -> str:
    """The value that dom0 told, once it has."""
    return store.wait(f"{FROM_DOM0}/{word}", limit=limit)


def come_in():
    """Says that the guest is there, and waits until dom0 lets its script begin."""
    tell("here")
    hear("begin", 600)
