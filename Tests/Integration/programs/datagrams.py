"""Datagram sockets, one subject after another; what it prints must be the same with and without XenSock. With arguments
only the subjects named."""

import array
import errno
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

from ports import dead_port

IP_RECVTTL, IP_RECVTOS, IP_RECVERR, IP_MTU_DISCOVER, IP_PKTINFO = 12, 13, 11, 10, 8
IPV6_RECVERR = 25
MSG_ERRQUEUE = 0x2000
SOL_UDP, UDP_CORK, UDP_SEGMENT, UDP_GRO = 17, 1, 103, 104
SO_TIMESTAMP = 29
SO_RXQ_OVFL = 40
FIONREAD = 0x541B
SUBJECTS = []


def subject(function):
    SUBJECTS.append(function)
    return function


def say(*values):
    print(*values, flush=True)


def result(call, *arguments):
    """The value of a call, or its error's name."""
    try:
        value = call(*arguments)
    except OSError as error:
        if isinstance(error, TimeoutError) and error.errno is None:
            return "timed out"
        return errno.errorcode.get(error.errno, error.errno)
    return value


def udp(version=4, bind=True, timeout=5):
    made = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    if bind:
        made.bind(("127.0.0.1" if version == 4 else "::1", 0))
    made.settimeout(timeout)
    return made


def pair(version=4):
    """Two sockets that are connected to each other."""
    first, second = udp(version), udp(version)
    first.connect(second.getsockname())
    second.connect(first.getsockname())
    return first, second


def events(made, asked=select.POLLIN | select.POLLOUT, wait=0):
    poll = select.poll()
    poll.register(made, asked)
    found = poll.poll(wait)
    return found[0][1] if found else 0


def readable(made, wait=5000):
    """What poll says once the socket is readable, or has failed."""
    poll = select.poll()
    poll.register(made, select.POLLIN)
    return [event for _, event in poll.poll(wait)]


@subject
def unconnected():
    for version in (4, 6):
        a, b = udp(version), udp(version, bind=False)
        say(b.sendto(b"hello", a.getsockname()), b.getsockname()[1] != 0)
        data, address = a.recvfrom(100)
        say(data, address[1] == b.getsockname()[1], address[0])
        say(a.sendto(b"back", address), b.recvfrom(100)[1] == a.getsockname())
        say(result(b.send, b"x"), result(b.getpeername))


@subject
def connected():
    a, b = pair()
    other = udp()
    say(a.send(b"one"), b.recv(10), b.getpeername() == a.getsockname())
    say(a.sendto(b"elsewhere", other.getsockname()), other.recv(20))
    other.sendto(b"not from the peer", a.getsockname())
    say(b.send(b"from the peer"), a.recv(50))
    say(os.write(a.fileno(), b"written"), readable(b), os.read(b.fileno(), 3), events(b, select.POLLIN))
    say(a.connect(other.getsockname()), a.send(b"redirected"), other.recv(20), a.getpeername() == other.getsockname())


@subject
def disconnected():
    a, b = udp(), udp()
    a.connect(b.getsockname())
    say(a.send(b"x"), b.recv(10))
    libc_connect(a, b"\0" * 16)
    say(result(a.send, b"x"), result(a.getpeername), a.sendto(b"again", b.getsockname()), result(b.recv, 10))
    a.connect(b.getsockname())
    say(a.send(b"more"), b.recv(10))


def libc_connect(made, address):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(made.fileno(), address, len(address)) != 0:
        say("connect", errno.errorcode[ctypes.get_errno()])


@subject
def boundaries():
    a, b = pair()
    for size in (0, 1, 7, 8, 9, 1000, 1472, 9000, 40000, 65507):
        data = bytes(index % 251 for index in range(size))
        say(a.send(data), b.recv(70000) == data)
    say(result(a.send, bytes(65508)), result(a.send, bytes(65535)), result(a.send, bytes(65536)), result(a.send, bytes(100000)))
    say(a.send(b"a"), a.send(b""), a.send(b"bc"), b.recv(10), b.recv(10), b.recv(10))
    a.sendmsg([b"gathered ", b"", b"from ", b"parts"])
    parts = [bytearray(4), bytearray(3), bytearray(100)]
    say(b.recvmsg_into(parts)[0], parts[0], parts[1], bytes(parts[2][:20]))


