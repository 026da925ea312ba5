// AF_UNIX stays in the program's own domain: pairs, paths, abstract names, credentials, beside connections.
#define _GNU_SOURCE
#include "cases.h"

static struct sockaddr_un path_name(const char *text) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strcpy(name.sun_path, text);
    return name;
}

int main(void) {
    int ends[2], pair[2];
    char directory[] = "/tmp/case.XXXXXX", path[64];
    both_ends(ends);
    for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
        if (type == SOCK_RAW || type == SOCK_RDM) continue;
        must("socketpair", socketpair(AF_UNIX, type, 0, pair));
        tell(pair[0], "local");
        tell(pair[0], "words");
        say_text("pair", pair[1]);
        struct ucred who;
        socklen_t length = sizeof who;
        must("SO_PEERCRED", getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &length));
        print("mine: %d\n", who.pid == getpid());
        close(pair[0]), close(pair[1]);
    }
    if (!mkdtemp(directory)) return 95;
    snprintf(path, sizeof path, "%s/socket", directory);
    struct sockaddr_un name = path_name(path);
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    say("bind", bind(server, (struct sockaddr *)&name, sizeof name));
    say("listen", listen(server, 4));
    say("connect", connect(client, (struct sockaddr *)&name, sizeof name));
    int fd = must("accept", accept(server, NULL, NULL));
    tell(client, "over a path");
    say_text("server", fd);
    struct stat status;
    print("in the file system: %d\n", stat(path, &status) == 0 && S_ISSOCK(status.st_mode));
    unlink(path);
    rmdir(directory);
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    snprintf(abstract.sun_path + 1, 40, "hard-case-%d", getpid());
    int named = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
    say("abstract", bind(named, (struct sockaddr *)&abstract, sizeof abstract));
    must("listen", listen(named, 4));
    reap("child", CHILD({
             say("connect", connect(other, (struct sockaddr *)&abstract, sizeof abstract));
             tell(other, "abstract words");
         }));
    fd = must("accept", accept(named, NULL, NULL));
    say_text("server", fd);
    print("autobind: ");
    int bound_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    say("", bind(bound_fd, (struct sockaddr *)&abstract, sizeof(sa_family_t)));
    say("TCP option on it", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)));
    say("AF_NETLINK", socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    say("an unknown family", socket(99, SOCK_STREAM, 0));
    say("an unknown type", socket(AF_INET, 99, 0));
    say("an unknown protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    say("a pair of AF_INET", socketpair(AF_INET, SOCK_STREAM, 0, pair));
    // A loopback address belongs to where the sockets are: bound there, connected there.
    struct sockaddr_in here = loopback(0);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    int second = socket(AF_INET, SOCK_STREAM, 0);
    say("127.0.0.2", bind(second, (struct sockaddr *)&here, sizeof here));
    int tcp = listener();
    say("connect from it", connect_on(second, port_of(tcp)));
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    must("accept", accept(tcp, (struct sockaddr *)&from, &length));
    print("from %s\n", inet_ntoa(from.sin_addr));
    tell(ends[0], "undisturbed");
    say_text("connection", ends[1]);
    return done();
}
