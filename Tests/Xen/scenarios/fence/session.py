"""The session protocol of the direct socket (docs/PROTOCOL.md, 3.1 and 3.7), as far as a program needs it to get descriptors."""

import fcntl
import mmap
import socket
import struct

PAGE = 4096
HELLO, PORT, RING = 1, 3, 7
# xen/gntalloc.h
ALLOC, DEALLOC, NOTIFY_UNMAP = (5, 24), (6, 16), (7, 16)
# xen/evtchn.h
BIND_VIRQ, BIND_INTERDOMAIN, BIND_UNBOUND, UNBIND, NOTIFY, RESET, RESTRICT = (
    (0, 4), (1, 8), (2, 4), (3, 4), (4, 4), (5, 0), (6, 2),
)  # fmt: skip


def control(descriptor: int, request, kind: str, *words, layout: str) -> int:
    """An ioctl; 0 or its errno."""
    number, size = request
    try:
        fcntl.ioctl(descriptor, size << 16 | ord(kind) << 8 | number, bytearray(struct.pack(layout, *words)))
        return 0
    except OSError as error:
        return error.errno


def allocate(descriptor: int) -> int:
    return control(descriptor, ALLOC, "G", 0, 1, 1, 0, 0, layout="HHIQI4x")


class Refused(Exception):
    """By the agent, with an errno."""

    def __init__(self, errno):
        super().__init__(errno)
        self.errno = errno


class Session:
    def __init__(self, path: str, ports: int = 64):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.socket.send(struct.pack("III", HELLO, 1, ports))
        answer, descriptors = self.receive(HELLO)
        error = struct.unpack_from("I", answer, 4)[0]
        if error:
            raise Refused(error)
        self.control, self.doorbell = descriptors
        self.ports = struct.unpack_from("I", answer, 12)[0]
        nodes = answer[24:].split(b"\0")
        self.offset = int(nodes[nodes.index(b"control-offset") + 1])
        self.pages = 8 + self.ports // 32
        self.memory = self.map(self.control, self.pages, self.offset)
        self.channel = struct.unpack_from("I", self.memory, 36)[0] - 1
        self.rings = {}

    def receive(self, kind: int):
        while True:
            answer, descriptors, _, _ = socket.recv_fds(self.socket, 4104, 2)
            if not answer:
                raise Refused(0)
            if struct.unpack_from("I", answer)[0] == kind:
                return answer, descriptors

    @staticmethod
    def map(descriptor: int, pages: int, offset: int):
        return mmap.mmap(descriptor, pages * PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)

    def ring(self, port: int, order: int):
        """The descriptor, offset and mapping of a port's pages."""
        self.socket.send(struct.pack("IIIIQ", RING, port, order, 0, 0))
        answer, descriptors = self.receive(RING)
        error, order, offset, pages = struct.unpack_from("IIQI", answer, 8)
        if error:
            raise Refused(error)
        self.rings[port] = descriptors[0], offset, self.map(descriptors[0], pages, offset)
        return self.rings[port]

    def bind(self, port: int) -> int:
        """Gives the agent a pair; the agent's errno."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self.socket, [struct.pack("IIQ", PORT, port, 0)], [theirs.fileno(), ours.fileno()])
        ours.close()
        theirs.close()
        return struct.unpack_from("I", self.receive(PORT)[0], 8)[0]
