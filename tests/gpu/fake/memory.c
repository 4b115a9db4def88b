/* Memory: of each device, a file in memory, of which allocations are pieces; and host memory that is pinned.
 *
 * Device addresses are of a range that nobody can read, so the host that follows one fails as with a real device. Freed
 * memory is filled with 0xFF, as far as it is not huge, and given away again late: what still uses it is found out.
 */
#include "fake.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define GRAVES 16       /* freed allocations that are not given away yet */
#define POISONED (4UL << 20)    /* bytes of each that are filled; the rest goes back to the host at once */

/* The memory of a device. */
struct arena {
    int file;
    CUdeviceptr base;
    char *view;
    size_t size, used;
    CUdeviceptr graves[GRAVES];
    unsigned freed;
};

static pthread_mutex_t all = PTHREAD_MUTEX_INITIALIZER;
static struct span *spans;
static struct arena arenas[16];

static size_t pages(size_t size) { return (size + PAGE - 1) / PAGE * PAGE; }

static struct arena *arena_for(struct device *device)
{
    struct arena *arena = &arenas[device->ordinal];
    if (arena->size) return arena;
    arena->size = device->memory / PAGE * PAGE;
    arena->file = memfd_create("fake-cuda-memory", MFD_CLOEXEC);
    if (arena->file < 0 || ftruncate(arena->file, arena->size)) abort();
    void *base = mmap(NULL, arena->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    arena->view = mmap(NULL, arena->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, arena->file, 0);
    if (base == MAP_FAILED || arena->view == MAP_FAILED) abort();
    arena->base = (CUdeviceptr)base;
    return arena;
}

/* -- the list of all, under the lock */

static struct span *find(CUdeviceptr address)
{
    for (struct span *span = spans; span && span->base <= address; span = span->next)
        if (!span->freed && address < span->base + span->size) return span;
    return NULL;
}

static struct span *find_base(CUdeviceptr base, enum kind kind)
{
    struct span *span = find(base);
    return span && span->base == base && span->kind == kind ? span : NULL;
}

static void insert(struct span span)
{
    struct span **place = &spans, *made = malloc(sizeof *made);
    while (*place && (*place)->base < span.base) place = &(*place)->next;
    *made = span;
    made->next = *place;
    *place = made;
}

static void drop(struct span *span)
{
    struct span **place = &spans;
    while (*place != span) place = &(*place)->next;
    *place = span->next;
    free(span);
}

/* -- device memory */

static CUdeviceptr gap(struct arena *arena, size_t room)
{
    CUdeviceptr start = arena->base, end = arena->base + arena->size;
    for (struct span *span = spans; span && span->base < start + room; span = span->next)
        if (span->base + span->room > start && span->base < end) start = span->base + span->room;
    return start + room <= end ? start : 0;
}

/* Give bytes of the arena back to the host, from so far into an allocation. */
static void punch(struct arena *arena, struct span *span, size_t from)
{
    if (from >= span->room) return;
    off_t start = span->base - arena->base + from;
    fallocate(arena->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, span->room - from);
}

/* Give what was freed first back to all; false if there is none. */
static bool rob_grave(struct arena *arena)
{
    for (unsigned each = 0; each < GRAVES; each++) {
        CUdeviceptr base = arena->graves[(arena->freed + each) % GRAVES];
        for (struct span *span = spans; base && span; span = span->next) {
            if (span->base != base || !span->freed) continue;
            punch(arena, span, 0);
            drop(span);
            arena->graves[(arena->freed + each) % GRAVES] = 0;
            return true;
        }
    }
    return false;
}

static void bury(struct span *span)
{
    struct arena *arena = arena_for(span->ctx->device);
    memset(span->view, 0xFF, span->room < POISONED ? span->room : POISONED);
    punch(arena, span, POISONED);
    arena->used -= span->room;
    span->freed = true;
    if (arena->graves[arena->freed % GRAVES]) rob_grave(arena);
    arena->graves[arena->freed++ % GRAVES] = span->base;
}

static CUresult allocate(CUcontext ctx, size_t size, CUdeviceptr *address)
{
    struct arena *arena = arena_for(ctx->device);
    size_t room = pages(size);
    if (room > arena->size - arena->used) return CUDA_ERROR_OUT_OF_MEMORY;
    CUdeviceptr base;
    while (!(base = gap(arena, room)))
        if (!rob_grave(arena)) return CUDA_ERROR_OUT_OF_MEMORY;
    arena->used += room;
    insert((struct span){
        .kind = DEVICE, .base = base, .view = arena->view + (base - arena->base), .size = size, .room = room,
        .ctx = ctx,
    });
    *address = base;
    return CUDA_SUCCESS;
}

CUresult cuMemAlloc(CUdeviceptr *address, size_t size)
{
    ENTER(ctx);
    if (!size) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&all);
    CUresult made = allocate(ctx, size, address);
    pthread_mutex_unlock(&all);
    return made;
}

/* It waits for all streams of the context, as the driver does. */
CUresult cuMemFree(CUdeviceptr address)
{
    ENTER(ctx);
    if (!address) return CUDA_SUCCESS;
    wait_for_context(ctx);
    pthread_mutex_lock(&all);
    struct span *span = find_base(address, DEVICE);
    if (span) bury(span);
    pthread_mutex_unlock(&all);
    if (!span) return CUDA_ERROR_INVALID_VALUE;
    return (CUresult)fault_of(ctx);
}

CUresult cuMemGetInfo(size_t *available, size_t *total)
{
    ENTER(ctx);
    *total = ctx->device->memory;
    *available = *total - memory_used(ctx->device);
    return CUDA_SUCCESS;
}

