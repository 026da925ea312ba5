// A program that begins with few descriptors and raises its limit when it has sockets already.
#include "cases.h"
#include <sys/resource.h>

int main(int count, char **arguments) {
    struct rlimit value;
    getrlimit(RLIMIT_NOFILE, &value);
    if (count == 1) {
        value.rlim_cur = 64;
        must("setrlimit", setrlimit(RLIMIT_NOFILE, &value));
        execl("/proc/self/exe", arguments[0], "limited", NULL);
        return 95;
    }
    int server = listener(), first = connected(port_of(server)), good = 0;
    print("limit %lu\n", value.rlim_cur);
    while (socket(AF_INET, SOCK_STREAM, 0) >= 0) {
    }
    print("full: %s\n", strerrorname_np(errno));
    value.rlim_cur = value.rlim_max < 4000 ? value.rlim_max : 4000;
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &value));
    while (good < 3000 && socket(AF_INET, SOCK_STREAM, 0) >= 0) good++;
    print("sockets then: %d\n", good == 3000 || value.rlim_max < 4000);
    int fd = must("accept", accept(server, NULL, NULL));
    tell(fd, "the first still works");
    say_text("first", first);
    return done();
}
