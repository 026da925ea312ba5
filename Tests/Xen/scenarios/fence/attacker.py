"""What a program without privileges does with the descriptors that it gets directly: attacker.py WHAT SOCKET"""

import ctypes
import errno
import fcntl
import mmap
import os
import struct
import subprocess
import sys
import threading
import time

from session import (
    BIND_INTERDOMAIN, BIND_UNBOUND, BIND_VIRQ, DEALLOC, NOTIFY, NOTIFY_UNMAP, PAGE, RESET, RESTRICT, UNBIND, Refused, Session,
    allocate, control,
)  # fmt: skip

path = sys.argv[2]
assert os.getuid() != 0


def equal(found, wanted, what):
    assert found == wanted, f"{what}: {errno.errorcode.get(found, found)}, not {errno.errorcode.get(wanted, wanted)}"


def failure(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return 0


def refused_controls(descriptor, index):
    equal(allocate(descriptor), errno.EPERM, "ALLOC")
    equal(control(descriptor, DEALLOC, "G", index, 1, layout="QI4x"), errno.EPERM, "DEALLOC")
    equal(control(descriptor, NOTIFY_UNMAP, "G", index, 1, 0, layout="QII"), errno.EPERM, "SET_UNMAP_NOTIFY")
    with subprocess.Popen(["/lab/bin/compat"], stdin=descriptor, stdout=subprocess.PIPE) as compat:
        # ENOTTY: the driver has no 32-bit calls, and where there is no hook for them there is nothing to refuse.
        assert int(compat.stdout.read()) in (errno.EPERM, errno.ENOTTY), "the 32-bit ALLOC"


def grants():
    session = Session(path)
    ring, offset, pages = session.ring(1, 4)
    for descriptor, index, count in ((session.control, session.offset, session.pages), (ring, offset, 17)):
        refused_controls(descriptor, index)
        for action in (
            lambda: fcntl.lockf(descriptor, fcntl.LOCK_UN),
            lambda: fcntl.flock(descriptor, fcntl.LOCK_UN),
            lambda: fcntl.fcntl(descriptor, 37, struct.pack("hhqqi4x", fcntl.F_UNLCK, 0, 0, 0, 0)),
        ):
            equal(failure(action), errno.EPERM, "a lock")
        for place, length in ((index, count + 1), (index + PAGE, count), (index + count * PAGE, 1), (1 << 30, 1)):
            equal(failure(lambda: Session.map(descriptor, length, place)), errno.ENOENT, f"{length} pages at {place:#x}")
        equal(failure(lambda: mmap.mmap(descriptor, PAGE, mmap.MAP_PRIVATE, offset=index)), errno.EINVAL, "privately")
        # Mappings of parts that overlap, and go in another order than they came.
        places = ((0, 9), (3, 4), (8, 1), (0, count))
        parts = [Session.map(descriptor, length, index + first * PAGE) for first, length in places]
        for part in (parts[1], parts[3], parts[0], parts[2]):
            part.close()
        equal(failure(lambda: os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)), errno.EACCES, "opened again")
    equal(failure(lambda: os.open("/dev/xen/gntalloc", os.O_RDWR)), errno.EACCES, "the device")
    pages[0:4] = b"mine"
    equal(session.bind(1), 0, "PORT")
    # What belongs to this program goes on.
    assert Session.map(ring, 17, offset)[0:4] == b"mine"


def strangers():
    """Two sessions, as of two programs: neither's descriptors show the other's pages."""
    one, two = Session(path), Session(path)
    mine, theirs = one.ring(1, 4), two.ring(1, 4)
    mine[2][PAGE : PAGE + 8] = b"a secret"
    seen = 0
    for descriptor in (two.control, theirs[0]):
        for page in range(64):
            if failure(lambda: Session.map(descriptor, 1, page * PAGE)) == 0:
                content = Session.map(descriptor, 1, page * PAGE)
                seen += 1
                assert b"a secret" not in content[:], f"page {page}"
    assert seen == two.pages + 17, seen
    theirs[2].close()
    two.memory.close()
    assert mine[2][PAGE : PAGE + 8] == b"a secret"


def events():
    session = Session(path)
    bell = session.doorbell
    for domain in (0, 1, 0x7FEF, 0x7FF0):
        wanted = errno.EACCES if domain != 0x7FEF else errno.ESRCH
        for port in range(1, 40):
            found = control(bell, BIND_INTERDOMAIN, "E", domain, port, layout="II")
            assert found == wanted, f"BIND_INTERDOMAIN to {domain:#x}: {found}"
        equal(control(bell, BIND_UNBOUND, "E", domain, layout="I"), errno.EACCES, "BIND_UNBOUND_PORT")
    for virq in range(16):
        equal(control(bell, BIND_VIRQ, "E", virq, layout="I"), errno.EACCES, "BIND_VIRQ")
    equal(control(bell, RESTRICT, "E", 1, layout="H"), errno.EACCES, "RESTRICT_DOMID")
    for port in range(0, 300):
        if port != session.channel:
            equal(control(bell, NOTIFY, "E", port, layout="I"), errno.ENOTCONN, f"NOTIFY {port}")
            assert control(bell, UNBIND, "E", port, layout="I") == errno.ENOTCONN, f"UNBIND {port}"
    equal(control(bell, NOTIFY, "E", session.channel, layout="I"), 0, "NOTIFY")
    equal(failure(lambda: os.open("/dev/xen/evtchn", os.O_RDWR)), errno.EACCES, "the device")
    equal(control(bell, UNBIND, "E", session.channel, layout="I"), 0, "UNBIND")
    equal(session.bind(2), 0, "PORT")


