// Urgent data and SO_RCVLOWAT on a connection that is stdio's.
#include "common.h"

int main(void) {
    int ends[2];
    both_ends(ends);
    FILE *stream = fdopen(ends[0], "r+");
    if (!stream) return 3;
    char buffer[16] = "";
    must("send", send(ends[1], "abc", 3, 0));
    pause_for(100);
    say("recv", recv(ends[0], buffer, 10, 0));
    must("send", send(ends[1], "!", 1, MSG_OOB));
    await(ends[0], POLLPRI);
    say("urgent", recv(ends[0], buffer, 1, MSG_OOB));
    print("%.1s\n", buffer);
    must("send", send(ends[1], "def", 3, 0));
    say("behind it", recv(ends[0], buffer, 10, 0));
    print("%.3s\n", buffer);
    say("send", send(ends[0], "ghi?", 4, MSG_OOB));
    await(ends[1], POLLPRI);
    say("its urgent byte", recv(ends[1], buffer, 1, MSG_OOB));
    print("%.1s\n", buffer);
    say("the bytes before it", recv(ends[1], buffer, 10, 0));
    print("%.3s\n", buffer);

    int low = 4;
    say("SO_RCVLOWAT", setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low));
    must("send", send(ends[1], "jk", 2, 0));
    pid_t child = must("fork", fork());
    if (child == 0) {
        pause_for(200);
        must("send", send(ends[1], "lmno", 4, 0));
        _exit(0);
    }
    // Two are not enough, and the kernel wakes only for four more.
    say("recv waits for more", recv(ends[0], buffer, 10, 0));
    print("%.6s\n", buffer);
    must("waitpid", waitpid(child, NULL, 0));
    return done();
}
