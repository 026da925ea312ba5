"""The cases, a module for each part of the protocol that is broken."""

import importlib
import pkgutil


def all():
    """Every case, in the modules' order."""
    found = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        for case in loaded.CASES:
            case.name = f"{loaded.GROUP}: {case.name}"
            found.append(case)
    names = [case.name for case in found]
    assert len(names) == len(set(names)), "two cases have one name"
    return found
