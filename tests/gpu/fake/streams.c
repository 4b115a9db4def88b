/* Streams: each a queue of pieces of work and a thread that does them in their order.
 *
 * The NULL stream and streams that are not CU_STREAM_NON_BLOCKING wait for each other, as the driver promises: what is
 * put into one of them comes after all that was in the other before.
 */
#include "fake.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FULL 1024       /* about what the real driver takes before a launch waits */

struct work {
    struct work *next;
    duty run;
    _Alignas(16) char data[];
};

static pthread_mutex_t all = PTHREAD_MUTEX_INITIALIZER;
static CUstream _Atomic streams;
static atomic_long blocked;

static void *serve(void *argument)
{
    CUstream stream = argument;
    pthread_mutex_lock(&stream->lock);
    for (;;) {
        while (!stream->first) pthread_cond_wait(&stream->changed, &stream->lock);
        struct work *work = stream->first;
        stream->first = work->next;
        pthread_mutex_unlock(&stream->lock);
        int fault = fault_of(stream->ctx), none = 0;
        int raised = work->run(work->data, stream, fault);
        if (raised && atomic_compare_exchange_strong(&stream->ctx->device->fault, &none, raised)) wake_gates();
        free(work);
        pthread_mutex_lock(&stream->lock);
        stream->done++;
        pthread_cond_broadcast(&stream->changed);
    }
    return NULL;
}

/* Its thread takes no signals: these are for the threads of the program. */
static void start(CUstream stream)
{
    sigset_t every, before;
    pthread_t thread;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    if (pthread_create(&thread, NULL, serve, stream)) abort();
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool is_idle(CUstream stream)
{
    pthread_mutex_lock(&stream->lock);
    bool idle = stream->done == stream->pushed;
    pthread_mutex_unlock(&stream->lock);
    return idle;
}

static CUstream make(CUcontext ctx, unsigned flags, int priority)
{
    pthread_mutex_lock(&all);
    CUstream stream = streams;
    while (stream && (stream->live || !is_idle(stream))) stream = stream->next;
    bool fresh = !stream;
    if (fresh) {
        stream = calloc(1, sizeof *stream);
        pthread_mutex_init(&stream->lock, NULL);
        pthread_cond_init(&stream->changed, NULL);
        stream->next = streams;
    }
    stream->ctx = ctx;
    stream->flags = flags;
    stream->priority = priority;
    stream->live = true;
    if (fresh) {
        streams = stream;
        start(stream);
    }
    pthread_mutex_unlock(&all);
    return stream;
}

static CUstream null_of(CUcontext ctx)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    if (!ctx->null) ctx->null = make(ctx, 0, 0);
    pthread_mutex_unlock(&one);
    return ctx->null;
}

CUresult stream_of(CUcontext ctx, CUstream handle, CUstream *found)
{
    if (!handle || handle == CU_STREAM_LEGACY) {
        *found = null_of(ctx);
        return CUDA_SUCCESS;
    }
    for (CUstream each = streams; each; each = each->next)
        if (each == handle && each->live) {
            *found = each;
            return (CUresult)fault_of(each->ctx);
        }
    return CUDA_ERROR_INVALID_HANDLE;
}

