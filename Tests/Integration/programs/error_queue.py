"""What a datagram socket shows and receives while its error queue is not empty."""

import select
import socket
import time

from ports import dead_port

MSG_ERRQUEUE, IP_RECVERR, SO_SELECT_ERR_QUEUE = 0x2000, 11, 45
names = {select.POLLIN: "IN", select.POLLPRI: "PRI", select.POLLERR: "ERR"}


def shown(receiver):
    poll = select.poll()
    poll.register(receiver, select.POLLIN | select.POLLPRI)
    events = sum(event for _, event in poll.poll(2000))
    return " ".join(name for bit, name in names.items() if events & bit)


def selected(receiver):
    return [len(found) for found in select.select([receiver], [], [receiver], 2)]


closed = ("127.0.0.1", dead_port())
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
receiver.settimeout(3)
receiver.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for urgent in (0, 1):
    receiver.setsockopt(socket.SOL_SOCKET, SO_SELECT_ERR_QUEUE, urgent)
    print(receiver.getsockopt(socket.SOL_SOCKET, SO_SELECT_ERR_QUEUE))
    receiver.sendto(b"nobody", closed)
    time.sleep(0.2)
    print(receiver.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), shown(receiver), selected(receiver))
    for number in range(4):
        sender.sendto(b"%d" % number, receiver.getsockname())
        print(receiver.recv(10))
        time.sleep(0.05)
    print(shown(receiver), selected(receiver))
    print(receiver.recvmsg(10, 500, MSG_ERRQUEUE)[0])
    sender.sendto(b"data", receiver.getsockname())
    print(shown(receiver), selected(receiver), receiver.recv(10))