def thief():
    """Reads whatever its event channel's descriptor gives. Preloaded."""
    import socket

    client = socket.create_connection(("127.0.0.1", int(sys.argv[3])), timeout=30)
    client.sendall(b"echo\n")
    bell = next(
        int(name) for name in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{name}") and os.readlink(f"/proc/self/fd/{name}") == "/dev/xen/evtchn"
    )  # fmt: skip
    # A copy that the library knows nothing of.
    call = ctypes.CDLL(None).syscall
    call.restype = ctypes.c_long
    copy = call(32, bell)
    flags = call(72, copy, 3, 0)
    call(72, copy, 4, flags & ~os.O_NONBLOCK)
    taken = [0]

    def steal():
        port = ctypes.create_string_buffer(4)
        while True:
            if call(0, copy, port, 4) == 4:
                taken[0] += 1
                call(1, copy, port, 4)
                call(16, copy, RESET[0] | ord("E") << 8, 0)

    for _ in range(2):
        threading.Thread(target=steal, daemon=True).start()
    client.settimeout(0.2)
    print("steals", flush=True)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            client.send(b"x" * 100)
            client.recv(1000)
        except OSError:
            pass
    print("stolen", taken[0], flush=True)
    time.sleep(60)


def held_call(descriptor):
    """Notifies by a thread of its own, with an argument in a page that never comes: a call that does not end."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    faults = libc.syscall(323, os.O_CLOEXEC)  # userfaultfd
    assert faults >= 0, os.strerror(ctypes.get_errno())
    page = mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    fcntl.ioctl(faults, 0xC018AA3F, bytearray(struct.pack("QQQ", 0xAA, 0, 0)))  # UFFDIO_API
    fcntl.ioctl(faults, 0xC020AA00, bytearray(struct.pack("QQQQ", address, PAGE, 1, 0)))  # UFFDIO_REGISTER, missing
    request = NOTIFY[1] << 16 | ord("E") << 8 | NOTIFY[0]
    call = libc.ioctl
    call.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
    threading.Thread(target=lambda: call(descriptor, request, address), daemon=True).start()
    # The kernel asks for the page once the call is there.
    assert len(os.read(faults, 32)) == 32
    return faults, page


def holder():
    """Lets calls on its event channels take for ever."""
    session = Session(path)
    kept = [held_call(session.doorbell)]
    equal(session.bind(1), 0, "PORT")
    print("holds", flush=True)
    sys.stdin.readline()
    session.socket.close()
    time.sleep(1)
    print("ended", flush=True)
    sys.stdin.readline()
    try:
        while True:
            session = Session(path)
            kept.append(held_call(session.doorbell))
            # Nothing else of it stays.
            session.memory.close()
            os.close(session.control)
            session.socket.close()
    except Refused as refused:
        print("refused", len(kept), errno.errorcode[refused.errno], flush=True)
    time.sleep(120)


def hoard():
    """Takes all pages that it gets, and keeps mapped those of sessions that are over."""
    pages, kept, refusals = 0, [], 0
    while refusals < 3:
        try:
            session = Session(path, 64)
            kept.append(session)
            pages += session.pages
            for port, order in [(1, 8)] if len(kept) % 2 else [(port, 6) for port in range(1, 4)]:
                pages += len(session.ring(port, order)[2]) // PAGE
            if len(kept) % 2:
                for descriptor in (session.control, session.doorbell, session.rings[1][0]):
                    os.close(descriptor)
                session.socket.close()
        except Refused as refused:
            assert refused.errno in (errno.ENOBUFS, errno.EAGAIN), refused
            refusals += 1
            time.sleep(0.5)
    print("hoards", pages, flush=True)
    time.sleep(120)


def ports():
    """Pairs without end: descriptors of the agent."""
    count = 0
    sessions = []
    try:
        while count < 100000:
            session = Session(path, 4096)
            sessions.append(session)
            for port in range(1, session.ports):
                error = session.bind(port)
                if error:
                    raise Refused(error)
                count += 1
    except Refused as refused:
        print("bound", count, errno.errorcode[refused.errno], flush=True)
    time.sleep(120)


def keeps():
    """Stays with what it has; says again and again what it may."""
    session = Session(path)
    print("has", flush=True)
    for _ in sys.stdin:
        refused_controls(session.control, session.offset)
        session.memory[PAGE : PAGE + 4] = b"mine"
        print("refused", flush=True)


def asks():
    try:
        Session(path)
        print("served")
    except Refused as refused:
        print(errno.errorcode.get(refused.errno, refused.errno))
    except OSError as error:
        print("connect", errno.errorcode[error.errno])


globals()[sys.argv[1]]()
