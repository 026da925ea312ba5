"""Runs a command beside a name server of its own: name_server.py COMMAND...

Run in fresh network and mount namespaces, with a resolv.conf that names 127.0.0.1. Knows the zone "test".
"""

import fcntl
import socket
import struct
import subprocess
import sys
import threading

A, CNAME, PTR, TXT, AAAA, IN = 1, 5, 12, 16, 28, 1


def encoded(name):
    return b"".join(bytes([len(label)]) + label for label in name.encode().split(b".") if label) + b"\0"


def text(size):
    """TXT data of `size` bytes, in strings of at most 200."""
    content = b"x" * size
    parts = [content[at : at + 200] for at in range(0, size, 200)]
    return b"".join(bytes([len(part)]) + part for part in parts)


ZONE = {
    ("host.test", A): [socket.inet_aton("192.0.2.7"), socket.inet_aton("192.0.2.8")],
    ("host.test", AAAA): [socket.inet_pton(socket.AF_INET6, "2001:db8::7")],
    ("only4.test", A): [socket.inet_aton("192.0.2.9")],
    ("host.test", TXT): [text(20)],
    ("large.test", TXT): [text(2000)],
    ("7.2.0.192.in-addr.arpa", PTR): [encoded("host.test")],
    ("alias.test", CNAME): [encoded("host.test")],
    ("denied.test", A): [socket.inet_aton("192.0.2.66")],
}


def answer(query, room):
    """The answer to a message, truncated if it is longer than `room`."""
    number, flags, questions = struct.unpack("!HHH", query[:6])
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += 1 + query[at]
    kind, group = struct.unpack("!HH", query[at + 1 : at + 5])
    name = ".".join(labels)
    found = [(b"\xc0\x0c", kind, record) for record in ZONE.get((name, kind), [])]
    for target in ZONE.get((name, CNAME), []):
        found += [(b"\xc0\x0c", CNAME, target)]
        found += [(target, kind, record) for record in ZONE.get(("host.test", kind), [])]
    records = found if group == IN else []
    known = records or any(known == name for known, _ in ZONE)
    body = query[12 : at + 5]
    for owner, type_of, record in records:
        body += owner + struct.pack("!HHIH", type_of, IN, 60, len(record)) + record
    flags = 0x8580 | flags & 0x0110 | (0 if known else 3)
    if len(body) + 12 > room:
        body, records, flags = query[12 : at + 5], [], flags | 0x0200
    return struct.pack("!HHHHHH", number, flags, 1, len(records), 0, 0) + body


def serve_datagrams(server):
    while True:
        query, sender = server.recvfrom(4096)
        server.sendto(answer(query, 512), sender)


def serve_streams(server):
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rwb") as stream:
            while len(head := stream.read(2)) == 2:
                reply = answer(stream.read(struct.unpack("!H", head)[0]), 65535)
                stream.write(struct.pack("!H", len(reply)) + reply)
                stream.flush()


def bring_loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        request = struct.pack("16sH14s", b"lo", 0x49, b"")
        fcntl.ioctl(query, 0x8914, request)  # SIOCSIFFLAGS


bring_loopback_up()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 53))
streams = socket.create_server(("127.0.0.1", 53))
threading.Thread(target=serve_datagrams, args=(datagrams,), daemon=True).start()
threading.Thread(target=serve_streams, args=(streams,), daemon=True).start()
sys.exit(subprocess.call(sys.argv[1:]))
