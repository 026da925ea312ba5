"""What a scenario says: which domains there are, what is in their images and which scripts run in them."""

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .cache import SUITE

SCENARIOS = SUITE / "scenarios"


@dataclass
class Domain:
    """A domain of a scenario. `name` is "dom0" for the first; each guest has another."""

    name: str
    script: str
    """A file of the scenario's directory, python, with the cases that the domain runs."""
    memory: int = 128
    """MiB for the kernel and programs; the image's, which is there twice for a moment, comes on top."""
    modules: list[str] = field(default_factory=list)
    """Kernel modules besides those of /dev/xen/*; what they need comes with them."""
    later: list[str] = field(default_factory=list)
    """Modules that are in the image and that its scripts load when they want: xenlab's `load(name)`."""
    programs: list[str] = field(default_factory=list)
    """Programs of this machine, by name or path, that are in the image with their libraries: "curl"."""
    products: list[str] = field(default_factory=list)
    """Of what `make build` made: "xensockd", "xensock", "libxensock.so"; in /usr/local, as installed."""
    compiled: list[str] = field(default_factory=list)
    """C programs of the scenario's directory, compiled with libxen* at hand; NAME.c becomes /lab/bin/NAME."""
    files: dict[str, Path] = field(default_factory=dict)
    """Further files: where in the image, and where from."""
    configuration: list[str] = field(default_factory=list)
    """A guest's further lines for xl: 'pvcalls=["backend=0"]'."""
    parameters: str = ""
    """A guest's further kernel parameters."""
    start: bool = True
    """Whether a guest is started by itself, before dom0's cases; otherwise dom0's script does it."""


@dataclass
class Scenario:
    """One boot."""

    dom0: Domain
    guests: list[Domain] = field(default_factory=list)
    deadline: int = 120
    """Seconds that the emulator may compute, after which the machine is ended and what has not been reported failed."""
    by_name: bool = False
    """Whether it runs only when it is named: one that measures."""
    about: str = ""
    name: str = ""
    directory: Path = SCENARIOS


def names() -> list[str]:
    return sorted(path.parent.name for path in SCENARIOS.glob("*/scenario.py"))


def load(name: str) -> Scenario:
    """The scenario of a directory's scenario.py: its SCENARIO."""
    path = SCENARIOS / name / "scenario.py"
    if not path.is_file():
        sys.exit(f"no scenario {name}: there are {' '.join(names())}")
    specification = importlib.util.spec_from_file_location(f"scenario_{name.replace('-', '_')}", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    scenario = module.SCENARIO
    scenario.name = name
    scenario.directory = path.parent
    scenario.about = (module.__doc__ or "").strip().split("\n")[0]
    return scenario
