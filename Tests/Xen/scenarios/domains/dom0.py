import ctypes
import os
import socket
from pathlib import Path

from vectors import compute
from xenlab import case, eventually, guest, start
from xenlab.leaks import channels, descriptors, domains, mapped_grants, mappings
from xenlab.traffic import Server

one = guest("guest")
routed = guest("routed")
server = Server("0.0.0.0")
routed.tell("port", server.port)


@case("runs on Xen, as the control domain")
def _():
    assert "control_d" in Path("/proc/xen/capabilities").read_text()
    assert domains() == {0, one.id, routed.id}


@case("exchanges words with the guest")
def _():
    assert one.hear("greeting") == "from the guest"
    one.tell("greeting", "from dom0")


@case("computes the same while a guest computes: vector registers are each domain's own")
def _():
    one.hear("computing")
    compute(2)


@case("has the programs that the scenario wants, with their libraries")
def _():
    with start(["redis-server", "--port", "6379", "--save", ""]) as redis:
        redis.await_output("Ready to accept connections")
        with socket.create_connection(("127.0.0.1", 6379), 10) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(16) == b"+PONG\r\n"
        assert descriptors(redis.pid)["socket"] > 0


@case("finds a page that it maps in Xen's table, and no more once it is unmapped")
def _():
    reference = int(one.hear("reference"))
    library = ctypes.CDLL("libxengnttab.so.1", use_errno=True)
    library.xengnttab_open.restype = library.xengnttab_map_grant_ref.restype = ctypes.c_void_p
    table = ctypes.c_void_p(library.xengnttab_open(None, 0))
    page = library.xengnttab_map_grant_ref(table, one.id, reference, 3)
    assert page, os.strerror(ctypes.get_errno())
    assert ctypes.string_at(page) == b"from the guest"
    assert reference in {grant.reference for grant in mapped_grants(one.id) if grant.mapper == 0}
    assert mappings(os.getpid()) == 1 and descriptors(os.getpid())["/dev/xen/gntdev"] == 1
    assert library.xengnttab_unmap(table, ctypes.c_void_p(page), 1) == 0
    library.xengnttab_close(table)
    assert reference not in {grant.reference for grant in mapped_grants(one.id)}
    assert mappings(os.getpid()) == 0
    one.tell("unmapped")


@case("sees the guest's channels to dom0")
def _():
    assert any(channel.state == "interdomain" and channel.remote == 0 for channel in channels(one.id))


@case("destroys a guest, of which nothing is left")
def _():
    routed.hear("measured")
    assert routed.ended.wait(60)
    routed.destroy()
    eventually(lambda: routed.id not in domains())
    one.tell("done")
