/* The dprintf family: glibc's writes to the descriptor from inside, so a redirected one never sees its bytes. */
#include "CXenSockPreload.h"

static int print(int fd, int flag, const char *format, va_list arguments) {
    char room[1024];
    char *text = room;
    va_list again;
    va_copy(again, arguments);
    int size = __builtin___vsnprintf_chk(room, sizeof room, flag, sizeof room, format, arguments);
    if (size >= (int)sizeof room) {
        size_t needed = (size_t)size + 1;
        text = malloc(needed);
        if (text == NULL)
            size = -1;
        else
            size = __builtin___vsnprintf_chk(text, needed, flag, needed, format, again);
    }
    va_end(again);

    for (int sent = 0; sent < size;) {
        ssize_t count = xsWrite(fd, text + sent, (size_t)(size - sent));
        if (count <= 0)
            size = -1;
        else
            sent += (int)count;
    }
    if (text != room) {
        int kept = errno;
        free(text);
        errno = kept;
    }
    return size;
}

int xsVdprintf(int fd, const char *format, va_list arguments) {
    if (!xsIsRedirected(fd))
        return xsNextVdprintf(fd, format, arguments);
    return print(fd, 0, format, arguments);
}

int xsVdprintfChk(int fd, int flag, const char *format, va_list arguments) {
    if (!xsIsRedirected(fd))
        return xsNextVdprintfChk(fd, flag, format, arguments);
    return print(fd, flag, format, arguments);
}

int xsDprintf(int fd, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = xsVdprintf(fd, format, arguments);
    va_end(arguments);
    return size;
}

int xsDprintfChk(int fd, int flag, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = xsVdprintfChk(fd, flag, format, arguments);
    va_end(arguments);
    return size;
}
