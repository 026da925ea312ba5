// What comes after the own SHUT_RD can still be read.
#include "cases.h"

int main(void) {
    int ends[2];
    char buffer[8];
    both_ends(ends);
    say("SHUT_RD", shutdown(ends[0], SHUT_RD));
    say("recv", recv(ends[0], buffer, 8, 0));
    say("send to it", send(ends[1], "data", 4, 0));
    pause_for(50);
    say("recv of it", recv(ends[0], buffer, 8, 0));
    say("and then", recv(ends[0], buffer, 8, 0));
    return done();
}
