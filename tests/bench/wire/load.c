/* The load client: opens connections, reads all that comes, and says how much that was, and how
 * late. One thread, raw epoll; it looks for marks in the bytes and parses nothing else, so that
 * it is never the bottleneck.
 *
 *     load PORT sse|ws READY MARK TARGETS
 *
 * TARGETS is a file of lines `path` or, for a WebSocket, `path TAB first message`; connection n
 * takes line n, round and round. A connection is ready when READY has come after the handshake.
 * Commands come in on stdin, and for each one line goes out on stdout once it is done; where it
 * waited, as JSON:
 *
 *     connect N              open N connections and wait until they are ready
 *     stall N                the same, with a small receive buffer, and then never read them
 *     deliveries N SECONDS   wait until each that is read has N stamped messages more
 *     marks N SECONDS        wait until each that is read has seen MARK N times since it began
 *     read                   read the stalled ones, too
 */

#include "common.h"

#include <sys/epoll.h>

enum { AT_ONCE = 128, BATCH = 512, SIZE = 1 << 18, CARRY = 64, SMALL = 4096 };
static const int64_t PATIENCE = 60000000000;
enum { MICROSECONDS = 2000000 }; /* what is later counts as this late */
enum state { HANDSHAKE, CATCHING_UP, READY_TO_READ, CLOSED };

struct text {
    const char *bytes;
    size_t size;
};

struct connection {
    int fd;
    enum state state;
    bool read, stalled;
    uint8_t carried;
    char carry[CARRY]; /* the end of what came last: a mark may begin there */
    const char *message;
    unsigned deliveries, marks;
};

static struct sockaddr_in server;
static bool websocket;
static struct text ready, mark, head_end = {"\r\n\r\n", 4};
static char **targets;
static size_t target_count, keep;
static struct connection *connections;
static unsigned count, capacity, readers, closed, waiting, done;
static unsigned goal;
static bool by_marks;
static uint64_t deliveries;
static int64_t busy; /* nanoseconds in which there was something to read */
static uint32_t *late;
static int epoll;
static char buffer[CARRY + SIZE];

static struct text text_of(const char *bytes) {
    struct text text = {bytes, strlen(bytes)};
    if (text.size >= CARRY) {
        fprintf(stderr, "a mark has at most %d bytes\n", CARRY - 1);
        exit(1);
    }
    if (text.size > keep) keep = text.size;
    return text;
}

static void read_targets(const char *path) {
    size_t size;
    char *rest = content(path, &size);
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (!*line) continue;
        targets = allocated(realloc(targets, (target_count + 1) * sizeof *targets));
        targets[target_count++] = line;
    }
}

static void send_request(struct connection *c, const char *target) {
    char request[1024];
    int path = (int)strcspn(target, "\t");
    c->message = target[path] ? target + path + 1 : "";
    int size = snprintf(
        request, sizeof request,
        "GET %.*s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: load\r\nCache-Control: no-cache\r\n%s\r\n",
        path, target, ntohs(server.sin_port),
        websocket ? "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    "Sec-WebSocket-Protocol: progress.v1\r\n"
                  : "Accept: text/event-stream\r\n");
    send_all(c->fd, request, (size_t)size);
}

/* RFC 6455 §5.2: masked, with a key of zeros that leaves the text as it is. */
static void send_message(struct connection *c) {
    size_t size = strlen(c->message), at = 2;
    char frame[1024] = {(char)0x81, (char)(0x80 | (size < 126 ? size : 126))};
    if (size > sizeof frame - 8) die("the first message is too long");
    if (size >= 126) frame[at++] = (char)(size >> 8), frame[at++] = (char)size;
    memcpy(frame + at + 4, c->message, size);
    send_all(c->fd, frame, at + 4 + size);
}

static void watch(struct connection *c) {
    struct epoll_event event = {EPOLLIN | EPOLLET, {.u32 = (uint32_t)(c - connections)}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
    c->read = true;
}

static void open_connection(bool stalled) {
    struct connection *c = &connections[count];
    *c = (struct connection){.fd = connected(&server, stalled ? SMALL : 0), .stalled = stalled};
    send_request(c, targets[count % target_count]);
    count++;
    waiting++;
    readers++;
    watch(c);
}

static void has_become_ready(struct connection *c) {
    c->state = READY_TO_READ;
    waiting--;
    if (!c->stalled) return;
    if (epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL)) die("epoll_ctl");
    c->read = false;
    readers--;
}

static void check_status(const char *data, size_t size) {
    const char *wanted = websocket ? "HTTP/1.1 101" : "HTTP/1.1 200";
    if (size >= 12 && !memcmp(data, wanted, 12)) return;
    fprintf(stderr, "the server answered: %.*s\n", (int)(size < 400 ? size : 400), data);
    exit(1);
}

/* Past the first `text` in the data, or NULL. `fresh` is where the new bytes begin. */
static char *past(struct text text, char *from, char *fresh, char *end) {
    char *earliest = fresh - (text.size - 1);
    if (from < earliest) from = earliest;
    char *found = memmem(from, (size_t)(end - from), text.bytes, text.size);
    return found ? found + text.size : NULL;
}

static unsigned *goal_of(struct connection *c) { return by_marks ? &c->marks : &c->deliveries; }

static void reached(struct connection *c, unsigned *counter) {
    if (++*counter == goal && counter == goal_of(c)) done++;
}

static void read_stamp(struct connection *c, const char *digits, int64_t now) {
    int64_t sent = 0;
    for (int i = 0; i < DIGITS; i++) sent = sent * 10 + (digits[i] - '0');
    int64_t microseconds = (now - sent) / 1000;
    if (microseconds < 0 || microseconds >= MICROSECONDS) microseconds = MICROSECONDS - 1;
    late[microseconds]++;
    deliveries++;
    reached(c, &c->deliveries);
}

