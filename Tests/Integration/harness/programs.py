"""The C programs of the tests, compiled once a run, when first needed."""

import os
import subprocess
from pathlib import Path

from .environment import RUN, SUITE

SOURCES = SUITE / "programs"


def compiled(name: str, *flags: str) -> Path:
    """The program made of programs/NAME.c with additional compiler flags."""
    variant = "".join(flag.replace("/", "_") for flag in flags)
    program = RUN / f"{name}{variant}"
    if not program.exists():
        fresh = RUN / f"{name}{variant}.{os.getpid()}"
        subprocess.run(
            ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", *flags]
            + ["-o", str(fresh), str(SOURCES / f"{name}.c")],
            check=True,
            timeout=60,
        )
        fresh.rename(program)
    return program
