// readv, writev and their relatives: many parts, empty parts, too many, and offsets that sockets do not have.
#define _GNU_SOURCE
#include "cases.h"
#include <limits.h>
#include <sys/uio.h>

int main(void) {
    int ends[2];
    static struct iovec parts[IOV_MAX + 1];
    static char block[IOV_MAX + 1], got[IOV_MAX + 1];
    both_ends(ends);
    fill(block, sizeof block, 0);
    for (int index = 0; index <= IOV_MAX; index++) parts[index] = (struct iovec){block + index, 1};
    say("writev of 1024", writev(ends[0], parts, IOV_MAX));
    say("read", read_all(ends[1], got, IOV_MAX));
    print("intact %d\n", memcmp(block, got, IOV_MAX) == 0);
    say("writev of 1025", writev(ends[0], parts, IOV_MAX + 1));
    say("readv of 1025", readv(ends[0], parts, IOV_MAX + 1));
    say("negative", writev(ends[0], parts, -1));
    say("none", writev(ends[0], parts, 0));
    for (int index = 0; index < 8; index++) parts[index] = (struct iovec){block + index * 3, index % 2 ? 0 : 3};
    say("with empty parts", writev(ends[0], parts, 8));
    struct iovec three[3] = {{got, 4}, {NULL, 0}, {got + 100, 50}};
    await(ends[1], POLLIN);
    say("readv", readv(ends[1], three, 3));
    print("%d %d\n", got[0] == 0 && got[3] == 6, got[100] == 7);
    three[0].iov_len = -1;
    say("a negative length", writev(ends[0], three, 3));
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = IOV_MAX + 1};
    say("sendmsg of 1025", sendmsg(ends[0], &message, 0));
    say("pread", pread(ends[1], got, 1, 0));
    say("pwrite", pwrite(ends[1], got, 1, 0));
    say("preadv", preadv(ends[1], parts, 1, 0));
    say("pwritev", pwritev(ends[1], parts, 1, 0));
    say("lseek", lseek(ends[1], 0, SEEK_CUR));
    tell(ends[0], "v2");
    parts[0] = (struct iovec){got, 10};
    await(ends[1], POLLIN);
    say("preadv2 at -1", preadv2(ends[1], parts, 1, -1, 0));
    say("preadv2 RWF_NOWAIT", preadv2(ends[1], parts, 1, -1, RWF_NOWAIT));
    parts[0] = (struct iovec){"pwritev2", 8};
    say("pwritev2 at -1", pwritev2(ends[0], parts, 1, -1, 0));
    say_text("arrived", ends[1]);

    // Messages by the dozen.
    struct mmsghdr many[12];
    memset(many, 0, sizeof many);
    for (int index = 0; index < 12; index++) {
        parts[index] = (struct iovec){block + index * 10, 10};
        many[index].msg_hdr.msg_iov = &parts[index];
        many[index].msg_hdr.msg_iovlen = 1;
    }
    say("sendmmsg", sendmmsg(ends[0], many, 12, 0));
    print("  %u %u\n", many[0].msg_len, many[11].msg_len);
    for (int index = 0; index < 12; index++) parts[index] = (struct iovec){got + index * 10, 10}, many[index].msg_len = 0;
    for (int waiting = 0; waiting < 120; pause_for(1)) ioctl(ends[1], FIONREAD, &waiting);
    say("recvmmsg", recvmmsg(ends[1], many, 12, MSG_DONTWAIT, NULL));
    print("  %u %u, intact %d\n", many[0].msg_len, many[11].msg_len, memcmp(got, block, 120) == 0);
    say("recvmmsg, nothing", recvmmsg(ends[1], many, 12, MSG_DONTWAIT, NULL));
    say("recvmmsg of none", recvmmsg(ends[1], many, 0, MSG_DONTWAIT, NULL));
    return done();
}
