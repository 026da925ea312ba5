from xenlab import case, hear, linger, load, tell
from xenlab.conversations import echoes
from xenlab.family import FamilySocket, connected

kept = []
server = ("127.0.0.1", int(hear("server", 200)))
load("pvcalls-family")
hear("connected", 120)


@case("connects, echoes and listens", limit=60)
def _():
    echoes(connected(*server))
    kept.append(connected(*server))
    kept[0].sendall(b"echo\nkept")
    assert kept[0].recv(8) == b"kept"
    kept.append(FamilySocket())
    kept[1].bind(("127.0.0.1", 7005))
    kept[1].listen(4)
    tell("holds")


linger()
