/* Transfers from descriptor to descriptor, and streams on descriptors. */
#define _GNU_SOURCE
#include "symbols.h"
#include <aio.h>
#include <sys/syscall.h>

static bool sendfile_works(void *function, subject *on) {
    ssize_t (*call)(int, int, off_t *, size_t) = (ssize_t(*)(int, int, off_t *, size_t))function;
    int file = file_with("__text__");
    off_t offset = 2;
    bool works = call(on->near, file, &offset, 4) == 4 && offset == 6 && arrives(on->far, "text");
    works = works && call(on->near, file, NULL, 3) == 3 && lseek(file, 0, SEEK_CUR) == 3 && arrives(on->far, "__t");
    works = works && fails(call(file, on->near, NULL, 1), EINVAL);
    close(file);
    return works;
}

typedef ssize_t (*splice_function)(int, off_t *, int, off_t *, size_t, unsigned);

static bool splice_works(void *function, subject *on) {
    splice_function call = (splice_function)function;
    int pair[2];
    char text[5] = "";
    if (pipe(pair) != 0 || write(pair[1], "text", 4) != 4) return false;
    bool works = call(pair[0], NULL, on->near, NULL, 4, 0) == 4 && arrives(on->far, "text");
    works = works && sends(on->far, "back") && recv(on->near, text, 4, MSG_PEEK | MSG_WAITALL) == 4;
    works = works && call(on->near, NULL, pair[1], NULL, 4, 0) == 4 && read(pair[0], text, 4) == 4 && strcmp(text, "back") == 0;
    close(pair[0]);
    close(pair[1]);
    return works;
}

static bool tee_works(void *function, subject *on) {
    ssize_t (*call)(int, int, size_t, unsigned) = (ssize_t(*)(int, int, size_t, unsigned))function;
    int first[2], second[2];
    char text[5] = "";
    bool works = pipe(first) == 0 && pipe(second) == 0 && write(first[1], "text", 4) == 4;
    works = works && call(first[0], second[1], 4, 0) == 4 && read(second[0], text, 4) == 4 && strcmp(text, "text") == 0;
    works = works && fails(call(first[0], on->near, 4, 0), EINVAL) && fails(call(on->near, second[1], 4, 0), EINVAL);
    for (int i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
    }
    return works;
}

static bool vmsplice_works(void *function, subject *on) {
    ssize_t (*call)(int, const struct iovec *, size_t, unsigned) =
        (ssize_t(*)(int, const struct iovec *, size_t, unsigned))function;
    struct iovec vector = {"text", 4};
    int pair[2];
    char text[5] = "";
    bool works = pipe(pair) == 0 && call(pair[1], &vector, 1, 0) == 4 && read(pair[0], text, 4) == 4;
    works = works && strcmp(text, "text") == 0 && fails(call(on->near, &vector, 1, 0), EBADF);
    close(pair[0]);
    close(pair[1]);
    return works;
}

static bool copy_file_range_works(void *function, subject *on) {
    splice_function call = (splice_function)function;
    int from = file_with("text"), to = file_with("");
    char text[5] = "";
    bool works = call(from, NULL, to, NULL, 4, 0) == 4 && pread(to, text, 4, 0) == 4 && strcmp(text, "text") == 0;
    works = works && fails(call(from, NULL, on->near, NULL, 4, 0), EINVAL) && fails(call(on->near, NULL, to, NULL, 4, 0), EINVAL);
    close(from);
    close(to);
    return works;
}

static bool fdopen_works(void *function, subject *on) {
    FILE *stream = ((FILE * (*)(int, const char *)) function)(dup(on->near), "r+");
    char line[16] = "";
    bool works = stream != NULL && fprintf(stream, "te%s", "xt") == 4 && fflush(stream) == 0 && arrives(on->far, "text");
    works = works && sends(on->far, "line\n") && fgets(line, sizeof line, stream) != NULL && strcmp(line, "line\n") == 0;
    return works && fclose(stream) == 0;
}

static int printed(void *function, const char *symbol, int fd, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int count = strcmp(symbol, "vdprintf") == 0
        ? ((int (*)(int, const char *, va_list))function)(fd, format, list)
        : ((int (*)(int, int, const char *, va_list))function)(fd, 1, format, list);
    va_end(list);
    return count;
}

