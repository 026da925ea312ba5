"""Debian's packages of Xen and Linux, downloaded and unpacked into the cache: nothing is installed."""

import os
import re
import subprocess
from pathlib import Path

from .cache import CACHE, digest, made

XEN = """xen-hypervisor-4.17-amd64 xen-utils-4.17 xen-utils-common xenstore-utils libxen-dev libxencall1
libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 libxenmisc4.17 libxenstore4
libxentoolcore1 libxentoollog1 libyajl2 busybox-static""".split()

LISTS = CACHE / "lists"
"""Package lists of our own, for a machine whose lists are missing or out of date."""


def apt(program: str, *arguments, directory=None) -> str:
    """The output of an apt command, which sees our own lists if there are some."""
    options = ["-o", "APT::Sandbox::User=root"]
    if LISTS.is_dir():
        options += ["-o", f"Dir::State::Lists={LISTS}"]
    done = subprocess.run(
        [program, *options, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=directory,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{program} {arguments[0]}: {done.stderr.strip()[-1000:]}")
    return done.stdout


def update():
    LISTS.mkdir(parents=True, exist_ok=True)
    apt("apt-get", "-qq", "update")


def wanted() -> dict[str, str]:
    """Names and versions of the packages that the machine's sources offer."""
    depends = apt("apt-cache", "depends", "linux-image-amd64")
    match = re.search(r"Depends: linux-image-(\S+)-amd64", depends)
    if not match:
        raise RuntimeError("no linux-image-amd64 in the package lists")
    release = match[1]
    names = XEN + [
        f"linux-image-{release}-amd64",
        f"linux-headers-{release}-amd64",
        f"linux-headers-{release}-common",
        "linux-kbuild-6.1",
        "linux-source-6.1",
    ]
    policy = apt("apt-cache", "policy", *names)
    found = dict(re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (\S+)$", policy, re.M))
    missing = [name for name in names if found.get(name, "(none)") == "(none)"]
    if missing:
        raise RuntimeError(f"not in the package lists: {' '.join(missing)}")
    return {name: found[name] for name in names}


def unpack(versions: dict[str, str], directory: Path):
    archives = directory / "archives"
    archives.mkdir()
    apt("apt-get", "-q", "download", *(f"{name}={version}" for name, version in versions.items()), directory=archives)
    for archive in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg", "-x", archive, directory], check=True, timeout=300)
        archive.unlink()
    archives.rmdir()


def unpacked() -> Path:
    """The root directory with the packages' files. Asks for newer lists only if those there do not do."""
    try:
        return from_lists()
    except RuntimeError as error:
        print(f"-      package lists are refreshed: {error}", flush=True)
        update()
        return from_lists()


def from_lists() -> Path:
    versions = wanted()
    key = digest(*(f"{name}={version}" for name, version in sorted(versions.items())))
    return made("packages", key, lambda directory: unpack(versions, directory))


def release(root: Path) -> str:
    """The kernel's release, as 6.1.0-1-amd64."""
    (modules,) = (root / "lib/modules").iterdir()
    return modules.name
