// A signal handler uses sockets in the middle of a call, at any of the places that it comes by: another connection, what
// the call is about, and sockets that it opens and closes. Or it leaves the call by siglongjmp(3) when it has done that.
// stepped_calls [jump_]poll|poll_empty|epoll_wait|epoll_wait_empty|epoll_ctl|accept|accept_empty|connect|connect_later|
//     close|dup2|socket|datagram_socket STRIDE FIRST
#include "course.h"

#include <setjmp.h>
#include <sys/epoll.h>

enum { LEARNED = 2, MOST_DESCRIPTORS = 200, OPENED = 1000, AT_ONCE = 100 };
// In milliseconds.
enum { PATIENCE = 10000, SLOW = 5000, WAIT = 30, LONG_WAIT = 500 };

// What the tracer sees of the traced process, and that of the tracer.
static struct {
    volatile int inside;    // the call is under way
    volatile int over;      // no more rounds
    volatile int visit;     // before which the handler runs
    volatile int waits;     // the call waits for what the handler does
    volatile int patience;  // for how long, in milliseconds
} *shared;

static const char *call;
static int jumps, port, server;
static sigjmp_buf before_call;
// The connection that is the handler's own; what the call is about, and its other end.
static int other_out, other_in, fd, end;
// A set of epoll(7); the ends of a pair of the kernel's; what the call returned; what the handler opened.
static int set, pair[2], result, opened;
static unsigned number, sent, seen;
static volatile int handled;

static void fail(const char *what, long value) {
    print("%s (%ld), visit %d, round %u\n", what, value, shared->visit, number);
    _exit(93);
}

static int is(const char *subject) { return strncmp(call, subject, strlen(subject)) == 0; }
static int is_empty(void) { return strstr(call, "empty") != NULL; }

static void send_block(int out, unsigned which) {
    struct block block;
    make(&block, 0, which);
    if (send(out, &block, SIZE, MSG_NOSIGNAL) != SIZE) fail("send", errno);
}

static void receive_block(int in, unsigned which) {
    struct block block;
    if (!(events(in, POLLIN, PATIENCE) & POLLIN)) fail("nothing comes", which);
    long size = recv(in, &block, SIZE, MSG_WAITALL);
    if (size != SIZE || block.number != which || !is_whole(&block)) fail("a wrong block of size", size);
}