@subject
def truncation():
    a, b = pair()
    a.send(b"0123456789")
    data, control, flags, address = b.recvmsg(4)
    say(data, control, flags, address == a.getsockname())
    a.send(b"0123456789")
    say(b.recv(4, socket.MSG_PEEK), b.recv(0, socket.MSG_PEEK), b.recv(100, socket.MSG_PEEK))
    buffer = bytearray(4)
    say(b.recv_into(buffer, 4, socket.MSG_TRUNC | socket.MSG_PEEK), bytes(buffer), b.recv_into(buffer, 4, socket.MSG_TRUNC))
    b.setblocking(False)
    say(result(b.recv, 10), result(b.recv, 10, socket.MSG_PEEK))
    b.settimeout(5)
    a.send(b"drop me")
    readable(b)
    say(b.recv(0), events(b, select.POLLIN))
    a.send(b"whole")
    say(b.recv(100, socket.MSG_WAITALL))


@subject
def errors():
    say(result(udp().sendto, b"x", ("127.0.0.1", 0)))
    say(result(udp(bind=False).sendto, b"x", ("255.255.255.255", 9)))
    bound = udp()
    say(result(bound.bind, ("127.0.0.1", 0)), result(udp(bind=False).bind, bound.getsockname()))
    say(result(udp(bind=False).bind, ("192.0.2.77", 0)))
    bound.setblocking(False)
    say(result(bound.listen), result(bound.accept))
    say(result(bound.send, b"x", socket.MSG_OOB), result(bound.sendto, b"x", socket.MSG_OOB, bound.getsockname()))
    six = udp(6, bind=False)
    say(result(six.sendto, b"x", ("::1", 0)))
    say(result(socket.socket, socket.AF_INET, socket.SOCK_DGRAM, 6), result(socket.socket, socket.AF_INET, socket.SOCK_SEQPACKET))
    for kind, family in ((bound, 6), (six, 2)):
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        for address in (struct.pack("H", 1) + b"/x", struct.pack("=H", 2), b"\2", struct.pack("=HH4s", 77, 0, b"")):
            ctypes.set_errno(0)
            sent = libc.sendto(kind.fileno(), b"x", 1, 0, address, len(address))
            say(len(address), sent, errno.errorcode.get(ctypes.get_errno()))


@subject
def refused():
    a = udp(bind=False)
    a.connect(("127.0.0.1", dead_port()))
    say([result(a.send, b"x") for _ in range(6)])
    a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    say(a.send(b"x"), readable(a), a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), events(a))
    say(a.send(b"x"), readable(a), result(a.recv, 10))
    a.setblocking(False)
    say(result(a.recv, 10), events(a))
    a.settimeout(5)
    say(a.send(b"x"), result(a.recv, 10), events(a))
    say(a.send(b"x"), [list(map(len, select.select([a], [a], [a], 5)))], result(a.send, b"x"), events(a))
    unconnected_one = udp(bind=False)
    say(unconnected_one.sendto(b"x", a.getpeername()), result(unconnected_one.sendto, b"x", a.getpeername()))


@subject
def refused_while_waiting():
    a = udp(bind=False)
    a.connect(("127.0.0.1", dead_port()))
    threading.Timer(0.2, lambda: a.send(b"x")).start()
    say(result(a.recv, 10))


@subject
def error_queue():
    for version in (4, 6):
        a = udp(version, bind=False)
        if version == 4:
            a.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        else:
            a.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        a.setblocking(False)
        port = dead_port()
        say(result(a.recvmsg, 100, 100, MSG_ERRQUEUE))
        say(a.sendto(b"to nobody", ("127.0.0.1" if version == 4 else "::1", port)), readable(a))
        say(result(a.recv, 10), events(a, select.POLLIN))
        data, control, flags, address = a.recvmsg(100, 512, MSG_ERRQUEUE)
        level, kind, content = control[0]
        number, origin, icmp_type, code, _, info, more = struct.unpack_from("=IBBBBII", content)
        say(data, flags, address[1] == port, len(control), level, kind, errno.errorcode[number], origin, icmp_type, code, info)
        say(len(content), events(a), result(a.recvmsg, 100, 100, MSG_ERRQUEUE))
        a.settimeout(0.1)
        say(result(a.recv, 10))


