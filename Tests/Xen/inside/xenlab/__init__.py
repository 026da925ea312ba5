"""What scenarios' scripts use: cases, programs, XenStore, rendezvous with the other domains, checks of leaks."""

from .cases import case, linger, note
from .domain import IS_DOM0, NAME
from .guests import Guest, guest
from .processes import USER, Program, eventually, load, run, start
from .rendezvous import hear, tell
from .store import store

__all__ = [
    "IS_DOM0", "NAME", "USER", "Guest", "Program", "case", "eventually", "guest", "hear", "linger", "load", "note", "run",
    "start", "store", "tell",
]  # fmt: skip