static void set_blocking(int socket, int blocks) {
    int flags = fcntl(socket, F_GETFL);
    must("fcntl", fcntl(socket, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

// Without TIME_WAIT: there are many rounds.
static void reset(int socket) {
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(socket);
}

static int accepted(void) {
    if (!(events(server, POLLIN, PATIENCE) & POLLIN)) fail("no connection comes", 0);
    int new = accept(server, NULL, NULL);
    if (new < 0) fail("accept", errno);
    return new;
}

// Another use of everything: a connection that is new.
static void connect_anew(void) {
    int new = connected(port), peer = accepted();
    send_block(new, number);
    receive_block(peer, number);
    reset(new);
    close(peer);
}

// In the handler: what the interrupted call is about.
static void use_same(void) {
    struct block block;
    if (is("poll") || is("epoll")) {
        if (recv(end, &block, SIZE, MSG_DONTWAIT) == SIZE) seen++;
        send_block(fd, sent++);
        await(end, POLLIN);
        if (is("epoll_ctl")) {
            struct epoll_event event = {.events = EPOLLIN, .data.fd = other_in};
            if (epoll_ctl(set, EPOLL_CTL_ADD, other_in, &event) || epoll_ctl(set, EPOLL_CTL_DEL, other_in, &event))
                fail("epoll_ctl in the handler", errno);
        }
    } else if (is("accept_empty")) {
        if (fd < 0) fd = connected(port);
    } else if (is("accept")) {
        if (events(server, POLLIN, 0) & POLLIN) opened = accept(server, NULL, NULL);
    } else if (is("connect")) {
        int error = connect_on(fd, port) ? errno : 0;
        if (error && error != EISCONN && (is("connect_later") ? error != EINPROGRESS && error != EALREADY : 1))
            fail("connect in the handler", error);
    } else if (is("close") || is("dup2")) {
        make(&block, 0, number);
        long size = send(fd, &block, SIZE, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size == SIZE) sent = number;
        else if (size >= 0 || (errno != EBADF && !is("dup2"))) fail("send in the handler", errno);
        if (is("close")) opened = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    }
}

static void handle(int unused) {
    (void)unused;
    int saved = errno;
    if (!jumps || number % 2) {
        send_block(other_out, number);
        receive_block(other_in, number);
        int new = must("socket", socket(AF_INET, SOCK_STREAM, 0));
        int error = connect_on(new, 1) ? errno : 0;
        if (error != ECONNREFUSED || close(new)) fail("a socket of the handler", error);
        use_same();
    }
    handled = 1;
    errno = saved;
    if (jumps) siglongjmp(before_call, 1);
}

static void prepare(void) {
    number++;
    handled = 0;
    opened = -1;
    result = -2;
    if (is("poll") || is("epoll")) {
        if (is("epoll_ctl") || !is_empty()) {
            send_block(fd, sent++);
            await(end, POLLIN);
        }
    } else if (is("accept")) {
        fd = is_empty() ? -1 : connected(port);
        end = is_empty() ? -1 : connected(port);
        if (!is_empty()) await(server, POLLIN);
        // Natively both are there, once connect(2) has returned; here the second may be on its way.
        set_blocking(server, 0);
    } else if (is("connect")) {
        fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
        if (is("connect_later")) set_blocking(fd, 0);
    } else if (is("close") || is("dup2")) {
        fd = connected(port);
        end = accepted();
        sent = 0;
        if (is("dup2")) must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    }
}

static void make_call(void) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = end};
    // Not decided here, where each round is to come by the same places.
    int patience = shared->patience;
    if (is("poll"))
        result = poll((struct pollfd[]){{.fd = end, .events = POLLIN}, {.fd = server, .events = POLLIN}}, 2, patience);
    else if (is("epoll_wait")) result = epoll_wait(set, &event, 1, patience);
    else if (is("epoll_ctl")) result = epoll_ctl(set, EPOLL_CTL_ADD, end, &event);
    else if (is("accept")) result = accept(server, NULL, NULL);
    else if (is("connect")) result = connect_on(fd, port);
    else if (is("close")) result = close(fd);
    else if (is("dup2")) result = dup2(pair[0], fd);
    else result = socket(AF_INET, is("datagram") ? SOCK_DGRAM : SOCK_STREAM, 0);
}

// Nobody waits in vain for what the handler found readable.
static void finish_waiting(void) {
    if (result < 0 && result != -2 && errno != EINTR) fail("the call", errno);
    if (result == 0 && (!is_empty() || (handled && shared->waits))) fail("readable, but not told", handled);
    while (seen < sent) receive_block(end, seen++);
    if (events(end, POLLIN, 0) || recv(end, &result, 1, MSG_DONTWAIT) >= 0) fail("more came", 0);
}

static void finish_control(void) {
    struct epoll_event event = {0};
    if (result < 0 && result != -2) fail("the call", errno);
    if (result == 0 && (epoll_wait(set, &event, 1, PATIENCE) != 1 || event.data.fd != end)) fail("not told", 0);
    // Left by a jump it may have been done or not.
    if (epoll_ctl(set, EPOLL_CTL_DEL, end, &event) && result == 0) fail("epoll_ctl", errno);
    if (epoll_wait(set, &event, 1, 0) != 0) fail("told of what is not watched", event.data.fd);
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = end};
    if (epoll_ctl(set, EPOLL_CTL_ADD, end, &event) || epoll_wait(set, &event, 1, PATIENCE) != 1)
        fail("watched again", errno);
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_DEL, end, &event));
    while (seen < sent) receive_block(end, seen++);
}

