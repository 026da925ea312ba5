"""Which domain this is."""

from pathlib import Path


def parameter(name: str, otherwise: str = "") -> str:
    """A parameter of the kernel's command line."""
    for word in Path("/proc/cmdline").read_text().split():
        key, _, value = word.partition("=")
        if key == name:
            return value
    return otherwise


NAME = parameter("lab.name", "dom0")
IS_DOM0 = NAME == "dom0"
