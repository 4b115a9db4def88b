/* Two processes and a socketpair: `socket_loop ITEMS SIZE ACKNOWLEDGED` prints the seconds that it took to send so many
 * items of so many bytes, each answered with a byte if ACKNOWLEDGED is 1, the last one always. Nothing is faster over a
 * socket, one call for each item. */
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

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    long items = atol(argv[1]), size = atol(argv[2]);
    int acknowledged = atoi(argv[3]), fd[2];
    char *buffer = malloc((size_t)size), byte = 0;
    if (!buffer || socketpair(AF_UNIX, SOCK_STREAM, 0, fd)) return 1;
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
