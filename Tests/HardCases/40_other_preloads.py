"""Other libraries before and behind ours in LD_PRELOAD, a scrubbed environment, threads at exit."""

import os
import socket
import subprocess
import sys
import tempfile

server = socket.create_server(("127.0.0.1", 0))
address = server.getsockname()
client = (
    "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.sendall(b'hello');"
    " print(s.recv(5), flush=True)"
)


def served(what, environment):
    process = subprocess.Popen(
        [sys.executable, "-c", client, str(address[1])], env=environment, stdout=subprocess.PIPE, text=True
    )
    server.settimeout(20)
    connection = server.accept()[0]
    connection.sendall(connection.recv(5).upper())
    print(what, process.communicate()[0].strip(), process.returncode)


with tempfile.TemporaryDirectory() as directory:
    source = f"{directory}/wrap.c"
    library = f"{directory}/wrap.so"
    with open(source, "w", encoding="ascii") as file:
        file.write(
            """
            #define _GNU_SOURCE
            #include <dlfcn.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <sys/socket.h>
            #include <unistd.h>
            static int calls;
            int socket(int domain, int type, int protocol) {
                static int (*next)(int, int, int);
                if (!next) next = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
                calls++;
                return next(domain, type, protocol);
            }
            __attribute__((constructor)) static void early(void) { close(socket(AF_INET, SOCK_STREAM, 0)); }
            """
        )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    ours = os.environ.get("LD_PRELOAD", "")
    served("alone", dict(os.environ))
    served("before ours", os.environ | {"LD_PRELOAD": f"{library}:{ours}"})
    served("behind ours", os.environ | {"LD_PRELOAD": f"{ours}:{library}" if ours else library})
print("threads at exit:", end=" ", flush=True)
program = """
import socket, threading, sys, os
s = socket.create_server(("127.0.0.1", 0))
for _ in range(4):
    threading.Thread(target=s.accept, daemon=True).start()
c = socket.create_connection(s.getsockname())
print(c.getpeername() == s.getsockname(), flush=True)
os._exit(3)
"""
print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30).stdout.strip())
