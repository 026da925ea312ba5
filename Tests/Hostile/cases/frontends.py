"""xensockd against programs that speak its protocol to break it."""

import os
import random
import socket
import struct
import time

from harness import layout
from harness.attack import Attack
from harness.frontend import Frontend
from harness.layout import frame

GROUP = "xensockd"


def during_transfer(attack, size=8 << 20):
    """Runs an attack while an honest program transfers data."""

    def run(target):
        finish = target.transfer(size)
        attack(target)
        finish()

    return run


def random_frames(target):
    generator = random.Random(1)
    for _ in range(300):
        frontend = Frontend(target.path)
        for _ in range(generator.randrange(1, 5)):
            head = struct.pack("<II", generator.choice((0, 1, 2, 3, 4, 5, 6, 7, 1 << 31)), generator.getrandbits(32))
            data = head + generator.randbytes(generator.randrange(4096))
            if not frontend.send(data[: generator.randrange(1, 4104)]):
                break
        frontend.close()


def sizes(target):
    for size in (1, 7, 8, 11, 12, 4095, 4104, 4105, 65536, 150000):
        frontend = Frontend(target.path)
        frontend.send(bytes(size))
        frontend.close()


def out_of_order(target):
    hello = frame(layout.HELLO, 1, struct.pack("<I", 64))
    for frames in ((frame(layout.STORE),), (frame(layout.PORT, 1),), (hello, hello), (hello, frame(layout.KICK))):
        frontend = Frontend(target.path)
        for data in frames:
            frontend.send(data)
        time.sleep(0.02)
        frontend.close()


def ports_by_the_thousand(target):
    frontend = Frontend(target.path).open(16384)
    for port in range(1, 3000):
        frontend.bind_port(port)
        os.close(frontend.ends.pop(port))
    for _ in range(1000):
        frontend.bind_port(7)
    for port in (0, 16383, 16384, 0xFFFFFFFF):
        frontend.bind_port(port)
    frontend.close()


def foreign_ports(target):
    frontend = Frontend(target.path).open()
    reader, writer = os.pipe()
    null = os.open("/dev/null", os.O_RDWR)
    tcp = socket.socket()
    datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for descriptors in (
        (),
        (reader,),
        (reader, writer),
        (null, null),
        (tcp.fileno(), tcp.fileno()),
        (datagrams[0].fileno(), datagrams[1].fileno()),
        (frontend.connection.fileno(), frontend.connection.fileno()),
        (frontend.arena.memory, frontend.doorbell),
        tuple([null] * 200),
    ):
        frontend.bind_port(1, descriptors)
    other, same = socket.socketpair()
    frontend.bind_port(2, (other.fileno(), other.fileno()))
    frontend.close()
    for descriptor in (reader, writer, null):
        os.close(descriptor)


def doors(target):
    """Each session opens the next, and all stay."""
    frontends = [Frontend(target.path).open()]
    for _ in range(200):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        assert frontends[-1].send(frame(layout.DOOR), (theirs.fileno(),))
        theirs.close()
        frontends.append(Frontend(connection=ours).open())
    for frontend in frontends:
        frontend.close()


def doors_that_nobody_enters(target):
    frontend = Frontend(target.path).open()
    kept = []
    for _ in range(1500):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        frontend.send(frame(layout.DOOR), (theirs.fileno(),))
        theirs.close()
        kept.append(ours) if len(kept) < 700 else ours.close()
    frontend.close()
    for ours in kept:
        ours.close()


def foreign_doors(target):
    reader, writer = os.pipe()
    for make in (lambda s: (), lambda s: (reader,), lambda s: (s.arena.memory,), lambda s: (s.doorbell, writer)):
        frontend = Frontend(target.path).open()
        frontend.send(frame(layout.DOOR), make(frontend))
        time.sleep(0.02)
        frontend.close()
    os.close(reader)
    os.close(writer)


def doors_in_flight(target):
    """Doors that carry each other, and are never entered."""
    frontend = Frontend(target.path).open()
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    socket.send_fds(one, [b"x"], [two.fileno(), one.fileno()])
    frontend.send(frame(layout.DOOR), (two.fileno(),))
    time.sleep(0.1)
    frontend.close()
    one.close()
    two.close()


def attached(frontend, descriptor, identity, argument=0):
    frontend.send(frame(layout.ATTACH, argument, struct.pack("<Q", identity)), (descriptor,))
    data, descriptors = frontend.receive()
    while data and struct.unpack_from("<I", data)[0] != layout.ATTACH:
        data, descriptors = frontend.receive()
    for number in descriptors:
        os.close(number)
    return struct.unpack_from("<I", data, 4)[0] if data else -1