CUresult cuMemGetAddressRange(CUdeviceptr *base, size_t *size, CUdeviceptr address)
{
    ENTER(ctx);
    struct span span;
    if (!span_at(address, &span) || span.kind == PINNED) return CUDA_ERROR_NOT_FOUND;
    if (base) *base = span.base;
    if (size) *size = span.size;
    return CUDA_SUCCESS;
}

/* -- pinned memory, which device and host see at one address */

static CUresult pin(CUcontext ctx, void *memory, size_t size, unsigned flags, bool registered)
{
    CUdeviceptr base = (CUdeviceptr)memory;
    pthread_mutex_lock(&all);
    bool is_known = find(base) != NULL;
    if (!is_known)
        insert((struct span){
            .kind = PINNED, .base = base, .view = memory, .size = size, .room = pages(size), .ctx = ctx, .flags = flags,
            .holders = registered,
        });
    pthread_mutex_unlock(&all);
    return is_known ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED : CUDA_SUCCESS;
}

static CUresult unpin(CUcontext ctx, void *memory, bool registered)
{
    wait_for_context(ctx);
    pthread_mutex_lock(&all);
    struct span *span = find_base((CUdeviceptr)memory, PINNED);
    bool found = span && span->holders == registered;
    if (found && !registered) {
        memset(span->view, 0xFF, span->size);
        free(span->view);
    }
    if (found) drop(span);
    pthread_mutex_unlock(&all);
    return found ? (CUresult)fault_of(ctx) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemHostAlloc(void **memory, size_t size, unsigned flags)
{
    ENTER(ctx);
    if (!size) return CUDA_ERROR_INVALID_VALUE;
    *memory = aligned_alloc(PAGE, pages(size));
    return *memory ? pin(ctx, *memory, size, flags, false) : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemAllocHost(void **memory, size_t size)
{
    ENTER(ctx);
    return cuMemHostAlloc(memory, size, 0);
}

CUresult cuMemFreeHost(void *memory)
{
    ENTER(ctx);
    return unpin(ctx, memory, false);
}

CUresult cuMemHostRegister(void *memory, size_t size, unsigned flags)
{
    ENTER(ctx);
    return size ? pin(ctx, memory, size, flags, true) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemHostUnregister(void *memory)
{
    ENTER(ctx);
    CUresult done = unpin(ctx, memory, true);
    return done == CUDA_ERROR_INVALID_VALUE ? CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED : done;
}

CUresult cuMemHostGetDevicePointer(CUdeviceptr *address, void *memory, unsigned flags)
{
    ENTER(ctx);
    *address = (CUdeviceptr)memory;
    return is_pinned(memory, 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemHostGetFlags(unsigned *flags, void *memory)
{
    ENTER(ctx);
    struct span span;
    if (!span_at((CUdeviceptr)memory, &span) || span.kind != PINNED) return CUDA_ERROR_INVALID_VALUE;
    *flags = span.flags;
    return CUDA_SUCCESS;
}

/* -- for the other files */

char *view_of(CUdeviceptr address, size_t size)
{
    pthread_mutex_lock(&all);
    struct span *span = find(address);
    bool inside = span && size <= span->base + span->size - address;
    char *view = inside ? span->view + (address - span->base) : NULL;
    pthread_mutex_unlock(&all);
    return view;
}

bool span_at(CUdeviceptr address, struct span *copy)
{
    pthread_mutex_lock(&all);
    struct span *span = find(address);
    if (span) *copy = *span;
    pthread_mutex_unlock(&all);
    return span != NULL;
}

bool is_pinned(const void *address, size_t size)
{
    struct span span;
    CUdeviceptr first = (CUdeviceptr)address;
    return span_at(first, &span) && span.kind == PINNED && size <= span.base + span.size - first;
}

int arena_of(const struct span *span, size_t *offset)
{
    struct arena *arena = arena_for(span->ctx->device);
    *offset = span->base - arena->base;
    return arena->file;
}

CUresult import_span(CUcontext ctx, char *view, size_t size, CUdeviceptr *address)
{
    size_t room = pages(size);
    void *base = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return CUDA_ERROR_MAP_FAILED;
    *address = (CUdeviceptr)base;
    pthread_mutex_lock(&all);
    insert((struct span){
        .kind = IMPORTED, .base = *address, .view = view, .size = size, .room = room, .ctx = ctx, .holders = 1,
    });
    pthread_mutex_unlock(&all);
    return CUDA_SUCCESS;
}

int hold_span(CUdeviceptr address, int change)
{
    pthread_mutex_lock(&all);
    struct span *span = find_base(address, IMPORTED);
    int left = span ? span->holders += change : -1;
    if (left == 0) {
        munmap(span->view, span->room);
        munmap((void *)span->base, span->room);
        drop(span);
    }
    pthread_mutex_unlock(&all);
    return left;
}

void free_spans(CUcontext ctx)
{
    pthread_mutex_lock(&all);
    struct span *span = spans;
    while (span) {
        bool own = span->ctx == ctx && span->kind == DEVICE && !span->freed;
        if (own) bury(span);
        span = own ? spans : span->next; /* what was after it may be gone, too */
    }
    pthread_mutex_unlock(&all);
}

long count_spans(enum kind kind)
{
    long count = 0;
    pthread_mutex_lock(&all);
    for (struct span *span = spans; span; span = span->next) count += span->kind == kind && !span->freed;
    pthread_mutex_unlock(&all);
    return count;
}

long count_bytes(void)
{
    long bytes = 0;
    pthread_mutex_lock(&all);
    for (size_t each = 0; each < LENGTH(arenas); each++) bytes += arenas[each].used;
    pthread_mutex_unlock(&all);
    return bytes;
}

size_t memory_used(struct device *device)
{
    pthread_mutex_lock(&all);
    size_t used = arena_for(device)->used;
    pthread_mutex_unlock(&all);
    return used;
}
