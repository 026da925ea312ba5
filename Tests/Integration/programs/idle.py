"""An asyncio program that holds idle connections and a listener, and says its process and the connections' ends.

Arguments: port of the peer, number of connections, "listen" or "connect" (without a listener).
"""

import asyncio
import os
import sys


class Idle(asyncio.Protocol):
    def connection_lost(self, error):
        print(f"lost: {type(error).__name__}", flush=True)


async def main():
    loop = asyncio.get_running_loop()
    for _ in range(int(sys.argv[2])):
        await loop.create_connection(Idle, "127.0.0.1", int(sys.argv[1]))
    if sys.argv[3] == "listen":
        await loop.create_server(Idle, "127.0.0.1", 0)
    print(f"process {os.getpid()} waits", flush=True)
    await asyncio.sleep(60)


asyncio.run(main())
