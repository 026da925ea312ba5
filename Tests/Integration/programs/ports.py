"""Ports that stay free."""

import random
import socket


def dead_port():
    """A UDP port that no socket has. It is below those that the kernel gives: of them, natively too, it may give the same
    one to the socket that is about to send there."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
