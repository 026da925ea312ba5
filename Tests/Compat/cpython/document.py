"""The tables of CPython's tests in docs/COMPATIBILITY.md."""

from tables import put

WAYS = {"direct": "XenSock", "agent": "through the agent"}


def results_table(comparisons, ways):
    """A row a module: tests that pass natively, and how many of them pass in each way."""
    head = ["module", "pass natively", "not compared"] + [WAYS[way] for way in ways]
    rows = []
    totals = [0, 0] + [0] * len(ways)
    for name in dict.fromkeys(comparison.module for comparison in comparisons):
        found = {comparison.way: comparison for comparison in comparisons if comparison.module == name}
        some = next(iter(found.values()))
        natively = some.same + len(some.explained) + len(some.unexplained)
        numbers = [natively, some.not_compared] + [found[way].same if way in found else 0 for way in ways]
        totals = [total + number for total, number in zip(totals, numbers)]
        rows.append([name, *map(str, numbers)])
    rows.append(["**all**", *(f"**{total}**" for total in totals)])
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def differences_table(comparisons, ways, reasons):
    """A row a class of differences: how many tests, which, and why; also those that did not show this time."""
    rows = {}
    for reason in reasons:
        if reason.sometimes and set(reason.ways) & set(ways):
            tests = {name.removeprefix("test.") for name in reason.tests}
            rows[reason.reason] = (tests, {f"{WAYS[way]}, in some runs" for way in ways if way in reason.ways})
    for comparison in comparisons:
        for name, reason in comparison.explained.items():
            tests, places = rows.setdefault(reason.reason, (set(), set()))
            tests.add(name.removeprefix("test."))
            if not reason.sometimes:
                places.add(WAYS[comparison.way])
    if not rows:
        return "None."
    lines = ["| tests | | where | why |", "|--:|---|---|---|"]
    for reason, (tests, places) in rows.items():
        shown = sorted(tests)[:4]
        more = f" and {len(tests) - 4} more" if len(tests) > 4 else ""
        names = ", ".join(f"`{name}`" for name in shown) + more
        lines.append(f"| {len(tests)} | {names} | {'; '.join(sorted(places))} | {' '.join(reason.split())} |")
    return "\n".join(lines)


def write(comparisons, ways, reasons):
    put("cpython results", results_table(comparisons, ways))
    put("cpython differences", differences_table(comparisons, ways, reasons))
