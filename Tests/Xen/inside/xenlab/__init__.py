"""What scenarios' scripts use: cases, programs, XenStore, rendezvous with the other domains, checks of leaks."""

from .cases import case, note
from .domain import IS_DOM0, NAME
from .guests import Guest, guest
from .processes import Program, eventually, run, start
from .rendezvous import hear, tell
from .store import store

__all__ = [
    "IS_DOM0", "NAME", "Guest", "Program", "case", "eventually", "guest", "hear", "note", "run", "start", "store", "tell",
]  # fmt: skip