static void append(CUstream stream, duty run, const void *data, size_t size)
{
    struct work *work = malloc(sizeof *work + size);
    work->next = NULL;
    work->run = run;
    memcpy(work->data, data, size);
    pthread_mutex_lock(&stream->lock);
    while (stream->pushed - stream->done >= FULL) {
        blocked++;
        pthread_cond_wait(&stream->changed, &stream->lock);
        blocked--;
    }
    if (stream->first) stream->last->next = work;
    else stream->first = work;
    stream->last = work;
    stream->pushed++;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

struct point { CUstream stream; uint64_t pushed; };

static void reach(struct point point)
{
    pthread_mutex_lock(&point.stream->lock);
    while (point.stream->done < point.pushed) pthread_cond_wait(&point.stream->changed, &point.stream->lock);
    pthread_mutex_unlock(&point.stream->lock);
}

static struct point end_of(CUstream stream)
{
    pthread_mutex_lock(&stream->lock);
    struct point point = {stream, stream->pushed};
    pthread_mutex_unlock(&stream->lock);
    return point;
}

static int reach_point(void *data, CUstream stream, int fault)
{
    reach(*(struct point *)data);
    return 0;
}

static void follow(CUstream stream, CUstream other)
{
    struct point point = end_of(other);
    if (!is_idle(other)) append(stream, reach_point, &point, sizeof point);
}

void enqueue(CUstream stream, duty run, const void *data, size_t size)
{
    CUcontext ctx = stream->ctx;
    if (stream == ctx->null) {
        for (CUstream each = streams; each; each = each->next)
            if (each != stream && each->ctx == ctx && !(each->flags & CU_STREAM_NON_BLOCKING)) follow(stream, each);
    } else if (ctx->null && !(stream->flags & CU_STREAM_NON_BLOCKING)) {
        follow(stream, ctx->null);
    }
    append(stream, run, data, size);
}

void wait_for_stream(CUstream stream) { reach(end_of(stream)); }

void wait_for_context(CUcontext ctx)
{
    for (CUstream each = streams; each; each = each->next)
        if (each->ctx == ctx) wait_for_stream(each);
}

void end_streams(CUcontext ctx)
{
    wait_for_context(ctx);
    for (CUstream each = streams; each; each = each->next)
        if (each->ctx == ctx) each->live = false;
    ctx->null = NULL;
}

long count_streams(void)
{
    long count = 0;
    for (CUstream each = streams; each; each = each->next) count += each->live && each != each->ctx->null;
    return count;
}

long count_queued(void)
{
    long count = 0;
    for (CUstream each = streams; each; each = each->next) {
        pthread_mutex_lock(&each->lock);
        count += each->pushed - each->done;
        pthread_mutex_unlock(&each->lock);
    }
    return count;
}

long count_blocked(void) { return blocked; }

CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority)
{
    ENTER(ctx);
    if (flags & ~CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    *stream = make(ctx, flags, priority);
    return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream *stream, unsigned flags)
{
    ENTER(ctx);
    return cuStreamCreateWithPriority(stream, flags, 0);
}

/* What is in its queue is still done, as the driver promises. */
CUresult cuStreamDestroy(CUstream handle)
{
    STREAM_OF(stream, handle);
    if (stream == stream->ctx->null) return CUDA_ERROR_INVALID_HANDLE;
    stream->live = false;
    return CUDA_SUCCESS;
}

CUresult cuStreamQuery(CUstream handle)
{
    STREAM_OF(stream, handle);
    if (!is_idle(stream)) return CUDA_ERROR_NOT_READY;
    return (CUresult)fault_of(stream->ctx);
}

CUresult cuStreamSynchronize(CUstream handle)
{
    STREAM_OF(stream, handle);
    wait_for_stream(stream);
    return (CUresult)fault_of(stream->ctx);
}

CUresult cuStreamGetFlags(CUstream handle, unsigned *flags)
{
    STREAM_OF(stream, handle);
    *flags = stream->flags;
    return CUDA_SUCCESS;
}

CUresult cuStreamGetPriority(CUstream handle, int *priority)
{
    STREAM_OF(stream, handle);
    *priority = stream->priority;
    return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx(CUstream handle, CUcontext *answer)
{
    STREAM_OF(stream, handle);
    *answer = stream->ctx;
    return CUDA_SUCCESS;
}

CUresult cuStreamGetDevice(CUstream handle, CUdevice *ordinal)
{
    STREAM_OF(stream, handle);
    *ordinal = stream->ctx->device->ordinal;
    return CUDA_SUCCESS;
}

struct call { CUstream stream; CUhostFn function; CUstreamCallback callback; void *data; };

/* A host function is not called after a fault, a callback is, and is told: both as cuda.h says. */
static int call(void *data, CUstream stream, int fault)
{
    struct call *call = data;
    if (call->callback) call->callback(call->stream, (CUresult)fault, call->data);
    else if (!fault) call->function(call->data);
    return 0;
}

CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void *data)
{
    STREAM_OF(stream, handle);
    struct call host = {handle, function, NULL, data};
    enqueue(stream, call, &host, sizeof host);
    return CUDA_SUCCESS;
}

CUresult cuStreamAddCallback(CUstream handle, CUstreamCallback callback, void *data, unsigned flags)
{
    STREAM_OF(stream, handle);
    struct call host = {handle, NULL, callback, data};
    enqueue(stream, call, &host, sizeof host);
    return CUDA_SUCCESS;
}
