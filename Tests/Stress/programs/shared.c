// 8 threads and 4 forked processes share 50 connections to an echo: shared PORT SECONDS. Processes are killed at random
// points and replaced; the others go on. Every record that comes back is whole, in its writer's order, and none is missing
// but those that a killed process had in hand.
#include "stress.h"
#include <stdatomic.h>

enum { sockets = 50, threads = 8, processes = 4, writers = 4096, in_flight = 200 };

struct place {
    pthread_mutex_t reading, writing;
    atomic_long sent, received, torn;
    // The next sequence of each writer, and a record that is not read whole yet.
    uint32_t next[writers];
    struct record partial;
    uint32_t filled;
};

static struct shared {
    atomic_int stop, next_writer, kills, bad, reads;
    struct place places[sockets];
} *shared;

static int fds[sockets];

// Takes a robust mutex; if its owner died the caller goes on from what stands in shared memory.
static int owner_died(pthread_mutex_t *mutex, int tries) {
    int error = tries ? pthread_mutex_trylock(mutex) : pthread_mutex_lock(mutex);
    if (error == EBUSY) return -1;
    if (error == EOWNERDEAD) pthread_mutex_consistent(mutex);
    return error == EOWNERDEAD;
}

static void check(struct place *place, const struct record *record) {
    uint32_t *next = &place->next[record->writer % writers];
    // A killed reader's records are gone with it.
    if (record->sequence < *next) atomic_fetch_add(&shared->bad, 1);
    if (record->sequence > *next) atomic_fetch_add(&place->torn, record->sequence - *next);
    *next = record->sequence + 1;
    atomic_fetch_add(&place->received, 1);
}

// After a reader died with a part of a record in its hands: finds the next record's beginning.
static void resynchronize(struct place *place) {
    char *bytes = (char *)&place->partial;
    for (uint32_t at = 1; at + 4 <= place->filled; at++) {
        uint32_t magic;
        memcpy(&magic, bytes + at, 4);
        if (magic != record_magic) continue;
        memmove(bytes, bytes + at, place->filled - at);
        place->filled -= at;
        return;
    }
    place->filled = 0;
}

static void read_some(int index) {
    struct place *place = &shared->places[index];
    int died = owner_died(&place->reading, 1);
    if (died < 0) return;
    for (int round = 0; round < 50; round++) {
        if (place->filled == record_size) {
            // Taken out first: who dies in the middle of it loses it, and the next does not count it again.
            struct record record = place->partial;
            if (is_whole(&record)) {
                place->filled = 0;
                check(place, &record);
                continue;
            }
            if (atomic_load(&shared->kills) == 0) atomic_fetch_add(&shared->bad, 1);
            atomic_fetch_add(&place->torn, 1);
            resynchronize(place);
        }
        // Read to a private place first: a reader that dies in between loses it, or has not taken it.
        char part[record_size];
        long got = recv(fds[index], part, record_size - place->filled, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (got <= 0) {
            printf("recv on %d: %ld %s\n", index, got, got < 0 ? strerrorname_np(errno) : "end");
            fflush(stdout);
            atomic_fetch_add(&shared->bad, 1000000);
            break;
        }
        memcpy((char *)&place->partial + place->filled, part, got);
        place->filled += got;
        atomic_fetch_add(&shared->reads, 1);
    }
    pthread_mutex_unlock(&place->reading);
}

static void *work(void *unused) {
    int writer = atomic_fetch_add(&shared->next_writer, 1);
    unsigned seed = writer * 2654435761u + 1;
    uint32_t sequences[sockets] = {0};
    if (writer >= writers) return unused;
    while (!atomic_load(&shared->stop)) {
        int index = rand_r(&seed) % sockets;
        struct place *place = &shared->places[index];
        if (atomic_load(&place->sent) - atomic_load(&place->received) < in_flight) {
            struct record record;
            make_record(&record, writer, sequences[index]);
            // One call a record: the room suffices, so that it is taken whole or, at a kill, not at all.
            long got = send(fds[index], &record, sizeof record, MSG_NOSIGNAL);
            if (got != record_size) {
                printf("send on %d: %ld %s\n", index, got, got < 0 ? strerrorname_np(errno) : "");
                atomic_fetch_add(&shared->bad, 1000000);
                break;
            }
            sequences[index]++;
            atomic_fetch_add(&place->sent, 1);
        }
        for (int round = 0; round < 4; round++) read_some(rand_r(&seed) % sockets);
        if (writer >= threads && rand_r(&seed) % 64 == 0) poll(NULL, 0, 1);
    }
    return unused;
}

static pid_t start(void) {
    pid_t child = must("fork", fork());
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        work(NULL);
        _exit(0);
    }
    return child;
}

int main(int arguments, char **argument) {
    if (arguments != 3) return 2;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    for (int index = 0; index < sockets; index++) {
        fds[index] = connected(atoi(argument[1]));
        pthread_mutex_init(&shared->places[index].reading, &attributes);
    }
    pthread_t made[threads];
    pid_t children[processes];
    for (int index = 0; index < threads; index++) pthread_create(&made[index], NULL, work, NULL);
    for (int index = 0; index < processes; index++) children[index] = start();
    double end = now() + atof(argument[2]);
    unsigned seed = 42;
    while (now() < end) {
        pause_for(20 + rand_r(&seed) % 180);
        int victim = rand_r(&seed) % processes, status = 0;
        atomic_fetch_add(&shared->kills, 1);
        kill(children[victim], SIGKILL);
        waitpid(children[victim], &status, 0);
        if (WIFEXITED(status)) atomic_fetch_add(&shared->bad, 1000000);
        children[victim] = start();
    }
    atomic_store(&shared->stop, 1);
    for (int index = 0; index < threads; index++) pthread_join(made[index], NULL);
    int failed = 0;
    for (int index = 0; index < processes; index++) {
        int status;
        waitpid(children[index], &status, 0);
        failed += status != 0;
    }
    // What is still on the way comes back.
    long sent = 0, received = 0, torn = 0;
    for (double limit = now() + 5; now() < limit;) {
        sent = received = torn = 0;
        for (int index = 0; index < sockets; index++) {
            read_some(index);
            sent += shared->places[index].sent, received += shared->places[index].received;
            torn += shared->places[index].torn;
        }
        if (received + torn >= sent) break;
    }
    int kills = shared->kills;
    printf("kills %d, records %ld, back %ld, in dead hands %ld, bad %d, failed %d\n", kills, sent, received, torn,
           shared->bad, failed);
    // A kill costs at most the record that was being sent (not counted, or not echoed) and the one being read.
    int good = shared->bad == 0 && failed == 0 && sent > 1000 && torn <= 2 * kills && labs(sent - received) <= 2 * kills;
    printf("%s\n", good ? "good" : "BAD");
    return !good;
}
