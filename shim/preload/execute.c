/* The exec functions with their arguments in a list: each makes an array of it, as libc's own do. */
#include "CXenSockPreload.h"

/* Calls `call` with the arguments as an array, and with the one behind their NULL as `environment`. */
#define WITH_ARGUMENTS(argument, call)                                       \
    va_list list;                                                            \
    size_t count = 1;                                                        \
    va_start(list, argument);                                                \
    for (const char *next = argument; next != NULL; next = va_arg(list, char *)) \
        count++;                                                             \
    va_end(list);                                                            \
    char *arguments[count];                                                  \
    va_start(list, argument);                                                \
    arguments[0] = (char *)argument;                                         \
    for (size_t index = 1; index < count; index++)                           \
        arguments[index] = va_arg(list, char *);                             \
    int result = call;                                                       \
    va_end(list);                                                            \
    return result

int xsExecl(const char *path, const char *argument, ...) {
    WITH_ARGUMENTS(argument, xsExecv(path, arguments));
}

int xsExeclp(const char *file, const char *argument, ...) {
    WITH_ARGUMENTS(argument, xsExecvp(file, arguments));
}

int xsExecle(const char *path, const char *argument, ...) {
    WITH_ARGUMENTS(argument, xsExecve(path, arguments, va_arg(list, char **)));
}
