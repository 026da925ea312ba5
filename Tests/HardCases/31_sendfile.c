// sendfile and copy_file_range with sockets: counts, offsets, ends of files, EAGAIN half-way.
#define _GNU_SOURCE
#include "cases.h"
#include <sys/mman.h>
#include <sys/sendfile.h>

int main(void) {
    int ends[2], file = must("memfd", memfd_create("case", 0)), pipes[2];
    static char block[1 << 20], got[1 << 20];
    fill(block, sizeof block, 0);
    must("write", write(file, block, 100000));
    both_ends(ends);
    off_t offset = 10;
    say("sendfile", sendfile(ends[0], file, &offset, 100));
    print("  offset %ld, file at %ld\n", (long)offset, (long)lseek(file, 0, SEEK_CUR));
    say("read", read_all(ends[1], got, 100));
    print("  intact %d\n", memcmp(got, block + 10, 100) == 0);
    lseek(file, 99990, SEEK_SET);
    say("at the file's offset", sendfile(ends[0], file, NULL, 100));
    print("  file at %ld\n", (long)lseek(file, 0, SEEK_CUR));
    say("at the end", sendfile(ends[0], file, NULL, 100));
    say("read", read_all(ends[1], got, 10));
    say("no bytes", sendfile(ends[0], file, NULL, 0));
    offset = -1;
    say("a bad offset", sendfile(ends[0], file, &offset, 5));

    // Large: the other side reads meanwhile.
    pid_t child = CHILD({
        close(ends[0]);
        memset(got, 0, sizeof got);
        long size = read_all(ends[1], got, sizeof got);
        print("child read %ld, intact %d\n", size, memcmp(got, block, size) == 0);
    });
    ftruncate(file, 0);
    lseek(file, 0, SEEK_SET);
    must("write", write(file, block, sizeof block));
    long sent = 0;
    for (offset = 0; sent < (long)sizeof block;) sent += must("sendfile", sendfile(ends[0], file, &offset, sizeof block));
    reap("child", child);
    print("sent %ld, offset %ld\n", sent, (long)offset);
    close(ends[0]), close(ends[1]);

    // Non-blocking: a part, then EAGAIN, the offset in step.
    both_ends(ends);
    nonblocking(ends[0]);
    long total = 0, one = 0;
    off_t at = 0;
    int size = 20;
    for (int round = 0; round < size; round++) {
        at = 0;
        while ((one = sendfile(ends[0], file, &at, sizeof block - at)) > 0) total += one;
        if (one < 0) break;
    }
    print("then: %s, offset in step %d\n", one < 0 ? strerrorname_np(errno) : "0", total % (long)sizeof block == at);
    long read = 0;
    for (long each; read < total; read += each) each = must("recv", recv(ends[1], got, sizeof got, 0));
    print("all read: %d\n", read == total);
    await(ends[0], POLLOUT);
    say("goes on", sendfile(ends[0], file, &(off_t){0}, 5));
    say("sendfile64", sendfile64(ends[0], file, &(off64_t){0}, 5));

    must("pipe", pipe(pipes));
    say("from a pipe", sendfile(ends[0], pipes[0], NULL, 5));
    say("copy_file_range to a socket", copy_file_range(file, &(off64_t){0}, ends[0], NULL, 5, 0));
    say("copy_file_range from a socket", copy_file_range(ends[1], NULL, file, NULL, 5, 0));
    int directory = open("/", O_RDONLY);
    say("from a directory", sendfile(ends[0], directory, NULL, 5));
    say("to one not connected", (signal(SIGPIPE, SIG_IGN), sendfile(socket(AF_INET, SOCK_STREAM, 0), file, &(off_t){0}, 5)));
    int writing = open("/dev/null", O_WRONLY);
    say("from what is not readable", sendfile(ends[0], writing, NULL, 5));
    return done();
}
