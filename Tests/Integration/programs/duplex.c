// Both directions of one connection at once, by a thread each at both ends; every byte is compared.
#include "common.h"
#include <pthread.h>

enum { total = 8 << 20 };
static int ends[2];

static void *sender(void *end) {
    char block[30000];
    int fd = *(int *)end;
    for (long sent = 0; sent < total;) {
        // Sizes vary, so that the ends of calls fall at every offset of the ring.
        long size = 1 + (sent * 7) % (long)sizeof block;
        if (size > total - sent) size = total - sent;
        fill(block, size, sent);
        sent += must("send", send(fd, block, size, 0));
    }
    must("shutdown", shutdown(fd, SHUT_WR));
    return NULL;
}

static void *receiver(void *end) {
    char block[20000];
    long received = 0, size;
    while ((size = must("recv", recv(*(int *)end, block, 1 + (received * 11) % (long)sizeof block, 0))) > 0) {
        for (long index = 0; index < size; index++) {
            if ((unsigned char)block[index] != (received + index) % 251) {
                print("wrong byte at %ld\n", received + index);
                exit(1);
            }
        }
        received += size;
    }
    return (void *)received;
}

int main(void) {
    pthread_t senders[2], receivers[2];
    both_ends(ends);
    for (int end = 0; end < 2; end++) {
        must("pthread_create", -pthread_create(&senders[end], NULL, sender, &ends[end]));
        must("pthread_create", -pthread_create(&receivers[end], NULL, receiver, &ends[end]));
    }
    for (int end = 0; end < 2; end++) {
        void *received;
        pthread_join(senders[end], NULL);
        pthread_join(receivers[end], &received);
        print("end %d received %ld\n", end, (long)received);
    }
    return done();
}
