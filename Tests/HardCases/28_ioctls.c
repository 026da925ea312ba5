// ioctl on a socket: FIONREAD, SIOCOUTQ, FIONBIO, FIOCLEX, terminal calls that fail, and unknown ones.
#include "cases.h"
#include <linux/sockios.h>
#include <termios.h>

int main(void) {
    int ends[2], value = -1, server = listener();
    char buffer[16];
    both_ends(ends);
    say("FIONREAD", ioctl(ends[0], FIONREAD, &value));
    print("  %d\n", value);
    tell(ends[1], "seven b");
    await(ends[0], POLLIN);
    say("FIONREAD", ioctl(ends[0], FIONREAD, &value));
    print("  %d\n", value);
    must("recv", recv(ends[0], buffer, 3, 0));
    say("SIOCINQ", ioctl(ends[0], SIOCINQ, &value));
    print("  %d\n", value);
    say("FIONREAD of a listener", ioctl(server, FIONREAD, &value));
    say("SIOCOUTQ", ioctl(ends[1], SIOCOUTQ, &value));
    print("  %d\n", value);
    say("TIOCOUTQ", ioctl(ends[1], TIOCOUTQ, &value));
    int yes = 1, no = 0;
    say("FIONBIO", ioctl(ends[0], FIONBIO, &yes));
    print("  %d\n", (fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
    must("recv", recv(ends[0], buffer, 4, 0));
    say("recv", recv(ends[0], buffer, 4, 0));
    say("FIONBIO off", ioctl(ends[0], FIONBIO, &no));
    print("  %d\n", (fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
    say("FIOCLEX", ioctl(ends[0], FIOCLEX));
    print("  %d\n", fcntl(ends[0], F_GETFD));
    say("FIONCLEX", ioctl(ends[0], FIONCLEX));
    print("  %d\n", fcntl(ends[0], F_GETFD));
    say("SIOCATMARK", ioctl(ends[0], SIOCATMARK, &value));
    print("  %d\n", value);
    struct termios terminal;
    struct winsize window;
    say("TCGETS", tcgetattr(ends[0], &terminal));
    say("TIOCGWINSZ", ioctl(ends[0], TIOCGWINSZ, &window));
    say("isatty", isatty(ends[0]) ? 1 : -1);
    say("unknown", ioctl(ends[0], 0x1234, &value));
    must("shutdown", shutdown(ends[1], SHUT_WR));
    await(ends[0], POLLIN);
    say("FIONREAD at the end", ioctl(ends[0], FIONREAD, &value));
    print("  %d\n", value);
    say("FIONREAD of a closed one", ioctl(200, FIONREAD, &value));
    return done();
}
