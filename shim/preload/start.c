#include "CXenSockPreload.h"

/* Sources/XenSockPreload/Start.swift */
void xsStart(void);

/* Waits go through libc's functions, so that they are cancellation points. */
__attribute__((constructor)) static void start(void) {
    xs_waiting_calls.recv = xsNextRecv;
    xs_waiting_calls.ppoll = xsNextPpoll;
    xs_waiting_calls.recvmsg = xsNextRecvmsg;
    xs_waiting_calls.sendmsg = xsNextSendmsg;
    xsStart();
}
