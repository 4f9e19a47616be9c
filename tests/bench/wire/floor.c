/* The floor: a server that does one write() per delivery and nothing else. One thread, raw epoll.
 *
 *     floor PORT SSE WS
 *
 * SSE and WS are files with the bytes of one event on that wire, head and chunk size and all.
 * `GET /N` subscribes to operation N, `GET /publish/OPERATIONS/RATE/EVENTS` publishes so many
 * events to the operations in turn, RATE a second in all.
 */

#include "common.h"

#include <sys/epoll.h>

enum { CONNECTIONS = 1 << 15, OPERATIONS = 1 << 10, BATCH = 512, HEAD = 2048, TICK_MS = 5 };

static const char sse_head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    "Transfer-Encoding: chunked\r\n\r\n";
/* RFC 6455 §1.3: what belongs to the key that the load client always sends. */
static const char ws_head[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char accepted[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

struct frame {
    char *bytes, *digits;
    size_t size;
};

static int first[OPERATIONS], next[CONNECTIONS]; /* lists of descriptors; 0 ends them */
static bool is_websocket[CONNECTIONS];
static struct frame sse, ws;
static unsigned operations, events, published;
static double rate;
static int64_t began;
static int epoll;

static struct frame frame_in(const char *path) {
    struct frame frame;
    frame.bytes = content(path, &frame.size);
    frame.digits = stamp_in(frame.bytes, frame.size);
    return frame;
}

static void put(int fd, const char *data, size_t size) {
    if (write(fd, data, size) != (ssize_t)size) die("a subscriber did not take it all");
}

static void publish(unsigned operation) {
    put_stamp(sse.digits);
    memcpy(ws.digits, sse.digits, DIGITS);
    for (int fd = first[operation]; fd; fd = next[fd]) {
        struct frame *frame = is_websocket[fd] ? &ws : &sse;
        put(fd, frame->bytes, frame->size);
    }
}

static void publish_what_is_due(void) {
    double due = (double)(now_ns() - began) / 1e9 * rate + 1;
    while (published < events && published < due) publish(published++ % operations);
}

/* Milliseconds until the next event is due, -1 for ever. */
static int until_due(void) {
    if (published >= events) return -1;
    double early = published / rate * 1e3 - (double)(now_ns() - began) / 1e6;
    return early < TICK_MS ? TICK_MS : (int)early + 1;
}

static void answer(int fd, const char *head) {
    unsigned operation;
    if (sscanf(head, "GET /publish/%u/%lf/%u", &operations, &rate, &events) == 3) {
        put(fd, accepted, sizeof accepted - 1);
        began = now_ns();
        published = 0;
    } else if (sscanf(head, "GET /%u", &operation) == 1 && operation < OPERATIONS) {
        is_websocket[fd] = strstr(head, "Upgrade: websocket");
        if (is_websocket[fd]) put(fd, ws_head, sizeof ws_head - 1);
        else put(fd, sse_head, sizeof sse_head - 1);
        next[fd] = first[operation];
        first[operation] = fd;
    } else {
        fprintf(stderr, "what is that? %s\n", head);
        exit(1);
    }
}

static void read_from(int fd) {
    char head[HEAD];
    ssize_t size = read(fd, head, sizeof head - 1);
    if (size <= 0) { /* it stays in its list: nobody leaves before the end */
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        return;
    }
    head[size] = 0;
    answer(fd, head);
}

static void watch(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static int listening_on(const char *port) {
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) die("socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) die("listen");
    return fd;
}

static void accept_from(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= CONNECTIONS) die("too many connections");
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) die("TCP_NODELAY");
        watch(fd);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: floor PORT SSE WS\n");
        return 2;
    }
    sse = frame_in(argv[2]);
    ws = frame_in(argv[3]);
    int listener = listening_on(argv[1]);
    if ((epoll = epoll_create1(0)) < 0) die("epoll_create1");
    watch(listener);
    static struct epoll_event ready[BATCH];
    for (;;) {
        int n = epoll_wait(epoll, ready, BATCH, until_due());
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == listener) accept_from(listener);
            else read_from(ready[i].data.fd);
        }
        publish_what_is_due();
    }
}
