"""Reports for the judge outside: one line of JSON each. dom0's go to the second serial port, which nothing else uses;
a guest's go to its console, from which dom0 hands them on."""

import json
import os
import sys
import threading
import traceback

from .domain import IS_DOM0, NAME

MARK = "@@lab "
LONGEST = 6000
"""Characters of a message; of a longer one the end is kept."""

_lock = threading.Lock()
_port = os.open("/dev/ttyS1" if IS_DOM0 else "/dev/hvc0", os.O_WRONLY | os.O_NOCTTY)


def emit(event: str, **fields):
    if "message" in fields:
        fields["message"] = fields["message"][-LONGEST:]
    line(json.dumps({"domain": NAME, "event": event, **fields}))


def line(text: str):
    """Writes a report. It begins a line of its own, since a console may have been left in the middle of one."""
    data = f"\n{MARK}{text}\n".encode()
    with _lock:
        while data:
            data = data[os.write(_port, data) :]


def say(text: str):
    """For people who read the console's log."""
    print(text, file=sys.stderr, flush=True)


def failure_outside(place: str):
    """Reports the exception being handled as a failed case, as it happened outside of all."""
    message = traceback.format_exc()
    say(message)
    emit("case", name=place, ok=False, seconds=0, message=message)
