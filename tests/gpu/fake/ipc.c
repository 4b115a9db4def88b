/* Handles for other processes of this host. Each names a file that the owner has open, and what is in it; it is opened
 * through /proc, so nothing has a name anywhere, and nothing is left when the processes end, however they do.
 *
 * As with the driver, a handle cannot be opened by the process that made it: CUDA_ERROR_INVALID_CONTEXT.
 */
#include "fake.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum content { MEMORY = 1, EVENT = 2 };

struct ticket {
    char word[4];
    enum content content;
    pid_t process;
    int file;
    unsigned long long born;    /* so that a process of the same number later is not taken for it */
    size_t offset, size;
};

_Static_assert(sizeof(struct ticket) <= sizeof(CUipcMemHandle), "a handle has 64 bytes");

/* A ticket that is open here: that of memory is opened once, and that of events maps the file of all. */
struct opened {
    struct ticket ticket;
    CUcontext ctx;
    CUdeviceptr address;
    struct mark *marks;
    struct opened *next;
};

static pthread_mutex_t all = PTHREAD_MUTEX_INITIALIZER;
static struct opened *opened;

/* When the process was started, in ticks since the host was; 0 if there is none. */
static unsigned long long born(pid_t process)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    unsigned long long start = 0;
    char *field = strrchr(text, ')'); /* the 2nd field may hold spaces; the time is the 22nd */
    for (int number = 2; field && number < 22; number++) field = strchr(field + 1, ' ');
    if (field) sscanf(field, "%llu", &start);
    return start;
}

static struct ticket ticket_for(enum content content, int file, size_t offset, size_t size)
{
    struct ticket ticket = {"FAKE", content, getpid(), file, born(getpid()), offset, size};
    return ticket;
}

static CUresult check(const struct ticket *ticket, enum content content)
{
    if (memcmp(ticket->word, "FAKE", 4) || ticket->content != content) return CUDA_ERROR_INVALID_VALUE;
    if (ticket->process == getpid()) return CUDA_ERROR_INVALID_CONTEXT;
    return born(ticket->process) == ticket->born ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static void *map(const struct ticket *ticket, size_t offset, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", ticket->process, ticket->file);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return NULL;
    void *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
    close(file);
    return view == MAP_FAILED ? NULL : view;
}

static void remember(struct opened entry)
{
    struct opened *made = malloc(sizeof *made);
    *made = entry;
    made->next = opened;
    opened = made;
}

CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address)
{
    ENTER(ctx);
    struct span span;
    if (!span_at(address, &span) || span.kind != DEVICE) return CUDA_ERROR_INVALID_VALUE;
    size_t offset;
    int file = arena_of(&span, &offset);
    struct ticket ticket = ticket_for(MEMORY, file, offset, span.size);
    memset(handle, 0, sizeof *handle);
    memcpy(handle, &ticket, sizeof ticket);
    return CUDA_SUCCESS;
}

static CUresult open_memory(CUcontext ctx, const struct ticket *ticket, CUdeviceptr *address)
{
    for (struct opened *each = opened; each; each = each->next)
        if (each->ctx == ctx && !memcmp(&each->ticket, ticket, sizeof *ticket) && hold_span(each->address, 1) > 0) {
            *address = each->address;
            return CUDA_SUCCESS;
        }
    void *view = map(ticket, ticket->offset, ticket->size);
    if (!view) return CUDA_ERROR_MAP_FAILED;
    CUresult made = import_span(ctx, view, ticket->size, address);
    if (made == CUDA_SUCCESS) remember((struct opened){*ticket, ctx, *address, NULL, NULL});
    return made;
}

CUresult cuIpcOpenMemHandle(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags)
{
    ENTER(ctx);
    struct ticket ticket;
    memcpy(&ticket, &handle, sizeof ticket);
    if (flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
    CUresult refused = check(&ticket, MEMORY);
    if (refused != CUDA_SUCCESS) return refused;
    pthread_mutex_lock(&all);
    CUresult made = open_memory(ctx, &ticket, address);
    pthread_mutex_unlock(&all);
    return made;
}

CUresult cuIpcCloseMemHandle(CUdeviceptr address)
{
    ENTER(ctx);
    wait_for_context(ctx);
    pthread_mutex_lock(&all);
    int left = hold_span(address, -1);
    for (struct opened **place = &opened; left == 0 && *place; place = &(*place)->next) {
        struct opened *entry = *place;
        if (entry->address != address) continue;
        *place = entry->next;
        free(entry);
        break;
    }
    pthread_mutex_unlock(&all);
    return left < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuIpcGetEventHandle(CUipcEventHandle *handle, CUevent event)
{
    ENTER(ctx);
    if (!is_interprocess(event)) return CUDA_ERROR_INVALID_HANDLE;
    int file;
    size_t offset = mark_offset(event, &file);
    struct ticket ticket = ticket_for(EVENT, file, offset, sizeof(struct mark));
    memset(handle, 0, sizeof *handle);
    memcpy(handle, &ticket, sizeof ticket);
    return CUDA_SUCCESS;
}

/* The events of another process; they stay mapped, for streams may still wait for one that was destroyed here. */
static struct mark *marks_of(const struct ticket *ticket)
{
    for (struct opened *each = opened; each; each = each->next)
        if (each->marks && each->ticket.process == ticket->process && each->ticket.born == ticket->born)
            return each->marks;
    struct mark *marks = map(ticket, 0, marks_size());
    if (marks) remember((struct opened){*ticket, NULL, 0, marks, NULL});
    return marks;
}

CUresult cuIpcOpenEventHandle(CUevent *event, CUipcEventHandle handle)
{
    ENTER(ctx);
    struct ticket ticket;
    memcpy(&ticket, &handle, sizeof ticket);
    CUresult refused = check(&ticket, EVENT);
    if (refused != CUDA_SUCCESS) return refused;
    pthread_mutex_lock(&all);
    struct mark *marks = marks_of(&ticket);
    pthread_mutex_unlock(&all);
    return marks ? open_event(ctx, marks + ticket.offset / sizeof *marks, event) : CUDA_ERROR_MAP_FAILED;
}
