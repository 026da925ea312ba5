// What is no network: sockets of AF_UNIX, pipes and files, with passed descriptors, names and all kinds of waiting.
#include "common.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

static void pass(int through, int fd) {
    char byte = 'f', control[CMSG_SPACE(sizeof fd)] = "";
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    say("sendmsg", sendmsg(through, &message, 0));
}

static int passed(int through) {
    char byte, control[CMSG_SPACE(sizeof(int))];
    int fd = -1;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    say("recvmsg", recvmsg(through, &message, 0));
    if (CMSG_FIRSTHDR(&message)) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

int main(void) {
    int pair[2], ends[2];
    char buffer[32] = "";
    say("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    say("pipe2", pipe2(ends, O_CLOEXEC));
    pass(pair[0], ends[1]);
    int writer = passed(pair[1]);
    say("write", write(writer, "through", 7));
    say("read", read(ends[0], buffer, sizeof buffer));
    print("%s\n", buffer);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "local.sock"};
    int server = must("socket", socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    int client = must("socket", socket(AF_UNIX, SOCK_SEQPACKET, 0));
    say("bind", bind(server, (struct sockaddr *)&name, sizeof name));
    say("listen", listen(server, 4));
    say("connect", connect(client, (struct sockaddr *)&name, sizeof name));
    int accepted = must("accept", accept4(server, NULL, NULL, SOCK_CLOEXEC));
    print("flags %#x %d\n", fcntl(accepted, F_GETFL), fcntl(accepted, F_GETFD));
    say("send", send(client, "packet", 6, MSG_EOR));
    int set = must("epoll_create1", epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    say("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, accepted, &event));
    say("epoll_wait", epoll_wait(set, &event, 1, 1000));
    int waiting = 0;
    say("FIONREAD", ioctl(accepted, FIONREAD, &waiting));
    say("recv", recv(accepted, buffer, 3, MSG_TRUNC));
    struct ucred who = {0};
    socklen_t length = sizeof who;
    say("SO_PEERCRED", getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &who, &length));
    print("%s\n", who.pid == getpid() ? "ourselves" : "somebody");
    length = sizeof name;
    say("getpeername", getpeername(client, (struct sockaddr *)&name, &length));
    print("%s\n", name.sun_path);
    close(client);
    say("recv at the end", recv(accepted, buffer, 3, 0));
    say("unlink", unlink(name.sun_path));

    int file = must("open", open("file", O_RDWR | O_CREAT | O_EXCL, 0600));
    say("write", write(file, "0123456789", 10));
    say("lseek", lseek(file, 4, SEEK_SET));
    say("dup2", dup2(file, 40));
    say("read", read(40, buffer, 3));
    struct stat status;
    say("fstat", fstat(40, &status));
    print("%ld bytes, mode %o\n", (long)status.st_size, status.st_mode);
    say("close", close(40));
    say("close again", close(40));
    say("shutdown of a file", shutdown(file, SHUT_RDWR));
    say("recv of a pipe", recv(ends[0], buffer, 1, 0));
    say("a socket of no family", socket(12345, SOCK_STREAM, 0));
    print("descriptors below 20 in use: ");
    for (int fd = 0; fd < 20; fd++) print("%d", fcntl(fd, F_GETFD) >= 0);
    print("\n");
    return done();
}
