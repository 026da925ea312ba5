// A thread stands in the middle of a call, at any of its instructions, while another makes a whole call on the same
// socket, or waits there until the first goes on.
// stepped_threads [datagram_]send_send|receive_receive|receive_poll|receive_epoll|send_close|receive_close|send_dup2|
//     receive_dup2|send_file|receive_file|send_fork|receive_fork|create_create STRIDE FIRST
#include "course.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { PATIENCE = 10000, STANDS = 3, SLOW = 300, LEARNED = 2, LEARN = -1, PASS = -2 };
enum { FIRST, SECOND };

// What the tracer and the traced process see of each other.
static struct {
    volatile int thread;       // the one that is stepped through
    volatile int inside;       // its call is under way
    volatile unsigned begun;   // rounds in which the second thread is to have called
    volatile unsigned ended;   // in which it has
    volatile int over;
    volatile int visit;        // where it stands
} *shared;

static int out, in, datagrams;
static unsigned number;
static const char *first_call, *second_call;
static pthread_barrier_t between;

static void fail(const char *what, long value) {
    print("%s (%ld), visit %d, round %u\n", what, value, shared->visit, number);
    _exit(93);
}

static void send_from(int fd, unsigned from) {
    struct block block;
    make(&block, from, number);
    if (send(fd, &block, SIZE, 0) != SIZE) fail("send", errno);
}

// The numbers of the blocks of each that came in this round.
static int came[2];

static void note(const struct block *block, long size) {
    if (size != SIZE || block->from > SECOND || block->number != number || !is_whole(block) || came[block->from]++)
        fail("a wrong block of size", size);
}

static void receive_rest(int count) {
    struct block block;
    for (int at = 0; at < count; at++) {
        if (!(events(in, POLLIN, PATIENCE) & POLLIN)) fail("nothing comes", at);
        note(&block, recv(in, &block, SIZE, datagrams ? 0 : MSG_WAITALL));
    }
    for (int wrong = 0; events(in, POLLIN, 0) & POLLIN;)
        if (recv(in, &block, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN || ++wrong > 1) fail("more came", wrong);
    came[FIRST] = came[SECOND] = 0;
}

static struct block outgoing, blocks[2];
static long results[2];
static int errors[2];

// The socket of the calls that another closes; the other end of what took its number.
static int victim, own_end, stranger;

static int starts(const char *call, const char *with) { return strncmp(call, with, strlen(with)) == 0; }

// Whether the second call takes the socket's number away.
static int takes(void) {
    return starts(second_call, "close") || starts(second_call, "dup2") || starts(second_call, "file");
}

static void create(unsigned who) {
    int fd = socket(AF_INET, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0);
    int type = 0;
    socklen_t size = sizeof type;
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) || type != (datagrams ? SOCK_DGRAM : SOCK_STREAM) ||
        connect_on(fd, 1) != (datagrams ? 0 : -1) || close(fd))
        fail("a socket", errno);
    results[who] = 0;
}

static void call_first(void) {
    int fd = victim ? victim : starts(first_call, "send") ? out : in;
    if (starts(first_call, "create")) return create(FIRST);
    if (starts(first_call, "send")) results[FIRST] = send(fd, &outgoing, SIZE, MSG_NOSIGNAL);
    else if (starts(second_call, "poll") || starts(second_call, "epoll"))
        results[FIRST] = recv(fd, blocks, sizeof blocks, 0);
    else results[FIRST] = recv(fd, &blocks[FIRST], SIZE, 0);
    errors[FIRST] = errno;
}

// The number becomes that of a fresh pair of the kernel's own, whose other end is `stranger`.
static void take_number(void) {
    int pair[2];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    if (starts(second_call, "close")) {
        if (close(victim)) fail("close", errno);
        if (dup(pair[0]) != victim) fail("another number than", victim);
    } else {
        if (dup2(pair[0], victim) != victim) fail("dup2", errno);
    }
    close(pair[0]);
    stranger = pair[1];
    // They are not to be taken by a call on the socket that was.
    if (write(stranger, "0123456789", 10) != 10) fail("write", errno);
}

// The number becomes that of a file.
static void make_file(void) {
    int file = must("memfd_create", memfd_create("file", 0));
    if (pwrite(file, "0123456789", 10, 0) != 10) fail("write", errno);
    if (dup2(file, victim) != victim) fail("dup2", errno);
    close(file);
}

