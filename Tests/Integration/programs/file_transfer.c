// sendfile and copy_file_range to and from a socket: positions, counts, errors.
#include "common.h"
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

static int client, server, file;

static void connection(int type) {
    int listener = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = loopback(0);
    must("bind", bind(listener, (void *)&address, sizeof address));
    must("listen", listen(listener, 8));
    client = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    address = loopback(port_of(listener));
    must("connect", connect(client, (void *)&address, sizeof address));
    server = must("accept", accept4(listener, NULL, NULL, type));
    close(listener);
}

static void arrived(long count) {
    char text[65];
    print("  file at %ld:", (long)lseek(file, 0, SEEK_CUR));
    while (count > 0) {
        long part = must("recv", recv(server, text, count < 64 ? count : 64, MSG_WAITALL));
        text[part] = 0;
        print(" %s", text);
        count -= part;
    }
    print("\n");
}

static void transfer(const char *what, off_t *offset, size_t count) {
    long sent = say(what, sendfile(client, file, offset, count));
    if (offset != NULL) print("  offset %ld\n", (long)*offset);
    arrived(sent);
}

int main(void) {
    char path[] = "/tmp/transfer.XXXXXX";
    file = must("mkstemp", mkstemp(path));
    unlink(path);
    must("write", write(file, "0123456789abcdefghij", 20));
    must("lseek", lseek(file, 0, SEEK_SET));
    connection(0);
    transfer("from the position", NULL, 5);
    off_t offset = 10;
    transfer("from an offset", &offset, 4);
    transfer("the position is as it was", NULL, 2);
    offset = 15;
    transfer("beyond the end", &offset, 100);
    offset = 20;
    transfer("at the end", &offset, 100);
    offset = 4711;
    transfer("behind the end", &offset, 100);
    transfer("the rest", NULL, 100);
    transfer("no more", NULL, 100);
    offset = 0;
    transfer("nothing", &offset, 0);
    offset = -1;
    say("a negative offset", sendfile(client, file, &offset, 1));
    offset = 3;
    long sent = say("sendfile64", sendfile64(client, file, &offset, 3));
    print("  offset %ld\n", (long)offset);
    arrived(sent);

    int pair[2], directory = must("open", open("/", O_RDONLY)), counter = must("eventfd", eventfd(1, 0));
    must("pipe", pipe(pair));
    must("write", write(pair[1], "x", 1));
    int writing = must("open", open("/tmp", O_TMPFILE | O_WRONLY, 0600));
    say("from a pipe", sendfile(client, pair[0], NULL, 1));
    offset = 0;
    say("from a pipe at an offset", sendfile(client, pair[0], &offset, 1));
    say("from a directory", sendfile(client, directory, NULL, 1));
    say("from a counter", sendfile(client, counter, NULL, 1));
    say("from a file for writing", sendfile(client, writing, NULL, 1));
    say("from no file", sendfile(client, 4711, NULL, 1));
    say("to nobody", sendfile(4711, file, NULL, 1));
    say("from a socket to a file", sendfile(file, server, NULL, 1));
    offset = 0;
    say("from a socket at an offset", sendfile(file, server, &offset, 1));
    say("from a socket to a socket", sendfile(client, server, NULL, 1));
    say("copy_file_range to a socket", copy_file_range(file, NULL, client, NULL, 1, 0));
    say("copy_file_range from a socket", copy_file_range(client, NULL, file, NULL, 1, 0));
    int loose = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("lseek", lseek(file, 0, SEEK_SET));
    signal(SIGPIPE, SIG_IGN);
    say("to a socket without a peer", sendfile(loose, file, NULL, 1));
    print("  file at %ld\n", (long)lseek(file, 0, SEEK_CUR));

    // More than fits: a part is sent, and what was sent is what was counted.
    must("ftruncate", ftruncate(file, 64 << 20));
    must("F_SETFL", fcntl(client, F_SETFL, O_NONBLOCK));
    must("lseek", lseek(file, 0, SEEK_SET));
    long first = must("sendfile", sendfile(client, file, NULL, 64 << 20)), all = first;
    print("a part: %d, the position %d\n", first > 0 && first < 64 << 20, lseek(file, 0, SEEK_CUR) == first);
    long more = 0;
    while (more >= 0) {
        more = sendfile(client, file, NULL, 64 << 20);
        if (more > 0) all += more;
    }
    say("then", more);
    print("  the position %d\n", lseek(file, 0, SEEK_CUR) == all);
    shutdown(client, SHUT_WR);
    static char buffer[1 << 20];
    long seen = 0, part;
    while ((part = recv(server, buffer, sizeof buffer, 0)) > 0) seen += part;
    print("all of it: %d\n", seen == all);
    say("after the end", sendfile(client, file, NULL, 1));
    return done();
}