@subject
def error_queue_keeps_its_order():
    a = udp(bind=False)
    a.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    ports = [dead_port() for _ in range(3)]
    for port in ports:
        try:
            a.sendto(b"%d" % ports.index(port), ("127.0.0.1", port))
        except ConnectionRefusedError:
            a.sendto(b"%d" % ports.index(port), ("127.0.0.1", port))
    say([a.recvmsg(100, 512, MSG_ERRQUEUE)[0] for _ in ports], events(a, select.POLLIN) & ~select.POLLERR)
    big = udp(bind=False)
    big.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    big.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 2)
    say(result(big.sendto, bytes(65507), ("127.0.0.1", ports[0])))
    data, _, flags, _ = big.recvmsg(70000, 512, MSG_ERRQUEUE) if events(big) & select.POLLERR else (b"", 0, 0, 0)
    say(len(data), flags)


def names(control):
    """Control messages without what differs from run to run."""
    found = []
    for level, kind, content in control:
        if (level, kind) == (0, 8):
            index, local, header = struct.unpack("=i4s4s", content)
            found.append(("pktinfo", index > 0, socket.inet_ntoa(local), socket.inet_ntoa(header)))
        elif (level, kind) == (41, 50):
            found.append(("pktinfo6", content[:16], struct.unpack("=i", content[16:])[0] > 0))
        elif level == 1 and kind in (SO_TIMESTAMP, 35):
            seconds = struct.unpack("=q", content[:8])[0]
            found.append(("time", abs(seconds - time.time()) < 5, len(content)))
        else:
            found.append((level, kind, content))
    return sorted(map(str, found))


