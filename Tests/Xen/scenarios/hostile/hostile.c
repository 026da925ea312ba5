// A guest without manners: for some seconds it writes garbage wherever a frontend may write, in orders in which no frontend
// would. `hostile SECONDS SEED`; prints what it did at the end.

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

enum { PAGE = 4096, POOL = 96, DEVICE = 0 };

static struct xs_handle *store;
static xenevtchn_handle *channels;
static xengntshr_handle *grants;
static uint8_t *pool;
static uint32_t references[POOL];
static char frontend[64], backend[128];
static uint64_t state;
static unsigned long connects, rounds, requests, answers;

static uint32_t below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

static int chance(uint32_t in) { return below(in) == 0; }

static void set(const char *node, const char *value) {
    char path[192];
    snprintf(path, sizeof path, "%s/%s", frontend, node);
    xs_write(store, XBT_NULL, path, value, strlen(value));
}

static void set_number(const char *node, uint32_t value) {
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    set(node, text);
}

static int backend_state(void) {
    char path[192];
    unsigned length;
    snprintf(path, sizeof path, "%s/state", backend);
    char *text = xs_read(store, XBT_NULL, path, &length);
    int value = text ? atoi(text) : -1;
    free(text);
    return value;
}

static int await_state(int wanted, int milliseconds) {
    for (int waited = 0; waited < milliseconds; waited += 5) {
        if (backend_state() == wanted) return 1;
        usleep(5000);
    }
    return 0;
}