def foreign_attachments(target):
    frontend = Frontend(target.path).open()
    reader, writer = os.pipe()
    native = socket.create_connection(("127.0.0.1", target.port))
    ends = socket.socketpair()
    for number, descriptor in enumerate((reader, writer, native.fileno(), ends[0].fileno(), frontend.doorbell)):
        assert attached(frontend, descriptor, number, 1) == 9, "a descriptor of no socket was attached"
    native.close()
    frontend.close()
    os.close(reader)
    os.close(writer)


def attachments_by_the_thousand(target):
    frontend = Frontend(target.path).open()
    assert frontend.make_socket(1) == 0
    refused = sum(attached(frontend, frontend.ends[1], 1000 + number, 1) != 0 for number in range(17000))
    assert refused, "one session may have any number of names"
    frontend.close()


def silent_sessions(target):
    kept = []
    for _ in range(1200):
        frontend = Frontend(target.path)
        kept.append(frontend)
        if len(kept) >= 900:
            kept.pop(0).close()
    for frontend in kept:
        frontend.close()


def huge_arenas(target):
    kept = [Frontend(target.path) for _ in range(60)]
    for frontend in kept:
        frontend.hello(0xFFFFFFFF if frontend is kept[0] else 16384)
    for frontend in kept:
        frontend.close()


def bad_nodes(target):
    for changes in (
        {"version": "2"},
        {"ring-ref": "4294967295"},
        {"ring-ref": "-1"},
        {"ring-ref": "9" * 400},
        {"arguments-ref": "2,2,2,2"},
        {"arguments-ref": "0,1,2,99999999"},
        {"arguments-ref": "," * 3000},
        {"port": "x"},
        {"state": "77"},
        {"a" * 1500: "b" * 1500},
    ):
        frontend = Frontend(target.path)
        frontend.connection.settimeout(0.1)
        assert frontend.hello() == 0
        try:
            frontend.store(**changes)
        except TimeoutError:
            pass
        frontend.close()


