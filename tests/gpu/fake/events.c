/* Events: a mark in a file in memory, so that one that was made for it can be waited for by other processes.
 *
 * Recording counts up what is to be reached, and the stream counts up what is done when it comes there. A place in the
 * file goes on counting when it is used for another event, and is not used again before it has been reached.
 */
#include "fake.h"
#include <errno.h>
#include <linux/futex.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MARKS 65536

struct CUevent_st {
    struct mark *mark;
    CUcontext ctx;
    unsigned flags;
    bool live;
    CUevent next;       /* of all that there ever were: one that was destroyed is used again */
};

static pthread_mutex_t all = PTHREAD_MUTEX_INITIALIZER;
static CUevent events;
static struct mark *marks;
static bool *taken;
static int file = -1;

size_t marks_size(void) { return MARKS * sizeof *marks; }

static void open_file(void)
{
    file = memfd_create("fake-cuda-events", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, marks_size())) abort();
    marks = mmap(NULL, marks_size(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    taken = calloc(MARKS, sizeof *taken);
}

static struct mark *take_mark(void)
{
    static size_t last;
    if (file < 0) open_file();
    for (size_t tries = 0; tries < MARKS; tries++) {
        last = (last + 1) % MARKS;
        if (!taken[last] && marks[last].done == marks[last].recorded) {
            taken[last] = true;
            return &marks[last];
        }
    }
    return NULL;
}

static CUresult make(CUcontext ctx, unsigned flags, struct mark *mark, CUevent *answer)
{
    CUevent event = events;
    while (event && event->live) event = event->next;
    if (!event) {
        event = calloc(1, sizeof *event);
        event->next = events;
        events = event;
    }
    event->mark = mark;
    event->ctx = ctx;
    event->flags = flags;
    event->live = true;
    *answer = event;
    return CUDA_SUCCESS;
}

static bool is_own(struct mark *mark) { return mark >= marks && mark < marks + MARKS; }

CUresult open_event(CUcontext ctx, struct mark *mark, CUevent *event)
{
    pthread_mutex_lock(&all);
    make(ctx, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING, mark, event);
    pthread_mutex_unlock(&all);
    return CUDA_SUCCESS;
}

bool is_interprocess(CUevent event)
{
    return event && event->live && event->flags & CU_EVENT_INTERPROCESS && is_own(event->mark);
}

size_t mark_offset(CUevent event, int *in)
{
    *in = file;
    return (char *)event->mark - (char *)marks;
}

long count_events(void)
{
    long count = 0;
    pthread_mutex_lock(&all);
    for (CUevent each = events; each; each = each->next) count += each->live;
    pthread_mutex_unlock(&all);
    return count;
}

static bool is_reached(struct mark *mark, uint32_t recorded) { return (int32_t)(mark->done - recorded) >= 0; }

/* Another process, which may die, can be the one that lets this one go on; so an end of the own context is looked for
 * now and then. What a dead process has recorded is never reached: no better is known of the real driver. */
static void wait_for_mark(struct mark *mark, uint32_t recorded, CUcontext ctx)
{
    struct timespec a_while = {0, 20000000};
    uint32_t done;
    while ((int32_t)((done = mark->done) - recorded) < 0 && !fault_of(ctx))
        syscall(SYS_futex, &mark->done, FUTEX_WAIT, done, &a_while, NULL, 0);
}

struct record { struct mark *mark; uint32_t recorded; };

static int record(void *data, CUstream stream, int fault)
{
    struct record *record = data;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    record->mark->when = now.tv_sec * 1000000000LL + now.tv_nsec;
    if (!is_reached(record->mark, record->recorded)) record->mark->done = record->recorded;
    syscall(SYS_futex, &record->mark->done, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    return 0;
}

static int wait_for_record(void *data, CUstream stream, int fault)
{
    struct record *record = data;
    wait_for_mark(record->mark, record->recorded, stream->ctx);
    return 0;
}

#define LIVE(event) \
    if (!(event) || !(event)->live) return CUDA_ERROR_INVALID_HANDLE

CUresult cuEventCreate(CUevent *event, unsigned flags)
{
    ENTER(ctx);
    unsigned known = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
    bool untimed = flags & CU_EVENT_DISABLE_TIMING;
    if (flags & ~known || (flags & CU_EVENT_INTERPROCESS && !untimed)) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&all);
    struct mark *mark = take_mark();
    CUresult made = mark ? make(ctx, flags, mark, event) : CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_unlock(&all);
    return made;
}

CUresult cuEventDestroy(CUevent event)
{
    ENTER(ctx);
    LIVE(event);
    pthread_mutex_lock(&all);
    event->live = false;
    if (is_own(event->mark)) taken[event->mark - marks] = false;
    pthread_mutex_unlock(&all);
    return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent event, CUstream handle)
{
    STREAM_OF(stream, handle);
    LIVE(event);
    if (event->ctx != stream->ctx) return CUDA_ERROR_INVALID_HANDLE;
    struct record data = {event->mark, ++event->mark->recorded};
    enqueue(stream, record, &data, sizeof data);
    return CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned flags)
{
    STREAM_OF(stream, handle);
    LIVE(event);
    struct record data = {event->mark, event->mark->recorded};
    enqueue(stream, wait_for_record, &data, sizeof data);
    return CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent event)
{
    ENTER(ctx);
    LIVE(event);
    if (!is_reached(event->mark, event->mark->recorded)) return CUDA_ERROR_NOT_READY;
    return (CUresult)fault_of(event->ctx);
}

CUresult cuEventSynchronize(CUevent event)
{
    ENTER(ctx);
    LIVE(event);
    wait_for_mark(event->mark, event->mark->recorded, event->ctx);
    return (CUresult)fault_of(event->ctx);
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
    ENTER(ctx);
    LIVE(start);
    LIVE(end);
    if ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING) return CUDA_ERROR_INVALID_HANDLE;
    if (!start->mark->when || !end->mark->when) return CUDA_ERROR_INVALID_HANDLE;
    if (!is_reached(start->mark, start->mark->recorded) || !is_reached(end->mark, end->mark->recorded))
        return CUDA_ERROR_NOT_READY;
    *milliseconds = (float)(end->mark->when - start->mark->when) / 1e6f;
    return CUDA_SUCCESS;
}