static bool vdprintf_works(void *function, subject *on) {
    return printed(function, on->symbol, on->near, "%s%d", "te", 42) == 4 && arrives(on->far, "te42");
}

static bool dprintf_works(void *function, subject *on) {
    int count = strcmp(on->symbol, "dprintf") == 0
        ? ((int (*)(int, const char *, ...))function)(on->near, "%s%d", "te", 42)
        : ((int (*)(int, int, const char *, ...))function)(on->near, 1, "%s%d", "te", 42);
    return count == 4 && arrives(on->far, "te42");
}

static bool syscall_works(void *function, subject *on) {
    long (*call)(long, ...) = (long (*)(long, ...))function;
    char room[8];
    int pair[2];
    bool works = call(SYS_write, on->near, "text", 4L) == 4 && arrives(on->far, "text");
    works = works && sends(on->far, "text") && recv(on->near, room, 4, MSG_PEEK | MSG_WAITALL) == 4 &&
        call(SYS_recvfrom, on->near, room, 8L, 0L, NULL, NULL) == 4 && memcmp(room, "text", 4) == 0;
    long fd = call(SYS_socket, on->redirected ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
    works = works && fd >= 0 && call(SYS_close, fd) == 0 && fails(call(SYS_close, fd), EBADF);
    works = works && call(SYS_fcntl, on->near, F_GETFD, 0L) == 0 && call(SYS_pipe2, pair, O_CLOEXEC) == 0;
    works = works && call(SYS_write, pair[1], "text", 4L) == 4 && call(SYS_read, pair[0], room, 8L) == 4;
    works = works && call(SYS_getpid) == getpid() && fails(call(4711L), ENOSYS);
    /* All six arguments of a number that means nothing to sockets. */
    void *memory = (void *)call(SYS_mmap, NULL, 4096L, 3L, 0x22L, -1L, 0L);
    works = works && memory != (void *)-1 && call(SYS_munmap, memory, 4096L) == 0;
    close(pair[0]);
    close(pair[1]);
    return works;
}

/* Waits for an operation; its result. */
static ssize_t result_of(struct aiocb *block) {
    const struct aiocb *const list[] = {block};
    struct timespec limit = {2, 0};
    while (aio_error(block) == EINPROGRESS)
        if (aio_suspend(list, 1, &limit) != 0) return -1;
    return aio_return(block);
}

static bool aio_works(void *function, subject *on) {
    char room[4];
    struct aiocb reading = {.aio_fildes = on->near, .aio_buf = room, .aio_nbytes = 4, .aio_lio_opcode = LIO_READ};
    struct aiocb writing = {.aio_fildes = on->near, .aio_buf = "text", .aio_nbytes = 4, .aio_lio_opcode = LIO_WRITE};
    struct aiocb *const both[] = {&reading, NULL, &writing};
    if (strncmp(on->symbol, "aio_write", 9) == 0)
        return ((int (*)(struct aiocb *))function)(&writing) == 0 && result_of(&writing) == 4 && arrives(on->far, "text");
    if (strncmp(on->symbol, "aio_read", 8) == 0) {
        /* It does not wait for what it reads. */
        bool works = ((int (*)(struct aiocb *))function)(&reading) == 0 && aio_error(&reading) == EINPROGRESS;
        return works && sends(on->far, "text") && result_of(&reading) == 4 && memcmp(room, "text", 4) == 0;
    }
    bool works = sends(on->far, "back") &&
        ((int (*)(int, struct aiocb *const *, int, struct sigevent *))function)(LIO_WAIT, both, 3, NULL) == 0;
    return works && result_of(&reading) == 4 && memcmp(room, "back", 4) == 0 && result_of(&writing) == 4 && arrives(on->far, "text");
}

const symbol_case transfer_cases[] = {
    {"sendfile sendfile64", sendfile_works},
    {"splice", splice_works},
    {"tee", tee_works},
    {"vmsplice", vmsplice_works},
    {"copy_file_range", copy_file_range_works},
    {"aio_read aio_read64 aio_write aio_write64 lio_listio lio_listio64", aio_works},
    {NULL, NULL},
};

const symbol_case stream_cases[] = {
    {"fdopen _IO_fdopen", fdopen_works},
    {"vdprintf __vdprintf_chk", vdprintf_works},
    {"dprintf __dprintf_chk", dprintf_works},
    {"syscall", syscall_works},
    {NULL, NULL},
};
