// A socket's number is closed where no library sees it, and used again by something else.
#include "cases.h"

static long raw_close(int fd) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(SYS_close), "D"(fd) : "rcx", "r11", "memory");
    return result;
}

int main(void) {
    int ends[2];
    char buffer[16];
    const char *path = "/proc/self/status";
    // both_ends closes its listener, whose number would be the next one.
    int placeholder = must("open", open("/dev/null", O_RDONLY));

    both_ends(ends);
    raw_close(ends[0]);
    await(ends[1], POLLIN);
    say("peer", recv(ends[1], buffer, 1, 0));
    say("use of it", send(ends[0], "x", 1, MSG_NOSIGNAL));
    int file = must("open", open(path, O_RDONLY));
    print("same number: %d\n", file == ends[0]);
    say("read of the file", read(file, buffer, 5));
    say("lseek", lseek(file, 0, SEEK_SET));
    say("recv", recv(file, buffer, 1, 0));
    say("close", close(file));
    close(ends[1]);

    // A pipe in its place, written and polled.
    both_ends(ends);
    raw_close(ends[0]);
    int pipes[2];
    must("pipe", pipe(pipes));
    print("same number: %d\n", pipes[0] == ends[0] || pipes[1] == ends[0]);
    must("write", write(pipes[1], "piped", 5));
    say_events("poll", events(pipes[0], POLLIN, 0));
    say("read", read(pipes[0], buffer, sizeof buffer));
    close(pipes[0]), close(pipes[1]), close(ends[1]);

    // Another socket in its place.
    both_ends(ends);
    int again[2];
    raw_close(ends[0]);
    raw_close(ends[1]);
    both_ends(again);
    tell(again[0], "another");
    say_text("same numbers, others", again[1]);
    tell(again[1], "back");
    say_text("same numbers, others", again[0]);

    // A local socket in its place.
    int local[2];
    raw_close(again[0]);
    raw_close(again[1]);
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, local));
    tell(local[0], "local");
    say_text("a pair", local[1]);
    raw_close(local[0]);
    say("its end", recv(local[1], buffer, 1, 0));
    close(local[1]);

    // stdio, which opens and closes behind every library's back.
    for (int round = 0; round < 3; round++) {
        both_ends(ends);
        raw_close(ends[1]);
        FILE *stream = fopen(path, "r");
        print("stdio at the number: %d, reads %d\n", fileno(stream) <= ends[1], fgetc(stream) == 'N');
        fclose(stream);
        both_ends(again);
        print("a socket after it: %d\n", again[0] <= ends[1] || again[1] <= ends[1]);
        tell(again[0], "after stdio");
        say_text("works", again[1]);
        close(again[0]), close(again[1]), close(ends[0]);
    }

    // dup2 by a raw call over a socket.
    both_ends(ends);
    long moved;
    int null = must("open", open("/dev/null", O_RDWR));
    __asm__ volatile("syscall" : "=a"(moved) : "0"(SYS_dup2), "D"(null), "S"(ends[0]) : "rcx", "r11", "memory");
    print("raw dup2: %d\n", moved == ends[0]);
    await(ends[1], POLLIN);
    say("peer", recv(ends[1], buffer, 1, 0));
    say("write to /dev/null", write(ends[0], "12345", 5));
    say("read of it", read(ends[0], buffer, 5));
    close(placeholder);
    return done();
}
