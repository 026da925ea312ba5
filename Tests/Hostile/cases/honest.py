"""An honest service: what the other cases are measured by."""

from harness.case import Case

GROUP = "honest"

CASES = [
    Case(
        "a client's calls succeed",
        "socket connect setoption send:5000 recvall:5000 peername:16 sockname:16 fionread option:4 shutdown:1 close",
        "socket=ok connect=0 setoption=0 send:5000=5000 recvall:5000=5000 peername:16=16 sockname:16=16 fionread=0"
        " option:4=4 shutdown:1=0 close=0",
    ),
    Case(
        "a server's calls succeed",
        "socket bind listen accept send:10 recvall:10 close closelistener",
        "socket=ok bind=0 listen=0 accept=ok send:10=10 recvall:10=10 close=0 closelistener=0",
    ),
    Case(
        "a forked child goes on with the socket",
        "socket connect fork send:10 recvall:10 peername:16 close",
        "send:10=10 recvall:10=10 peername:16=16 close=0",
    ),
    Case(
        "an executed program goes on with the socket",
        "socket connect exec send:10 recvall:10 peername:16 close",
        "send:10=10 recvall:10=10 peername:16=16 close=0",
    ),
    Case("many threads ask at a time", "socket connect threads:8 send:10 recvall:10", "threads:8=0 recvall:10=10",
         cpu=3),
]
