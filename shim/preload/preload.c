#include "CXenSockPreload.h"

long xsWithTransferBuffer(long (*body)(void *context, void *buffer, size_t size), void *context) {
    _Alignas(64) char buffer[65536];
    return body(context, buffer, sizeof buffer);
}