// Each connection comes once; one that a jump left is a descriptor that nobody knows.
static void finish_accepting(int lost) {
    int clients[2] = {fd, end}, got[3] = {result, opened, lost}, came = 0;
    if (result == -1 && errno != EAGAIN) fail("the call", errno);
    set_blocking(server, 1);
    int wanted = (fd >= 0) + (end >= 0);
    for (int at = 0; at < 2; at++)
        if (clients[at] >= 0) send_block(clients[at], number);
    for (int at = 0; at < 3; at++)
        if (got[at] >= 0) receive_block(got[at], number), close(got[at]), came++;
    for (; came < wanted; came++) {
        int new = accepted();
        receive_block(new, number);
        close(new);
    }
    if (events(server, POLLIN, 0)) {
        set_blocking(server, 0);
        if (accept(server, NULL, NULL) >= 0 || errno != EAGAIN) fail("a connection came twice", 0);
    }
    for (int at = 0; at < 2; at++)
        if (clients[at] >= 0) reset(clients[at]);
}

static void finish_connecting(void) {
    int later = is("connect_later"), error = result == -1 ? errno : 0;
    if (error && error != EISCONN && (!later || (error != EINPROGRESS && error != EALREADY))) fail("the call", error);
    // What a jump left goes on, or has not begun.
    if (result == -2 && connect_on(fd, port) && errno != EISCONN && errno != EINPROGRESS && errno != EALREADY)
        fail("again", errno);
    await(fd, POLLOUT);
    set_blocking(fd, 1);
    int peer = accepted();
    send_block(fd, number);
    receive_block(peer, number);
    if (events(server, POLLIN, 0)) fail("a second connection", 0);
    reset(fd);
    close(peer);
}

static void finish_closing(void) {
    char byte;
    if (result == -1) fail("the call", errno);
    if (is("dup2")) {
        // As above: or it is the socket still.
        if (result == -2) must("dup2", dup2(pair[0], fd));
        must("write", write(pair[1], "x", 1));
        // The handler's may have been the call that sent to it.
        struct block block;
        if (sent && recv(pair[1], &block, SIZE, MSG_DONTWAIT) == SIZE && block.number == number) sent = 0;
        if (recv(fd, &byte, 1, 0) != 1 || byte != 'x') fail("dup2 made another", byte);
        close(fd), close(pair[0]), close(pair[1]);
    } else if (result == -2 && opened != fd && close(fd) && errno != EBADF) {
        fail("close", errno);
    }
    if (sent) receive_block(end, number);
    if (!(events(end, POLLIN, PATIENCE) & POLLIN)) fail("no end comes", 0);
    long size = recv(end, &byte, 1, 0);
    if (size != 0) fail("instead of the end", size);
    reset(end);
    if (opened < 0) return;
    must("connect", connect_on(opened, port));
    int peer = accepted();
    send_block(opened, number);
    receive_block(peer, number);
    reset(opened);
    close(peer);
}

static void finish_opening(void) {
    if (result == -1) fail("the call", errno);
    if (result == -2) return;
    if (connect_on(result, port)) fail("connect", errno);
    if (!is("datagram")) {
        int peer = accepted();
        send_block(result, number);
        receive_block(peer, number);
        reset(result);
        close(peer);
    } else {
        close(result);
    }
}

static unsigned char were_open[MOST_DESCRIPTORS];

static void note_open(void) {
    for (int at = 0; at < MOST_DESCRIPTORS; at++) were_open[at] = fcntl(at, F_GETFD) >= 0;
}

// A descriptor of which nobody knows: a jump loses one at most, which is what the call was about to return.
static int lost_one(void) {
    int lost = -1;
    for (int at = 0; at < MOST_DESCRIPTORS; at++) {
        if (were_open[at] || at == fd || at == end || at == opened || fcntl(at, F_GETFD) < 0) continue;
        if (lost >= 0) fail("lost more than one descriptor", at);
        lost = at;
    }
    int type;
    socklen_t size = sizeof type;
    if (lost >= 0 && getsockopt(lost, SOL_SOCKET, SO_TYPE, &type, &size)) fail("lost what is no socket", errno);
    return lost;
}