static uint32_t odd(void) {
    static const uint32_t values[] = {0, 1, 2, 3, 8, 9, 10, 31, 32, 63, 64, 255, 256, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
    switch (below(4)) {
    case 0: return values[below(sizeof values / sizeof *values)];
    case 1: return references[below(POOL)];
    case 2: return below(2048);
    default: return (uint32_t)state;
    }
}

static void put32(void *at, uint32_t value) { __atomic_store_n((uint32_t *)at, value, __ATOMIC_SEQ_CST); }
static uint32_t get32(void *at) { return __atomic_load_n((uint32_t *)at, __ATOMIC_SEQ_CST); }
static void put64(void *at, uint64_t value) { memcpy(at, &value, 8); }

// An indexes page at `page` of the pool, with its ring in the pages behind it, more or less.
static void write_indexes(int page) {
    uint8_t *at = pool + page * PAGE;
    memset(at, 0, PAGE);
    put32(at + 128, chance(4) ? odd() : 1 + below(5));
    for (int index = 0; index < 512; index++)
        put32(at + 132 + 4 * index, chance(20) ? odd() : references[(page + 1 + index) % POOL]);
}

static void write_garbage(void) {
    switch (below(3)) {
    case 0: {
        uint8_t *at = pool + below(POOL) * PAGE;
        for (int index = 0; index < PAGE; index += 4) put32(at + index, (uint32_t)state ^ below(~0u));
        break;
    }
    case 1:
        put32(pool + below(POOL) * PAGE + below(PAGE / 4) * 4, odd());
        break;
    default: {
        // The words of a ring, of both forms.
        static const int words[] = {0, 4, 8, 64, 68, 72, 3840, 3844, 3904, 3908, 3968, 3972, 4032, 4036};
        put32(pool + below(POOL) * PAGE + words[below(sizeof words / sizeof *words)], odd());
    }
    }
}

// A dock page that lists regions as a session wants them, more or less.
static void write_dock(int page) {
    uint8_t *at = pool + page * PAGE;
    memset(at, 0, PAGE);
    uint32_t ports = chance(5) ? odd() : 64, dock = chance(5) ? odd() : 3, control = chance(5) ? odd() : 10;
    put32(at + 1024, ports);
    put32(at + 1028, control);
    put32(at + 1032, dock);
    for (int index = 0; index < 760; index++)
        put32(at + 1040 + 4 * index, chance(30) ? odd() : references[(page + index) % POOL]);
}

static void connect_device(void) {
    connects++;
    uint8_t *ring = pool;
    memset(ring, 0, PAGE);
    put32(ring + 4, 1);
    put32(ring + 12, 1);
    set_number("state", 1);
    await_state(2, 300);
    xenevtchn_port_or_error_t port = xenevtchn_bind_unbound_port(channels, 0);
    set("version", chance(8) ? "2" : "1");
    set_number("ring-ref", chance(8) ? odd() : references[0]);
    set_number("port", chance(8) || port < 0 ? odd() : (uint32_t)port);
    set("xensock2", chance(2) ? "1" : chance(4) ? "yes" : "0");
    set_number("state", chance(10) ? 4 : 3);
    int connected = await_state(4, 500);
    if (chance(3)) set_number("state", 4);
    uint32_t produced = 0;
    for (int burst = 0; connected && burst < 40; burst++) {
        for (uint32_t count = below(chance(10) ? 60 : 20); count > 0; count--) {
            static const uint32_t commands[] = {0, 1, 2, 3, 4, 5, 6, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 80, 80, 80, 81, 82, 1000};
            uint8_t *entry = ring + 64 + 64 * (produced & 31);
            for (int word = 0; word < 64; word += 4) put32(entry + word, chance(3) ? odd() : below(8));
            uint32_t command = chance(12) ? odd() : commands[below(sizeof commands / sizeof *commands)];
            put32(entry, produced & 31);
            put32(entry + 4, command);
            put64(entry + 8, chance(6) ? odd() : below(8));
            int page = 1 + (int)below(POOL - 1);
            if (command == 0) put32(entry + 16, 2), put32(entry + 20, 1), put32(entry + 24, 0);
            if (command == 1 || command == 3) {
                uint8_t address[16] = {2, 0, 0, (uint8_t)below(256), 127, 0, 0, 1};
                memcpy(entry + 16, address, 16);
                put32(entry + 44, chance(8) ? odd() : 16);
            }
            if (command == 1 || command == 5) {
                write_indexes(page);
                uint32_t reference = chance(6) ? odd() : references[page];
                int bound = xenevtchn_bind_unbound_port(channels, 0);
                uint32_t channel = chance(6) || bound < 0 ? odd() : (uint32_t)bound;
                put32(entry + (command == 1 ? 52 : 24), reference);
                put32(entry + (command == 1 ? 56 : 28), channel);
                if (command == 5) put64(entry + 16, below(8));
            }
            if (command == 80) {
                write_dock(page);
                put32(entry + 16, chance(6) ? odd() : references[page]);
                int bound = xenevtchn_bind_unbound_port(channels, 0);
                put32(entry + 20, chance(6) || bound < 0 ? odd() : (uint32_t)bound);
            }
            produced++;
            requests++;
        }
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        put32(ring, chance(40) ? odd() : produced);
        if (port >= 0) for (uint32_t times = 1 + below(chance(20) ? 500 : 3); times > 0; times--) xenevtchn_notify(channels, port);
        for (uint32_t count = below(200); count > 0; count--) write_garbage();
        // The ring's own page is spared mostly: else nothing would get further than its head.
        if (!chance(10)) put32(ring, produced);
        answers += get32(ring + 8) & 31;
        usleep(below(3000));
        if (chance(60)) set_number("state", below(10));
        if (backend_state() != 4) break;
    }
    switch (below(5)) {
    case 0: set_number("state", 6); break;
    case 1: set_number("state", 1); break;
    case 2: set("state", "nonsense"); break;
    default: set_number("state", 5); await_state(5, 200); set_number("state", 6);
    }
    // All channels of this connection at once, as by a death.
    xenevtchn_close(channels);
    channels = xenevtchn_open(NULL, 0);
    if (!channels) exit(3);
    await_state(6, 300);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int seconds = atoi(arguments[1]);
    state = strtoull(arguments[2], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
    store = xs_open(0);
    channels = xenevtchn_open(NULL, 0);
    grants = xengntshr_open(NULL, 0);
    if (!store || !channels || !grants) return 3;
    pool = xengntshr_share_pages(grants, 0, POOL, references, 1);
    if (!pool) return 4;
    snprintf(frontend, sizeof frontend, "device/pvcalls/%d", DEVICE);
    char path[96];
    unsigned length;
    snprintf(path, sizeof path, "%s/backend", frontend);
    char *text = xs_read(store, XBT_NULL, path, &length);
    if (!text) return 5;
    snprintf(backend, sizeof backend, "%s", text);
    time_t end = time(NULL) + seconds;
    while (time(NULL) < end) {
        connect_device();
        rounds++;
    }
    set_number("state", 5);
    await_state(5, 1000);
    set_number("state", 6);
    printf("%lu connects, %lu requests\n", connects, requests);
    return connects == 0 || requests == 0;
}
