#!/usr/bin/env python3
"""An ordinary asyncio echo server. It knows nothing of XenSock.

    xensock run --isolate -- ./echo_server.py 7007
"""

import asyncio
import sys


async def echo(reader, writer):
    print("connection from", writer.get_extra_info("peername"), flush=True)
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 7007)
    print("listening on", server.sockets[0].getsockname(), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