def producers(target):
    for value in (33, 1 << 31, 0xFFFFFFFF):
        frontend = Frontend(target.path).open()
        frontend.arena.halves[2 * layout.PAGE // 4] = value
        frontend.ring()
        time.sleep(0.05)
        frontend.close()


def random_requests(target):
    generator = random.Random(2)
    frontend = Frontend(target.path).open()
    for port in range(1, 8):
        frontend.bind_port(port)
    words = (0, 1, 2, 3, 16, 28, 128, 512, 0xFFFFFFFF)
    for _ in range(4000):
        entry = [generator.choice(words) if generator.random() < 0.8 else generator.getrandbits(32) for _ in range(16)]
        entry[0] = frontend.produced & 31
        # No connect and no bind: nothing random leaves the machine.
        entry[1] = generator.choice((0, 2, 4, 5, 6, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 0xFFFFFFFF))
        entry[2], entry[3] = generator.randrange(8), 0
        frontend.push(struct.pack("<16I", *entry))
        if frontend.answer() is None:
            frontend.close()
            frontend = Frontend(target.path).open()
    frontend.close()


def unanswered(target):
    """Requests without end, and no answer is ever read."""
    frontend = Frontend(target.path).open()
    frontend.connection.settimeout(0.1)
    for _ in range(20000):
        frontend.push(struct.pack("<IIQ", frontend.produced & 31, layout.GETSOCKNAME, 1))
        frontend.arena.halves[2 * layout.PAGE // 4 + 3] = frontend.arena.halves[2 * layout.PAGE // 4 + 2] + 1
    frontend.close()


def abandoned_sockets(target):
    """A process dies with many sockets, connected and listening."""
    child = os.fork()
    if child == 0:
        frontend = Frontend(target.path).open(512)
        for port in range(1, 400):
            frontend.make_socket(port)
            if port % 2:
                frontend.connect_socket(port, layout.inet(target.port))
            else:
                frontend.request(layout.LISTEN, port, struct.pack("<I", 5))
        os._exit(0)
    os.waitpid(child, 0)


def connected(target, port=1):
    frontend = Frontend(target.path).open()
    assert frontend.make_socket(port) == 0
    assert frontend.connect_socket(port, layout.inet(target.port)) in (0, -115)
    time.sleep(0.05)
    return frontend


def placeholder_floods(target):
    frontend = connected(target)
    end = socket.socket(fileno=os.dup(frontend.ends[1]))
    end.setblocking(False)
    begun = time.monotonic()
    while time.monotonic() - begun < 2:
        try:
            end.send(bytes(4096))
        except OSError:
            frontend.ring(1)
    end.close()
    frontend.close()


def broken_words(target):
    values = (1, layout.HALF + 1, 1 << 31, 0xFFFFFFFF)
    for offset in (layout.IN_PROD, layout.IN_CONS, layout.OUT_PROD, layout.OUT_CONS):
        for value in values:
            frontend = connected(target)
            frontend.arena.set(1, offset, value, 0xFFFFFFFF if value & 1 else 0)
            frontend.ring(1)
            time.sleep(0.01)
            frontend.close()


def doorbells(target):
    frontend = connected(target)
    begun = time.monotonic()
    while time.monotonic() - begun < 2:
        for word in range(16, 20):
            frontend.arena.words[word] = (1 << 64) - 1
        for word in range(512, 768):
            frontend.arena.words[word] = (1 << 64) - 1
        frontend.arena.halves[16] = 1
        os.eventfd_write(frontend.doorbell, 1)
    frontend.close()


def exhausted_doorbell(target):
    """The service's doorbell is made to block, and takes no more."""
    frontend = connected(target)
    os.set_blocking(frontend.doorbell, True)
    for _ in range(2000):
        try:
            os.eventfd_read(frontend.doorbell)
        except OSError:
            break
        if not target.holdings()[0]:
            break
        os.eventfd_write(frontend.doorbell, 1)
    os.eventfd_write(frontend.doorbell, 1)
    time.sleep(0.2)
    frontend.close()


def changed_memory(target):
    """The arena is to shrink, grow and lose pages."""
    import fcntl

    frontend = connected(target)
    for size in (0, 4096, 1 << 40):
        try:
            os.ftruncate(frontend.arena.memory, size)
            raise AssertionError("the arena's size can be changed")
        except PermissionError:
            pass
    for seal in (fcntl.F_SEAL_WRITE, fcntl.F_SEAL_SHRINK):
        try:
            fcntl.fcntl(frontend.arena.memory, fcntl.F_ADD_SEALS, seal)
            raise AssertionError("the arena can be sealed")
        except OSError:
            pass
    frontend.arena.map.madvise(9)  # MADV_REMOVE: every page is zero again
    frontend.ring(1)
    time.sleep(0.1)
    frontend.close()


def scribbled(target):
    """Ten seconds of random values in every page of an arena that is in use, and one honest transfer after another."""
    finish = target.transfer(64 << 20)
    generator = random.Random(3)
    begun = time.monotonic()
    frontend = connected(target)
    size = layout.arena_size(frontend.arena.ports) // 8
    low = layout.indexes_page(2, frontend.arena.ports) * layout.PAGE // 8
    while time.monotonic() - begun < 10:
        for _ in range(2000):
            at = generator.randrange(low) if generator.random() < 0.9 else generator.randrange(size)
            # No random request: it could connect to anywhere.
            if 1024 <= at < 1536 + 512:
                continue
            frontend.arena.words[at] = generator.choice((0, 1, 1 << 32, (1 << 64) - 1, generator.getrandbits(64)))
        os.eventfd_write(frontend.doorbell, 1)
        if not frontend.send(frame(layout.STORE)):
            frontend.close()
            frontend = connected(target)
        if not finish.running():
            finish()
            finish = target.transfer(64 << 20)
    frontend.close()
    finish()


CASES = [
    Attack("random frames", during_transfer(random_frames), logs=": violation"),
    Attack("frames of all sizes", sizes, logs="a malformed frame"),
    Attack("frames out of order", out_of_order, logs="a frame before HELLO"),
    Attack("ports by the thousand", during_transfer(ports_by_the_thousand)),
    Attack("ports of foreign descriptors", foreign_ports),
    Attack("two hundred doors, one behind the other", doors),
    Attack("doors that nobody enters", doors_that_nobody_enters),
    Attack("doors of foreign descriptors", foreign_doors, logs="a DOOR without a session socket"),
    Attack("doors that carry each other", doors_in_flight),
    Attack("foreign descriptors attached", foreign_attachments),
    Attack("one socket attached by the thousand", attachments_by_the_thousand),
    Attack("sessions that say nothing", silent_sessions),
    Attack("sixty arenas of the largest size", huge_arenas),
    Attack("nodes of nonsense", bad_nodes),
    Attack("more requests than slots", producers, logs=": violation"),
    Attack("random requests", during_transfer(random_requests)),
    Attack("answers that nobody reads", during_transfer(unanswered)),
    Attack("four hundred sockets of a process that died", abandoned_sockets),
    Attack("floods of a placeholder", during_transfer(placeholder_floods)),
    Attack("index words of nonsense", broken_words),
    Attack("doorbells without an end", during_transfer(doorbells)),
    Attack("a doorbell that blocks", during_transfer(exhausted_doorbell)),
    Attack("memory that is to go away", changed_memory),
    Attack("an arena scribbled over for ten seconds", scribbled, overtime=12, logs="warning"),
]
