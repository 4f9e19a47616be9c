/* Publishes to Nchan in the only way there is, one POST for each event, on one connection.
 *
 *     post PORT EVENT OPERATIONS RATE EVENTS
 *
 * EVENT is a file with an event's JSON. The operations take turns, RATE events a second in all.
 */

#include "common.h"

enum { ANSWER = 4096, TICK_NS = 5000000 };

static int server;

/* An answer is read to its end before the next event goes out: a head, and what it announces. */
static void read_answer(void) {
    char answer[ANSWER + 1];
    for (size_t size = 0, whole = 0; !whole || size < whole;) {
        ssize_t more = recv(server, answer + size, ANSWER - size, 0);
        if (more <= 0) die("the answer ended early");
        size += (size_t)more;
        answer[size] = 0;
        char *body = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "content-length:");
        if (body) whole = (size_t)(body + 4 - answer) + (length ? strtoul(length + 15, NULL, 10) : 0);
    }
}

static void wait_until(int64_t time) {
    int64_t early = time - now_ns();
    if (early <= 0) return;
    if (early < TICK_NS) early = TICK_NS;
    struct timespec pause = {early / 1000000000, early % 1000000000};
    nanosleep(&pause, NULL);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: post PORT EVENT OPERATIONS RATE EVENTS\n");
        return 2;
    }
    size_t size;
    char *event = content(argv[2], &size);
    char *digits = stamp_in(event, size);
    struct sockaddr_in address = loopback(argv[1]);
    server = connected(&address, 0);
    unsigned operations = (unsigned)atoi(argv[3]), events = (unsigned)atoi(argv[5]);
    double rate = atof(argv[4]);
    char *request = allocated(malloc(size + 256));
    int64_t began = now_ns();
    for (unsigned n = 0; n < events; n++) {
        wait_until(began + (int64_t)(n / rate * 1e9));
        put_stamp(digits);
        int head = sprintf(request,
                           "POST /pub/%u HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                           "Content-Type: application/json\r\nX-EventSource-Event: progress\r\n"
                           "Content-Length: %zu\r\n\r\n",
                           n % operations, size);
        memcpy(request + head, event, size);
        send_all(server, request, (size_t)head + size);
        read_answer();
    }
    return 0;
}
