// SIOCGSTAMP, and SO_TIMESTAMP's option.
#include "cases.h"
#include <linux/sockios.h>

int main(void) {
    int ends[2], value = 1;
    char stamp[32];
    both_ends(ends);
    tell(ends[0], "stamped");
    await(ends[1], POLLIN);
    say("SIOCGSTAMP", ioctl(ends[1], SIOCGSTAMP, stamp) == 0 || errno == ENOENT);
    say("SO_TIMESTAMP", setsockopt(ends[1], SOL_SOCKET, SO_TIMESTAMP, &value, sizeof value));
    socklen_t size = sizeof value;
    say("SO_TIMESTAMP", getsockopt(ends[1], SOL_SOCKET, SO_TIMESTAMP, &value, &size));
    print("%d\n", value);
    return done();
}
