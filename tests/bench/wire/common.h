/* What the three C programs of the wire benchmarks share. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* An event's message holds the time at which it was published, as |nanoseconds|: 19 digits of
 * CLOCK_MONOTONIC between two bars. */
#define MARK '|'
#define DIGITS 19
#define STAMP (DIGITS + 2)

static inline int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

__attribute__((noreturn)) static inline void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline void *allocated(void *memory) {
    if (!memory) die("malloc");
    return memory;
}

static inline struct sockaddr_in loopback(const char *port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

/* A blocking connection; `receive_buffer` in bytes, 0 for what the system gives. */
static inline int connected(const struct sockaddr_in *address, int receive_buffer) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) die("socket");
    if (receive_buffer &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer))
        die("SO_RCVBUF");
    if (connect(fd, (const struct sockaddr *)address, sizeof *address)) die("connect");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) die("TCP_NODELAY");
    return fd;
}

static inline void send_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) die("send");
        data += sent;
        size -= (size_t)sent;
    }
}

/* The whole of a file, with a NUL after it. */
static inline char *content(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) die(path);
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = allocated(malloc(*size + 1));
    if (fread(data, 1, *size, file) != *size) die(path);
    data[*size] = 0;
    fclose(file);
    return data;
}

/* Where the digits go in a prepared message. */
static inline char *stamp_in(char *message, size_t size) {
    char *mark = memchr(message, MARK, size);
    if (!mark || message + size - mark < STAMP) {
        fprintf(stderr, "the message has no place for a time\n");
        exit(1);
    }
    return mark + 1;
}

static inline void put_stamp(char *digits) {
    int64_t now = now_ns();
    for (int i = DIGITS - 1; i >= 0; i--, now /= 10) digits[i] = (char)('0' + now % 10);
}
