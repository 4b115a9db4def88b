/* Two processes and what joins them: `socket_loop ITEMS SIZE ACKNOWLEDGED TCP` prints the seconds that it took to send
 * so many items of so many bytes, each answered with a byte if ACKNOWLEDGED is 1, the last one always; over loopback if
 * TCP is 1, else by a socketpair. Nothing is faster over a socket, one call for each item. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void whole(int fd, char *buffer, size_t size, int sends) {
    while (size) {
        ssize_t count = sends ? send(fd, buffer, size, 0) : recv(fd, buffer, size, 0);
        if (count <= 0) exit(1);
        buffer += count;
        size -= (size_t)count;
    }
}

/* Large items have buffers of the size that is best for them, which our links have, too; TCP finds its own. */
static int join_by_pair(int *fd, long size) {
    int room = 1 << 20;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd)) return -1;
    for (int end = 0; size >= room && end < 2; end++)
        if (setsockopt(fd[end], SOL_SOCKET, SO_SNDBUF, &room, sizeof room) ||
            setsockopt(fd[end], SOL_SOCKET, SO_RCVBUF, &room, sizeof room)) return -1;
    return 0;
}

static int join_by_tcp(int *fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int at_once = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &length)) return -1;
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (fd[0] < 0 || connect(fd[0], (struct sockaddr *)&address, length)) return -1;
    fd[1] = accept(listener, NULL, NULL);
    close(listener);
    for (int end = 0; end < 2; end++)
        if (fd[end] < 0 || setsockopt(fd[end], IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once)) return -1;
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    long items = atol(argv[1]), size = atol(argv[2]);
    int acknowledged = atoi(argv[3]), tcp = atoi(argv[4]), fd[2];
    char *buffer = malloc((size_t)size), byte = 0;
    if (!buffer || (tcp ? join_by_tcp(fd) : join_by_pair(fd, size))) return 1;
    memset(buffer, 7, (size_t)size);
    pid_t child = fork();
    if (child < 0) return 1;
    int mine = fd[child ? 0 : 1];
    close(fd[child ? 1 : 0]);
    struct timespec begin, end;
    if (child) whole(mine, &byte, 1, 0);
    else whole(mine, &byte, 1, 1);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long item = 0; item < items; item++) {
        whole(mine, buffer, (size_t)size, child != 0);
        if (acknowledged || item == items - 1) whole(mine, &byte, 1, child == 0);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (!child) return 0;
    int status;
    if (waitpid(child, &status, 0) != child || status) return 1;
    printf("%.9f\n", (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec));
    return 0;
}