static void call_in_child(void) {
    pid_t child = must("fork", fork());
    if (child == 0) {
        struct block block;
        alarm(20);
        make(&block, SECOND, number);
        if (starts(first_call, "send") && send(out, &block, SIZE, 0) != SIZE) _exit(1);
        if (!starts(first_call, "send") && recv(in, &blocks[SECOND], SIZE, 0) != SIZE) _exit(2);
        int ends[2];
        both_ends(ends);
        if (send(ends[0], &block, SIZE, 0) != SIZE || recv(ends[1], &block, SIZE, MSG_WAITALL) != SIZE) _exit(3);
        // What came is told.
        if (!starts(first_call, "send")) _exit(is_whole(&blocks[SECOND]) ? 10 + (int)blocks[SECOND].from : 4);
        _exit(0);
    }
    int status;
    must("waitpid", waitpid(child, &status, 0));
    if (!WIFEXITED(status)) fail("the child ended by signal", WTERMSIG(status));
    results[SECOND] = WEXITSTATUS(status);
}

static void call_second(void) {
    if (starts(second_call, "create")) return create(SECOND);
    if (starts(second_call, "send")) return send_from(out, SECOND);
    if (starts(second_call, "receive")) {
        results[SECOND] = recv(in, &blocks[SECOND], SIZE, 0);
        return;
    }
    if (starts(second_call, "file")) return make_file();
    if (takes()) return take_number();
    if (starts(second_call, "fork")) return call_in_child();
    // poll or epoll: one more comes. If the first thread has not taken it, it is there.
    send_from(out, SECOND);
    if (starts(second_call, "poll")) {
        events(in, POLLIN, 20);
        return;
    }
    int set = must("epoll_create1", epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN | (number & 1 ? EPOLLET : 0)};
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, in, &event));
    epoll_wait(set, &event, 1, 20);
    close(set);
}

static void prepare(void) {
    number++;
    make(&outgoing, FIRST, number);
    if (takes()) {
        // A connection, or a pair of sockets, for this round alone.
        int old_out = out, old_in = in;
        open_ends(datagrams, &out, &in);
        if (starts(first_call, "send")) victim = out, own_end = in;
        else victim = in, own_end = out;
        out = old_out, in = old_in;
        if (!starts(first_call, "send")) send_from(own_end, FIRST);
        return;
    }
    if (starts(first_call, "receive")) {
        send_from(out, FIRST);
        if (starts(second_call, "receive") || starts(second_call, "fork")) send_from(out, SECOND);
        await(in, POLLIN);
        int there = 0, wanted = starts(second_call, "receive") || starts(second_call, "fork") ? 2 * SIZE : SIZE;
        while (!datagrams && there < wanted) must("ioctl", ioctl(in, FIONREAD, &there));
    }
}

// A call that had not begun when the number became another's is one on that. Nothing else comes to the new owner, and
// nothing else out of it.
static void check_taken_number(void) {
    struct block block;
    char bytes[64];
    long result = results[FIRST];
    int sends = starts(first_call, "send");
    if (result < 0 && errors[FIRST] != EBADF) fail("the call failed", errors[FIRST]);
    long strange = recv(stranger, &block, SIZE, MSG_DONTWAIT);
    if (strange >= 0 && (!sends || result != SIZE || strange != SIZE || block.number != number || !is_whole(&block)))
        fail("the descriptor's next owner got bytes", strange);
    long left = recv(victim, bytes, sizeof bytes, MSG_DONTWAIT);
    if (left == 10 ? memcmp(bytes, "0123456789", 10) : sends || result != 10 || memcmp(&blocks[FIRST], "0123456789", 10))
        fail("the descriptor's next owner lost bytes", left);
    if (sends && result == SIZE && strange < 0) {
        if (!(events(own_end, POLLIN, PATIENCE) & POLLIN)) fail("nothing comes", 0);
        note(&block, recv(own_end, &block, SIZE, datagrams ? 0 : MSG_WAITALL));
    }
    if (!sends && left == 10 && result >= 0) note(&blocks[FIRST], result);
    came[FIRST] = 0;
    close(stranger);
    close(victim);
    close(own_end);
}

// No file is sent to, or received from.
static void check_file(void) {
    struct block block;
    struct stat file;
    long result = results[FIRST];
    if (result < 0 && errors[FIRST] != ENOTSOCK) fail("the call failed", errors[FIRST]);
    if (fstat(victim, &file) || file.st_size != 10 || lseek(victim, 0, SEEK_CUR)) fail("the file is used", file.st_size);
    if (starts(first_call, "send") && result >= 0) note(&block, recv(own_end, &block, SIZE, datagrams ? 0 : MSG_WAITALL));
    if (!starts(first_call, "send") && result >= 0) note(&blocks[FIRST], result);
    came[FIRST] = 0;
    close(victim);
    close(own_end);
}

