"""The resolver's answers: records that do not hold what they promise."""

import struct

from harness import layout
from harness.case import Case

GROUP = "resolver"

STEPS = "resolve resolve"
NAMES = "names"


def record(*answer_of):
    """Every resolver socket gives this record, then the end."""

    def connect(session, request):
        port = session.sockets[request.id]
        session.decide(port)
        for data in answer_of:
            session.publish(port, data)
        session.end_of_file(port)
        session.answer(request)

    return {layout.CONNECT: connect}


def entry(family=2, length=16, name=b"", address=layout.inet(), name_length=None):
    size = len(name) if name_length is None else name_length
    data = struct.pack("<iiiiII", 0, family, 1, 6, length, size) + address + name
    return data + bytes(-len(data) % 8)


def answer(body=b"", status=0, error=0, count=1, length=None):
    return struct.pack("<IiiI", 16 + len(body) if length is None else length, status, error, count) + body


def names(host, service, text, length=None):
    body = struct.pack("<II", host, service) + text
    return struct.pack("<IiiI", 16 + len(body) if length is None else length, 0, 0, 0) + body


def host(addresses, text=b"name.example\0"):
    """What kind 6 answers."""
    body = struct.pack("<iIII", 2, 4, 0, len(addresses) // 4) + text + addresses
    return struct.pack("<IiiI", 16 + len(body), 0, 0, 1) + body


def controlled():
    """A `struct ifreq` as kind 5 answers it."""
    return answer(b"\xee" * 40)


FAILS = "resolve=ENOMSG"
six = struct.pack("<HHI16sI", 10, 80, 0, bytes(15) + b"\1", 0)

CASES = [
    Case("honest answers", STEPS, "resolve=2", echoes=False,
         requests=record(answer(entry() + entry(10, 28, b"name", six), count=2))),
    Case("honest names", NAMES, "names=6", echoes=False, requests=record(names(4, 2, b"host80"))),
    Case("honest hosts", "host", "host=2", echoes=False, requests=record(host(bytes(8)))),
    Case("a host without an address", "host", "host=ENOMSG", echoes=False, requests=record(host(b""))),
    Case("an answer to what has no struct ifreq", "socket bridge", "bridge=EPROTO", echoes=False,
         requests=record(controlled())),
    Case("nothing", STEPS, "resolve=ECONNRESET", echoes=False, requests=record(b"")),
    Case("two bytes", STEPS, "resolve=ECONNRESET", echoes=False, requests=record(b"\0\0")),
    Case("length 15", STEPS, "resolve=EPROTO", echoes=False, requests=record(answer(length=15))),
    Case("length 65537", STEPS, "resolve=EPROTO", echoes=False, requests=record(answer(length=65537))),
    Case("length 2^32 - 1", STEPS, "resolve=EPROTO", echoes=False, requests=record(answer(length=0xFFFFFFFF))),
    Case("less than its length", STEPS, "resolve=ECONNRESET", echoes=False, requests=record(answer(length=5000))),
    Case("no entries", STEPS, FAILS, echoes=False, requests=record(answer(count=0))),
    Case("2^32 - 1 entries", STEPS, FAILS, echoes=False, requests=record(answer(entry(), count=0xFFFFFFFF))),
    Case("an address of 2 bytes", STEPS, FAILS, echoes=False, requests=record(answer(entry(2, 2, address=b"\2\0")))),
    Case("no address", STEPS, FAILS, echoes=False, requests=record(answer(entry(2, 0, address=b"")))),
    Case("an IPv6 address of 16 bytes", STEPS, FAILS, echoes=False, requests=record(answer(entry(10, 16)))),
    Case("an unknown family", STEPS, FAILS, echoes=False, requests=record(answer(entry(77, 16)))),
    Case("families that differ", STEPS, FAILS, echoes=False,
         requests=record(answer(entry(10, 28, address=layout.inet() + bytes(12))))),
    Case("an address of 2^32 - 1 bytes", STEPS, FAILS, echoes=False, requests=record(answer(entry(2, 0xFFFFFFFF)))),
    Case("a name of 2^32 - 1 bytes", STEPS, FAILS, echoes=False,
         requests=record(answer(entry(name_length=0xFFFFFFFF)))),
    Case("a name one byte too long", STEPS, FAILS, echoes=False,
         requests=record(answer(entry(name=b"12345678", name_length=9)))),
    Case("an entry cut off", STEPS, FAILS, echoes=False, requests=record(answer(entry()[:20]))),
    Case("an unknown status", STEPS, FAILS, echoes=False, requests=record(answer(status=-(2**31)))),
    Case("status EAI_SYSTEM without an errno", STEPS, echoes=False, requests=record(answer(status=-11, error=1))),
    Case("names that are too long", NAMES, "names=ENOMSG", echoes=False, requests=record(names(16, 2, bytes(18)))),
    Case("names of 2^32 - 1 bytes", NAMES, "names=ENOMSG", echoes=False,
         requests=record(names(0xFFFFFFFF, 2, bytes(18)))),
    Case("a pending EINTR for ever", STEPS, "resolve=EIO", echoes=False, requests={
        layout.CONNECT: lambda s, r: (s.decide(s.sockets[r.id]), pending(s, s.sockets[r.id]), s.answer(r))}),
    Case("no answer", "resolve", echoes=False, blocks=1),
]


def pending(session, port):
    from .status import field

    field(8, 4)(session, port)
