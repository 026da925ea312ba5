"""An asyncio server that echoes, at the address and port of the arguments, until its standard input ends."""

import asyncio
import sys


async def serve(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except ConnectionError as error:
        print(f"lost a connection: {type(error).__name__}", flush=True)
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, sys.argv[1], int(sys.argv[2]))
    print(f"serving {server.sockets[0].getsockname()[:2]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
