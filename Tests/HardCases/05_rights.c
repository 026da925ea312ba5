// SCM_RIGHTS: sockets and other files in one message, both ways, many at once, truncated, and as the only reference.
#include "cases.h"

static long send_fds(int over, const int *fds, int count) {
    char control[CMSG_SPACE(256 * sizeof(int))] = {0}, byte = 'f';
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    return sendmsg(over, &message, 0);
}

static int receive_fds(int over, int *fds, int room, int flags, int *truncated) {
    char control[CMSG_SPACE(253 * sizeof(int))], byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(room * sizeof(int))};
    must("recvmsg", recvmsg(over, &message, flags));
    if (truncated) *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS) return 0;
    int count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    return count;
}

int main(void) {
    int pair[2], ends[2], got[256], pipes[2], truncated;
    char buffer[16];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    both_ends(ends);
    must("pipe", pipe(pipes));
    int server = listener(), file = must("open", open("/etc/hostname", O_RDONLY));

    // To a child that was there before the sockets were.
    int early[2];
    must("socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, early));
    pid_t child = CHILD({
        int fds[8], count = receive_fds(early[1], fds, 8, 0, NULL);
        // The parent's line comes first.
        must("recv", recv(early[1], buffer, 1, 0));
        print("child receives %d\n", count);
        struct stat status;
        for (int index = 0; index < 4; index++) {
            must("fstat", fstat(fds[index], &status));
            print("  %s\n", S_ISSOCK(status.st_mode) ? "socket" : S_ISFIFO(status.st_mode) ? "pipe" : "file");
        }
        tell(fds[0], "child's word");
        must("write", write(fds[1], "piped", 5));
        int fd = must("accept", accept(fds[2], NULL, NULL));
        say_text("child accepted", fd);
        // And one of its own back.
        int mine = listener();
        int back[2] = {mine, fd};
        must("send_fds", send_fds(early[1], back, 2));
    });
    say("mixed", send_fds(early[0], (int[]){ends[0], pipes[1], server, file}, 4));
    must("send", send(early[0], "x", 1, 0));
    say_text("peer", ends[1]);
    say("pipe", read(pipes[0], buffer, 5));
    int fd = connected(port_of(server));
    tell(fd, "for the child");
    print("back: %d\n", receive_fds(early[0], got, 8, MSG_CMSG_CLOEXEC, NULL));
    reap("child", child);
    print("close-on-exec: %d %d\n", fcntl(got[0], F_GETFD), fcntl(got[1], F_GETFD));
    int client = connected(port_of(got[0])), accepted = must("accept", accept(got[0], NULL, NULL));
    tell(client, "on the dead child's listener");
    say_text("accepted", accepted);
    tell(got[1], "on the dead child's connection");
    say_text("client", fd);

    // As the only reference, in flight: still open, and closed when the message is dropped.
    int lonely[2];
    both_ends(lonely);
    must("send_fds", send_fds(pair[0], lonely, 1));
    close(lonely[0]);
    say_events("in flight", events(lonely[1], POLLIN | POLLRDHUP, 100));
    tell(lonely[1], "sent meanwhile");
    print("landed: %d\n", receive_fds(pair[1], got, 1, 0, NULL));
    say_text("read", got[0]);
    must("send_fds", send_fds(pair[0], got, 1));
    close(got[0]);
    close(pair[0]), close(pair[1]);
    await(lonely[1], POLLIN);
    say("dropped in flight", recv(lonely[1], buffer, 1, 0));

    // Itself received twice, and a message that is cut short.
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    must("send_fds", send_fds(pair[0], (int[]){ends[0], ends[0]}, 2));
    print("twice: %d\n", receive_fds(pair[1], got, 4, 0, &truncated));
    close(ends[0]), close(got[0]);
    tell(got[1], "by the third name");
    say_text("peer", ends[1]);
    must("send_fds", send_fds(pair[0], (int[]){got[1], got[1], got[1]}, 3));
    print("too little room: %d", receive_fds(pair[1], got + 8, 1, 0, &truncated));
    print(", truncated %d\n", truncated);

    // Many: as many as one message holds.
    int many[254];
    must("listen", listen(server, 128));
    for (int index = 0; index < 250; index++) many[index] = index % 5 == 0 ? connected(port_of(server)) : dup(file);
    say("many", send_fds(pair[0], many, 250));
    for (int index = 0; index < 250; index++) close(many[index]);
    int count = receive_fds(pair[1], got, 253, 0, &truncated), sockets = 0, good = 0;
    for (int index = 0; index < count; index++) {
        struct sockaddr_in name;
        socklen_t length = sizeof name;
        if (getpeername(got[index], (struct sockaddr *)&name, &length) < 0) continue;
        sockets++;
        int other = must("accept", accept(server, NULL, NULL));
        tell(other, "x");
        close(other);
    }
    for (int index = 0; index < count; index += 5) good += recv(got[index], buffer, 2, MSG_WAITALL) == 1;
    print("received %d, sockets %d, read %d, truncated %d\n", count, sockets, good, truncated);
    say("one too many", send_fds(pair[0], many, 254));
    many[0] = -1;
    say("a bad one", send_fds(pair[0], many, 1));
    return done();
}