static void scan(struct connection *c, char *from, char *fresh, char *end) {
    if (c->state == HANDSHAKE) {
        char *body = past(head_end, from, fresh, end);
        if (!body) return;
        c->state = CATCHING_UP;
        if (*c->message) send_message(c);
        if (!ready.size) has_become_ready(c);
        from = body;
    }
    if (c->state == CATCHING_UP && past(ready, from, fresh, end)) has_become_ready(c);
    for (char *at = from; mark.size && (at = past(mark, at, fresh, end));) reached(c, &c->marks);
    int64_t now = now_ns();
    char *at = fresh - (STAMP - 1) > from ? fresh - (STAMP - 1) : from;
    while ((at = memchr(at, MARK, (size_t)(end - at))) && end - at >= STAMP) {
        bool whole = at[STAMP - 1] == MARK;
        if (whole) read_stamp(c, at + 1, now);
        at += whole ? STAMP : 1;
    }
}

static bool has_left(struct connection *c) {
    if (c->state < READY_TO_READ) {
        fprintf(stderr, "the server closed a connection before it was ready\n");
        exit(1);
    }
    close(c->fd);
    c->state = CLOSED;
    if (*goal_of(c) < goal) closed++;
    return false;
}

/* Read once; say whether there may be more. */
static bool receive(struct connection *c) {
    char *fresh = buffer + CARRY;
    ssize_t size = recv(c->fd, fresh, SIZE, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return false;
    if (size <= 0) return has_left(c);
    if (c->state == HANDSHAKE && !c->carried) check_status(fresh, (size_t)size);
    char *from = fresh - c->carried, *end = fresh + size;
    memcpy(from, c->carry, c->carried);
    scan(c, from, fresh, end);
    size_t tail = (size_t)(end - from) < keep ? (size_t)(end - from) : keep;
    memcpy(c->carry, end - tail, tail);
    c->carried = (uint8_t)tail;
    return size == SIZE && c->read;
}

static void turn(int timeout) {
    static struct epoll_event events[BATCH];
    int64_t began = now_ns();
    int n = epoll_wait(epoll, events, BATCH, timeout);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++)
        while (receive(&connections[events[i].data.u32])) continue;
    if (n) busy += now_ns() - began;
}

static void open_all(unsigned more, bool stalled) {
    int64_t began = now_ns();
    if (count + more > capacity) {
        capacity = count + more;
        connections = allocated(realloc(connections, capacity * sizeof *connections));
    }
    for (unsigned opened = 0; opened < more || waiting;) {
        while (opened < more && waiting < AT_ONCE) open_connection(stalled), opened++;
        turn(0);
        if (now_ns() - began < PATIENCE) continue;
        fprintf(stderr, "%u connections are not ready after a minute\n", waiting);
        exit(1);
    }
    printf("ready\n");
}

static double quantile(double share) {
    uint64_t seen = 0, rank = (uint64_t)(share * (double)deliveries);
    for (int i = 0; i < MICROSECONDS; i++)
        if ((seen += late[i]) > rank) return i / 1e6;
    return 0;
}

static void wait_for(bool marks, unsigned n, double seconds) {
    int64_t began = now_ns(), deadline = began + (int64_t)(seconds * 1e9);
    memset(late, 0, MICROSECONDS * sizeof *late);
    deliveries = done = closed = 0;
    busy = 0;
    by_marks = marks;
    goal = n;
    for (unsigned i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        if (!marks) c->deliveries = 0;
        if (!c->read) continue;
        if (*goal_of(c) >= goal) done++;
        else if (c->state == CLOSED) closed++;
    }
    /* It does not sleep: a server would pay for waking it, with each write to a client on the same
     * machine, and the more the slower it is. */
    while (done + closed < readers && now_ns() < deadline) turn(0);
    unsigned least = UINT32_MAX, most = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!connections[i].read) continue;
        unsigned reached = *goal_of(&connections[i]);
        if (reached < least) least = reached;
        if (reached > most) most = reached;
    }
    printf("{\"deliveries\": %lu, \"complete\": %u, \"least\": %u, \"most\": %u, \"seconds\": %.6f, "
           "\"busy\": %.6f, \"p50\": %.6f, \"p99\": %.6f}\n",
           deliveries, done, least, most, (now_ns() - began) / 1e9, busy / 1e9, quantile(0.5),
           quantile(0.99));
}

static void read_stalled(void) {
    for (unsigned i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        if (c->read) continue;
        watch(c);
        readers++;
    }
    printf("reading\n");
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: load PORT sse|ws READY MARK TARGETS\n");
        return 2;
    }
    server = loopback(argv[1]);
    websocket = !strcmp(argv[2], "ws");
    keep = STAMP;
    ready = text_of(argv[3]);
    mark = text_of(argv[4]);
    keep--;
    read_targets(argv[5]);
    late = allocated(calloc(MICROSECONDS, sizeof *late));
    if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1");
    char command[64];
    while (fgets(command, sizeof command, stdin)) {
        unsigned n;
        double seconds;
        if (sscanf(command, "connect %u", &n) == 1) open_all(n, false);
        else if (sscanf(command, "stall %u", &n) == 1) open_all(n, true);
        else if (sscanf(command, "deliveries %u %lf", &n, &seconds) == 2) wait_for(false, n, seconds);
        else if (sscanf(command, "marks %u %lf", &n, &seconds) == 2) wait_for(true, n, seconds);
        else if (!strcmp(command, "read\n")) read_stalled();
        else return 2;
        fflush(stdout);
    }
    return 0;
}
