"""Computing with vector registers, which go wrong if two domains that take turns on one processor share them."""

import hashlib
import os
import time


def compute(seconds: float):
    """Hashes and copies one block again and again; every result must be the same."""
    block = os.urandom(1 << 18)
    wanted = hashlib.sha256(block).digest()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        copy = bytearray(block)
        assert bytes(copy) == block, "a copy differs"
        assert hashlib.sha256(copy).digest() == wanted, "a hash differs"