@subject
def ancillary_in():
    a, b = pair()
    for option in (IP_PKTINFO, IP_RECVTTL, IP_RECVTOS):
        b.setsockopt(socket.IPPROTO_IP, option, 1)
    b.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
    a.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 33)
    a.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
    a.send(b"x")
    data, control, flags, _ = b.recvmsg(10, 1000)
    say(data, names(control), flags)
    for room in (0, 10, 16, 20, 24, 40, 64, 100):
        a.send(b"x")
        data, control, flags, _ = b.recvmsg(10, room)
        say(room, len(control), [len(content) for _, _, content in control], flags)
    a.send(b"x")
    say(b.recv(10))
    six = pair(6)
    six[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    six[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    six[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    six[0].send(b"six")
    data, control, flags, _ = six[1].recvmsg(10, 1000)
    say(data, names(control), flags)


@subject
def ancillary_out():
    a, b = udp(bind=False), udp()
    for option in (IP_RECVTTL, IP_RECVTOS):
        b.setsockopt(socket.IPPROTO_IP, option, 1)
    control = [(0, 2, struct.pack("=i", 44)), (0, 1, struct.pack("=i", 0x20))]
    for _ in range(3):
        say(a.sendmsg([b"x"], control, 0, b.getsockname()), names(b.recvmsg(10, 100)[1]))
    source = (0, 8, struct.pack("=i4s4s", 0, socket.inet_aton("127.0.0.9"), bytes(4)))
    say(a.sendmsg([b"x"], [source], 0, b.getsockname()), b.recvfrom(10)[1][0])
    foreign = (0, 8, struct.pack("=i4s4s", 0, socket.inet_aton("192.0.2.9"), bytes(4)))
    say(result(a.sendmsg, [b"x"], [foreign], 0, b.getsockname()))
    say(result(a.sendmsg, [b"x"], [(0, 2, b"")], 0, b.getsockname()))
    say(result(a.sendmsg, [b"x"], [(0, 2, struct.pack("=i", 999))], 0, b.getsockname()))


@subject
def segmentation():
    a, b = pair()
    say(a.sendmsg([b"aaaabbbbcc"], [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", 4))]), [b.recv(100) for _ in range(3)])
    a.setsockopt(SOL_UDP, UDP_SEGMENT, 3)
    say(a.getsockopt(SOL_UDP, UDP_SEGMENT), a.send(b"123456"), [b.recv(100) for _ in range(2)])
    a.setsockopt(SOL_UDP, UDP_SEGMENT, 0)
    b.setsockopt(SOL_UDP, UDP_GRO, 1)
    say(b.getsockopt(SOL_UDP, UDP_GRO), a.send(b"plain"), b.recv(100))
    a.sendmsg([bytes(range(250)) * 40], [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", 1000))])
    data, control, flags, _ = b.recvmsg(70000, 100)
    say(len(data), data == bytes(range(250)) * 40, names(control), flags)
    a.setsockopt(SOL_UDP, UDP_CORK, 1)
    a.send(b"held ")
    say(a.send(b"together"), events(b, select.POLLIN, 100))
    a.setsockopt(SOL_UDP, UDP_CORK, 0)
    say(b.recv(100))
    say(a.send(b"more ", socket.MSG_MORE), a.send(b"and less"), b.recv(100))


@subject
def options():
    a = udp(bind=False)
    for level, name in ((1, socket.SO_TYPE), (1, socket.SO_DOMAIN), (1, socket.SO_PROTOCOL), (1, socket.SO_BROADCAST), (1, socket.SO_ERROR), (1, socket.SO_REUSEADDR), (0, 8), (0, 10), (0, socket.IP_MULTICAST_TTL), (0, socket.IP_MULTICAST_LOOP), (17, 104), (6, 1), (41, 26), (1, 30)):
        say(level, name, result(a.getsockopt, level, name))
    say(result(a.sendto, b"x", ("255.255.255.255", 9)))
    a.setsockopt(1, socket.SO_BROADCAST, 1)
    say(a.getsockopt(1, socket.SO_BROADCAST))
    first, second = udp(bind=False), udp(bind=False)
    for each in (first, second):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    first.bind(("127.0.0.1", 0))
    say(result(second.bind, first.getsockname()))
    say(result(a.setsockopt, socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0"), a.getsockopt(1, socket.SO_BINDTODEVICE, 16))
    say(result(a.setsockopt, 1, socket.SO_RCVBUF, 100000), a.getsockopt(1, socket.SO_RCVBUF))
    say(result(a.setsockopt, 6, 1, 1), result(a.setsockopt, 99, 1, 1), result(a.getsockopt, 99, 1))


@subject
def counting():
    import fcntl

    def count(made, number=FIONREAD):
        value = array.array("i", [-1])
        fcntl.ioctl(made, number, value)
        return value[0]

    a, b = pair()
    say(count(b))
    a.send(b"12345")
    readable(b)
    a.send(b"67")
    time.sleep(0.1)
    say(count(b), b.recv(2), count(b), b.recv(10), count(b), count(a, 0x5411))


@subject
def nothing_to_wait_for():
    for version in (4, 6):
        a, b = pair(version)
        c = udp(version)
        for made in (a, b, c):
            made.setblocking(False)
        say([a.send(b"%d" % number) and b.recv(10) for number in range(100)] == [b"%d" % n for n in range(100)])
        say([a.sendto(b"%d" % number, c.getsockname()) and c.recv(10) for number in range(100)][-1])
        say(result(b.recv, 10), result(c.recv, 10))


@subject
def waiting():
    a, b = pair()
    say(events(a), events(b))
    a.send(b"x")
    say(readable(b), events(b), b.recv(1), events(b))
    b.settimeout(0.2)
    start = time.monotonic()
    say(result(b.recv, 1), 0.15 < time.monotonic() - start < 1)
    b.settimeout(None)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
    start = time.monotonic()
    say(result(b.recv, 1), 0.15 < time.monotonic() - start < 1, result(b.recv, 1, socket.MSG_DONTWAIT))
    epoll = select.epoll()
    epoll.register(b, select.EPOLLIN | select.EPOLLET)
    for data in (b"one", b"two"):
        a.send(data)
        say([event for _, event in epoll.poll(5)])
    say(epoll.poll(0), b.recv(10), b.recv(10))
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
    threading.Timer(0.2, lambda: a.send(b"late")).start()
    say(b.recv(10))


@subject
def shut_down():
    a, b = pair()
    a.send(b"before")
    readable(b)
    b.shutdown(socket.SHUT_RD)
    b.settimeout(None)
    say(events(b, select.POLLIN | select.POLLOUT | select.POLLRDHUP), b.recv(10), b.recv(10))
    say(result(b.recv, 10, socket.MSG_DONTWAIT), a.send(b"after"))
    time.sleep(0.1)
    say(b.recv(10), b.send(b"still"), a.recv(10))
    b.shutdown(socket.SHUT_WR)
    say(events(b, select.POLLIN | select.POLLOUT | select.POLLRDHUP), result(b.send, b"x"))
    alone = udp(timeout=None)
    results = []
    closer = threading.Timer(0.2, lambda: results.append(result(alone.shutdown, socket.SHUT_RDWR)))
    closer.start()
    say(alone.recv(10))
    closer.join()
    say(results)


@subject
def interrupted():
    a, b = pair()
    b.settimeout(None)
    hits = []

    def handle(*_):
        hits.append(1)
        a.send(b"from the handler")

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    say(b.recv(100), hits)
    signal.signal(signal.SIGALRM, lambda *_: 1 / 0)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        b.recv(100)
    except ZeroDivisionError:
        say("interrupted")


@subject
def shared():
    a, b = pair()
    child = os.fork()
    if child == 0:
        b.send(b"from the child " + b.recv(100))
        os._exit(0)
    a.send(b"to the child")
    say(a.recv(100), os.waitpid(child, 0)[1])
    copy = socket.socket(fileno=os.dup(b.fileno()))
    a.send(b"to the copy")
    b.close()
    say(copy.recv(100), copy.type == socket.SOCK_DGRAM, copy.send(b"alive"), a.recv(10))
    near, far = socket.socketpair()
    fresh = udp()
    child = os.fork()
    if child == 0:
        passed = socket.recv_fds(far, 1, 1)[1][0]
        os.execv(sys.executable, [sys.executable, "-c", "import socket, sys, os; s = socket.socket(fileno=int(sys.argv[1])); "
                 "print(s.type, s.recv(100), s.sendto(b'out of exec', (sys.argv[2], int(sys.argv[3]))), flush=True)",
                 str(os.dup2(passed, 50)), *map(str, a.getsockname())])
    socket.send_fds(near, [b"x"], [fresh.fileno()])
    sender = udp(bind=False)
    sender.sendto(b"into exec", fresh.getsockname())
    status = os.waitpid(child, 0)[1]
    a.connect(fresh.getsockname())
    say(status, a.getpeername() == fresh.getsockname())


@subject
def order_and_loss():
    a, b = pair()
    received = []
    done = threading.Event()

    def receive():
        while len(received) < 3000:
            received.append(int(b.recv(100)[:8]))
        done.set()

    thread = threading.Thread(target=receive)
    thread.start()
    for number in range(3000):
        a.send(b"%08d" % number + bytes(number % 1000))
        # Not faster than a receiver of a small buffer takes them.
        while number - len(received) > 50:
            time.sleep(0.0005)
    done.wait(10)
    thread.join()
    say(received == list(range(3000)))


@subject
def multicast():
    group = "239.77.1.2"
    receiver = udp(bind=False)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    receiver.bind(("", 0))
    port = receiver.getsockname()[1]
    lo = socket.inet_aton("127.0.0.1")
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + lo)
    say(result(receiver.setsockopt, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + lo))
    sender = udp()
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, lo)
    say(sender.sendto(b"to the group", (group, port)), receiver.recvfrom(100)[0])
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, socket.inet_aton(group) + lo)
    index = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), 1)
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, index)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", bytes(4), bytes(4), 1))
    say(sender.sendto(b"by index", (group, port)), receiver.recvfrom(100)[0])
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, index)
    group_request = struct.pack("=I4xH2x4s8x", 1, socket.AF_INET, socket.inet_aton(group)) + bytes(112)
    receiver.setsockopt(socket.IPPROTO_IP, 42, group_request)
    say(sender.sendto(b"by group_req", (group, port)), receiver.recvfrom(100)[0])
    six = udp(6, bind=False, timeout=0)
    six.bind(("::", 0))
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff01::77") + struct.pack("=I", 1))
    out = udp(6, bind=False)
    out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, 1)
    say(result(out.sendto, b"six", ("ff01::77", six.getsockname()[1], 0, 1)), result(six.recv, 100))


@subject
def dual_stack():
    six = udp(6, bind=False)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    six.bind(("::", 0))
    four = udp()
    say(four.sendto(b"four", ("127.0.0.1", six.getsockname()[1])))
    data, address = six.recvfrom(10)
    say(data, address[0], six.sendto(b"answer", address), four.recv(10))


@subject
def many():
    a, b = pair()
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    class Header(ctypes.Structure):
        _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.POINTER(Vector)), ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int)]

    class Message(ctypes.Structure):
        _anonymous_ = ("header",)
        _fields_ = [("header", Header), ("length", ctypes.c_uint)]

    def messages(count, size):
        buffers = [ctypes.create_string_buffer(size) for _ in range(count)]
        vectors = [Vector(ctypes.addressof(buffer), size) for buffer in buffers]
        made = (Message * count)()
        for index in range(count):
            made[index].iov = ctypes.pointer(vectors[index])
            made[index].iovlen = 1
        return made, buffers, vectors

    made, buffers, vectors = messages(4, 70000)
    for index, size in enumerate((3, 0, 5, 70000)):
        vectors[index].length = size
        buffers[index].raw = (b"%d" % index * max(size, 1)).ljust(70000, b".")
    say("sendmmsg", libc.sendmmsg(a.fileno(), made, 4, 0), [message.length for message in made])
    say(libc.sendmmsg(a.fileno(), ctypes.byref(made[3]), 1, 0), errno.errorcode[ctypes.get_errno()])
    time.sleep(0.1)
    made, buffers, _ = messages(8, 10)
    say("recvmmsg", libc.recvmmsg(b.fileno(), made, 8, 0x10000, None), [made[i].length for i in range(4)], buffers[0].raw[:4], buffers[2].raw[:6])
    timeout = (ctypes.c_long * 2)(0, 200_000_000)
    threading.Timer(0.5, lambda: a.send(b"late")).start()
    b.settimeout(None)
    start = time.monotonic()
    say("with a time limit", libc.recvmmsg(b.fileno(), made, 8, 0, timeout), 0.4 < time.monotonic() - start < 2, list(timeout))
    say(libc.recvmmsg(b.fileno(), made, 8, socket.MSG_DONTWAIT, None), errno.errorcode[ctypes.get_errno()])