static void check(void) {
    if (starts(first_call, "create")) return;
    if (starts(second_call, "file")) return check_file();
    if (takes()) return check_taken_number();
    if (starts(second_call, "poll") || starts(second_call, "epoll")) {
        if (results[FIRST] != SIZE && (datagrams || results[FIRST] != 2 * SIZE)) fail("received", results[FIRST]);
        for (long at = 0; at < results[FIRST] / SIZE; at++) note(&blocks[at], SIZE);
        return receive_rest(2 - (int)(results[FIRST] / SIZE));
    }
    if (results[FIRST] != SIZE) fail("the first call", results[FIRST]);
    if (starts(first_call, "send")) {
        if (results[SECOND]) fail("the child", results[SECOND]);
        return receive_rest(2);
    }
    note(&blocks[FIRST], SIZE);
    if (starts(second_call, "receive")) note(&blocks[SECOND], results[SECOND]);
    else if (results[SECOND] < 10 || came[results[SECOND] - 10]++) fail("the child", results[SECOND]);
    receive_rest(0);
}

static void *act_as_first(void *unused) {
    must("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    shared->thread = (int)syscall(SYS_gettid);
    trap();
    while (!shared->over) {
        pthread_barrier_wait(&between);
        shared->inside = 1;
        trap();
        call_first();
        shared->inside = 0;
        trap();
        pthread_barrier_wait(&between);
    }
    return unused;
}

static void act(void) {
    alarm(50);
    signal(SIGPIPE, SIG_IGN);
    open_ends(datagrams, &out, &in);
    send_from(out, FIRST);
    receive_rest(1);
    pthread_t thread;
    pthread_barrier_init(&between, NULL, 2);
    pthread_create(&thread, NULL, act_as_first, NULL);
    while (!shared->over) {
        prepare();
        pthread_barrier_wait(&between);
        while (shared->begun == shared->ended && !shared->over) pause_for(0);
        if (shared->over) break;
        call_second();
        shared->ended = shared->begun;
        pthread_barrier_wait(&between);
        check();
    }
    _exit(0);
}

// Has the thread stand at a visit, or at the end of the call, which it learns, or passes.
static void round_of_calls(int visit) {
    pid_t thread = shared->thread;
    shared->visit = visit;
    go_on(thread, PTRACE_CONT, 0);
    int stands = visit == LEARN;
    if (stands) learn(thread, &shared->inside);
    else if (visit == PASS) go_on(thread, PTRACE_CONT, 0);
    else stands = go_to(thread, &shared->inside, visit);
    shared->begun++;
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (shared->ended != shared->begun && since(&start) < STANDS) pause_for(0);
    // What it stops for next is the end of the call, or was that.
    if (stands) go_on(thread, PTRACE_CONT, 0);
    if (getenv("VERBOSE") && since(&start) > SLOW) print("visit %d took %ld ms\n", visit, since(&start));
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    datagrams = strstr(arguments[1], "datagram_") == arguments[1];
    first_call = arguments[1] + (datagrams ? strlen("datagram_") : 0);
    second_call = strchr(first_call, '_') + 1;
    int stride = atoi(arguments[2]), visit = atoi(arguments[3]);
    shared = shared_memory(sizeof *shared);
    pid_t process = must("fork", fork());
    if (process == 0) act();
    while (!shared->thread) {
        pause_for(1);
        if (waitpid(process, &(int){0}, WNOHANG) > 0) return 95;
    }
    int status;
    must("waitpid", waitpid(shared->thread, &status, __WALL));
    // The first call is not like those that follow: the linker has to find the function.
    round_of_calls(PASS);
    for (int round = 0; round < LEARNED; round++) round_of_calls(LEARN);
    for (stride = pace(stride); visit < visit_count; visit += stride) round_of_calls(visit);
    shared->over = 1;
    must("ptrace", ptrace(PTRACE_DETACH, shared->thread, 0, 0));
    must("waitpid", waitpid(process, &status, 0));
    if (WIFSIGNALED(status)) print("ended by signal %d\n", WTERMSIG(status));
    if (!WIFEXITED(status) || WEXITSTATUS(status)) return 97;
    if (getenv("VERBOSE")) print("%d visits\n", visit_count);
    return done();
}
