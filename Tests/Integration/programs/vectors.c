// Scattered and gathered input and output.
#include "common.h"
#include <sys/uio.h>

int main(void) {
    int ends[2];
    both_ends(ends);
    char a[4] = "", b[8] = "", c[16] = "";
    struct iovec out[] = {{"one", 3}, {"", 0}, {"two", 3}, {"three", 5}};
    struct iovec in[] = {{a, 2}, {b, 0}, {b, 4}, {c, 16}};
    say("writev", writev(ends[0], out, 4));
    await(ends[1], POLLIN);
    say("readv", readv(ends[1], in, 4));
    print("%.2s|%.4s|%.5s\n", a, b, c);
    say("writev of nothing", writev(ends[0], out + 1, 1));
    say("writev of no parts", writev(ends[0], out, 0));
    static struct iovec many[2000];
    // Volatile, since the compiler refuses a number that it knows to be wrong.
    volatile int number = 2000;
    say("writev of too many parts", writev(ends[0], many, number));
    number = -1;
    say("writev of a negative number", writev(ends[0], many, number));

    struct sockaddr_in name;
    char control[64];
    struct msghdr message = {.msg_iov = out, .msg_iovlen = 4};
    say("sendmsg", sendmsg(ends[0], &message, MSG_NOSIGNAL));
    message = (struct msghdr){.msg_iov = in, .msg_iovlen = 4, .msg_name = &name, .msg_namelen = sizeof name,
                              .msg_control = control, .msg_controllen = sizeof control};
    await(ends[1], POLLIN);
    say("recvmsg", recvmsg(ends[1], &message, 0));
    print("name %d, control %zu, flags %#x\n", (int)message.msg_namelen, message.msg_controllen, message.msg_flags);

    // More than any buffer on the way holds, so that both calls end in the middle of a part.
    enum { size = 3 << 20 };
    char *large = malloc(size), *back = malloc(size);
    fill(large, size, 0);
    if (must("fork", fork()) == 0) {
        struct iovec parts[] = {{large, 1}, {large + 1, size / 2}, {large + 1 + size / 2, size - size / 2 - 1}};
        _exit(say("large writev", writev(ends[0], parts, 3)) != size);
    }
    long total = 0;
    while (total < size) {
        struct iovec parts[] = {{back + total, 1}, {back + total + 1, size - total - 1}};
        long got = must("readv", readv(ends[1], parts, total + 1 < size ? 2 : 1));
        if (got == 0) break;
        total += got;
    }
    wait(NULL);
    print("%ld bytes, %s\n", total, memcmp(large, back, size) == 0 ? "the same" : "different");
    return done();
}