@subject
def an_error_behind_messages():
    import ctypes

    a, b = pair()
    libc = ctypes.CDLL(None, use_errno=True)
    b.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 0)
    for round_number in range(3):
        # The peer vanishes: what was received stays, then comes the error of what is sent to it.
        b.send(b"x")
        say(a.recv(10))
    a.send(b"one")
    a.send(b"two")
    a.close()
    say(b.send(b"to nobody"), select.select([b], [], [], 5)[0] == [b])
    time.sleep(0.1)
    say(result(b.recv, 10), result(b.recv, 10), result(b.recv, 10))
    b.setblocking(False)
    say(result(b.recv, 10))


@subject
def hard_cases():
    import ctypes

    a, b = pair()
    libc = ctypes.CDLL(None, use_errno=True)
    say(libc.send(a.fileno(), None, 4, 0), errno.errorcode[ctypes.get_errno()], libc.send(a.fileno(), None, 0, 0))
    say(b.recv(10))
    say(libc.readv(b.fileno(), None, 0), libc.write(a.fileno(), b"", 0), events(b, select.POLLIN, 200))
    say(b.recv(10), libc.read(b.fileno(), None, 0), libc.readv(b.fileno(), None, 0))
    vectors = [b"%d" % (index % 10) for index in range(1024)]
    say(os.writev(a.fileno(), vectors), len(b.recv(5000)), result(os.writev, a.fileno(), vectors + [b"x"]))
    say(result(os.pread, a.fileno(), 1, 0), result(os.lseek, a.fileno(), 0, 0))


