"""The service dies, or stops reading, at each step of a program's life."""

from harness import layout
from harness.case import Case

from .status import after_connect, under_way

GROUP = "death"

STEPS = "socket connect send:10 recv:10 poll:20 peername:16 error shutdown:2 close socket"
DOWN = "close=0 socket=ENETDOWN|ok"


def at(command):
    return {command: lambda session, request: session.service.die()}


def after(command):
    def answer(session, request):
        session.perform(request)
        session.service.die()

    return {command: answer}


def with_data(session, port):
    session.publish(port, b"0123456789")
    session.service.die()


def at_port(session, port):
    session.service.die()


def deaf():
    """After the connect no frame is read; requests are still answered."""

    def connect(session, request):
        session.perform(request)
        session.service.case.reads = False

    def make(session, request):
        session.perform(request) if session.service.case.reads else session.answer(request)

    return {layout.CONNECT: connect, layout.SOCKET: make}


CASES = [
    Case("at PORT", "socket connect close", "socket=ENETDOWN", port=at_port),
    Case("at SOCKET", "socket connect close", "socket=ENETDOWN", requests=at(layout.SOCKET)),
    Case("after SOCKET", "socket connect close socket", "connect=ENETDOWN", requests=after(layout.SOCKET)),
    Case("at CONNECT", STEPS, "connect=ENETDOWN", requests=at(layout.CONNECT)),
    Case("after CONNECT", STEPS, requests=after(layout.CONNECT)),
    Case("while a connect is under way", STEPS, "connect=ENETDOWN|ECONNRESET|ECONNABORTED",
         requests=under_way(lambda session, port: session.service.die())),
    Case("with data in the ring", "socket connect sleep:50 recv:10 recv:10 send:10 close",
         "recv:10=10|ECONNRESET|ENETDOWN",
         requests=after_connect(with_data)),
    Case("while a receive waits", "socket connect send:1 recv:10 recv:10 close", "recv:10=ECONNRESET|ENETDOWN|1|0",
         requests=after(layout.CONNECT)),
    Case("while a send waits", "socket connect timeout:2000 write:3000000 close", echoes=False,
         requests={layout.CONNECT: after(layout.CONNECT)[layout.CONNECT]}),
    Case("at GETPEERNAME", STEPS, "peername:16=ENETDOWN", requests=at(layout.GETPEERNAME)),
    Case("at LISTEN", "socket bind listen accept close", "listen=ENETDOWN", requests=at(layout.LISTEN)),
    Case("after LISTEN", "socket bind listen accept close", "accept=ENETDOWN", requests={
        layout.LISTEN: lambda s, r: (s.set_state(s.sockets[r.id], layout.LISTENING), s.answer(r), s.service.die())}),
    Case("at ACCEPT", "socket bind listen accept close", "accept=ENETDOWN", requests=at(layout.ACCEPT)),
    Case("at RELEASE", "socket bind close", "close=0", requests=at(layout.RELEASE)),
    Case("while threads ask", "socket connect threads:8 close", requests=at(layout.GETSOCKOPT), cpu=2),
    Case("the service reads nothing more", "socket connect sockets:2000", requests=deaf(), ports=4096, cpu=3),
    Case("the service reads nothing more, and SIGTERM", "socket connect sockets:2000", requests=deaf(), ports=4096,
         blocks=2,
         cpu=3),
]
