"""An asyncio client that sends to an echoing server, on many connections at once, and compares what comes back.

Arguments: address, port, number of connections, bytes of each.
"""

import asyncio
import sys


async def exchange(address, port, number, size):
    block = bytes((number + index) % 251 for index in range(251))
    sent = (block * (size // 251 + 1))[:size]
    reader, writer = await asyncio.open_connection(address, port)

    async def send():
        for start in range(0, size, 50_000):
            writer.write(sent[start : start + 50_000])
            await writer.drain()
        writer.write_eof()

    _, received = await asyncio.gather(send(), reader.read())
    assert writer.get_extra_info("peername")[:2] == (address, port)
    writer.close()
    await writer.wait_closed()
    return received == sent


async def main():
    address, port, connections, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    results = await asyncio.gather(*(exchange(address, port, number, size) for number in range(connections)))
    print(f"{sum(results)} of {connections} the same")


asyncio.run(main())