@subject
def raw():
    if result(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) == "EPERM":
        return say("not permitted")
    echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    echo.settimeout(5)
    packet = bytearray(struct.pack("!BBHHH", 8, 0, 0, 77, 1) + b"payload!")
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", packet, 2, ~total & 0xFFFF)
    say(echo.sendto(packet, ("127.0.0.1", 0)))
    kinds = []
    while 0 not in kinds:
        data, address = echo.recvfrom(1000)
        if data[-8:] == b"payload!":
            kinds.append(data[20])
    say(kinds, address, len(data), data[-8:])
    echo.setsockopt(255, 1, struct.pack("=I", 0xFFFFFFFF))
    say(echo.getsockopt(255, 1, 4), result(echo.send, b"x"))
    own = socket.socket(socket.AF_INET, socket.SOCK_RAW, 222)
    own.settimeout(5)
    say(own.sendto(b"protocol 222", ("127.0.0.1", 0)), own.recv(100)[20:], own.getsockopt(1, socket.SO_PROTOCOL))
    six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 222)
    six.settimeout(5)
    say(six.sendto(b"six", ("::1", 0)), six.recv(100))


@subject
def ping():
    made = result(socket.socket, socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    if isinstance(made, str):
        return say(made)
    made.settimeout(5)
    say(made.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 1) + b"payload!", ("127.0.0.1", 0)))
    data, address = made.recvfrom(100)
    say(data[0], data[-8:], address[0])


def main():
    for each in SUBJECTS:
        if sys.argv[1:] and each.__name__ not in sys.argv[1:]:
            continue
        say(f"== {each.__name__}")
        try:
            each()
        except Exception as error:
            say(f"{type(error).__name__}: {error} at line {error.__traceback__.tb_next.tb_lineno}")
    say("done")


if __name__ == "__main__":
    main()
