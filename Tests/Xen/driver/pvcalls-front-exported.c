// SPDX-License-Identifier: GPL-2.0
/* Linux's own frontend, unmodified, with its functions within reach of another module. */
#include "pvcalls-front.c"

EXPORT_SYMBOL_GPL(pvcalls_front_socket);
EXPORT_SYMBOL_GPL(pvcalls_front_connect);
EXPORT_SYMBOL_GPL(pvcalls_front_bind);
EXPORT_SYMBOL_GPL(pvcalls_front_listen);
EXPORT_SYMBOL_GPL(pvcalls_front_accept);
EXPORT_SYMBOL_GPL(pvcalls_front_sendmsg);
EXPORT_SYMBOL_GPL(pvcalls_front_recvmsg);
EXPORT_SYMBOL_GPL(pvcalls_front_poll);
EXPORT_SYMBOL_GPL(pvcalls_front_release);
