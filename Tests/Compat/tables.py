"""Puts tables into docs/COMPATIBILITY.md, each between a pair of comments that name it."""

from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "COMPATIBILITY.md"


def put(name, text):
    """Replaces what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""
    document = DOCUMENT.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if document.count(begin) != 1 or document.count(end) != 1:
        raise SystemExit(f"{DOCUMENT} has not one pair of the markers {begin} and {end}")
    head, _, rest = document.partition(begin)
    DOCUMENT.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
