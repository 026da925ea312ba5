// POSIX asynchronous I/O on a connection, and io_uring's poll of it.
#define _GNU_SOURCE
#include "cases.h"
#include <aio.h>

int main(void) {
    int ends[2];
    char buffer[32] = {0};
    both_ends(ends);
    struct aiocb reading = {.aio_fildes = ends[0], .aio_buf = buffer, .aio_nbytes = sizeof buffer};
    say("aio_read", aio_read(&reading));
    print("under way: %d\n", aio_error(&reading) == EINPROGRESS);
    tell(ends[1], "asynchronous");
    const struct aiocb *list[] = {&reading};
    say("aio_suspend", aio_suspend(list, 1, &(struct timespec){10, 0}));
    print("%d %ld %s\n", aio_error(&reading), (long)aio_return(&reading), buffer);
    struct aiocb writing = {.aio_fildes = ends[0], .aio_buf = "written", .aio_nbytes = 7};
    list[0] = &writing;
    say("aio_write", aio_write(&writing));
    say("aio_suspend", aio_suspend(list, 1, &(struct timespec){10, 0}));
    print("%d %ld\n", aio_error(&writing), (long)aio_return(&writing));
    say_text("peer", ends[1]);
    return done();
}