static void check_open(void) {
    for (int at = 0; at < MOST_DESCRIPTORS; at++)
        if (were_open[at] != (fcntl(at, F_GETFD) >= 0)) fail("a descriptor more or less", at);
}

static void round_of_calls(void) {
    note_open();
    prepare();
    shared->inside = 1;
    if (!sigsetjmp(before_call, 1)) {
        trap();
        make_call();
    }
    shared->inside = 0;
    int lost = -1;
    if (result == -2 && (is("accept") || is("socket") || is("datagram"))) lost = lost_one();
    if (lost >= 0 && !is("accept")) close(lost);
    if (is("epoll_ctl")) finish_control();
    else if (is("poll") || is("epoll")) finish_waiting();
    else if (is("accept")) finish_accepting(lost);
    else if (is("connect")) finish_connecting();
    else if (is("close") || is("dup2")) finish_closing();
    else finish_opening();
    check_open();
}

static void open_many(void) {
    int many[AT_ONCE];
    for (int count = 0; count < OPENED; count++) close(must("socket", socket(AF_INET, SOCK_STREAM, 0)));
    for (int count = 0; count < AT_ONCE; count++) many[count] = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    for (int count = 0; count < AT_ONCE; count++) close(many[count]);
}

static void traced(void) {
    signal(SIGUSR1, handle);
    signal(SIGPIPE, SIG_IGN);
    open_ends(0, &other_out, &other_in);
    server = known_listener(&port);
    listen(server, 16);
    set = must("epoll_create1", epoll_create1(0));
    if (is("poll") || is("epoll")) {
        open_ends(0, &fd, &end);
        struct epoll_event event = {.events = EPOLLIN};
        if (is("epoll_wait")) must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, end, &event));
    }
    connect_anew();
    must("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    while (!shared->over) round_of_calls();
    connect_anew();
    open_many();
    _exit(0);
}

// Runs the handler, now or when the call admits signals, and goes on to the next call.
static void interrupt(pid_t process) {
    int status;
    do {
        must("ptrace", ptrace(PTRACE_CONT, process, 0, (long)SIGUSR1));
        must("waitpid", waitpid(process, &status, 0));
    } while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
    if (WIFEXITED(status)) exit(WEXITSTATUS(status));
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) exit(96);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    jumps = strstr(arguments[1], "jump_") == arguments[1];
    call = arguments[1] + (jumps ? strlen("jump_") : 0);
    int stride = atoi(arguments[2]), visit = atoi(arguments[3]), status;
    shared = shared_memory(sizeof *shared);
    pid_t process = must("fork", fork());
    if (process == 0) traced();
    must("waitpid", waitpid(process, &status, 0));
    shared->visit = -1;
    shared->patience = is_empty() ? LONG_WAIT : PATIENCE;
    // The first call is not like those that follow: the linker has to find the function.
    go_on(process, PTRACE_CONT, 0);
    for (int round = 0; round < LEARNED; round++) {
        learn(process, &shared->inside);
        go_on(process, PTRACE_CONT, 0);
    }
    for (stride = pace(stride); visit < visit_count; visit += stride) {
        struct timespec start;
        clock_gettime(CLOCK_MONOTONIC, &start);
        shared->visit = visit;
        shared->waits = visit <= longest_step;
        shared->patience = is_empty() && !shared->waits ? WAIT : PATIENCE;
        // If it does not come there it stands before the next call.
        int came = go_to(process, &shared->inside, visit);
        if (came) interrupt(process);
        if (came && since(&start) > SLOW) fail("took too long", since(&start));
    }
    if (getenv("VERBOSE")) print("%d visits\n", visit_count);
    shared->over = 1;
    must("ptrace", ptrace(PTRACE_CONT, process, 0, 0));
    must("waitpid", waitpid(process, &status, 0));
    if (!WIFEXITED(status) || WEXITSTATUS(status)) return 97;
    return done();
}
