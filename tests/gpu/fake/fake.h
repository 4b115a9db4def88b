/* A CUDA driver made of host memory and threads: a test double, which shows logic and never speed.
 *
 * A stream is a queue and a thread. Device memory is a file in memory; its addresses cannot be read by the host, so
 * what a kernel or a copy is given must be found among the allocations first. All locks are held for a moment only, and
 * no function waits for a stream while it holds one. What a test decides is in controls.c, the kernels are in kernels.c.
 */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <cuda.h>
#include <cudaProfiler.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

#pragma GCC visibility push(hidden)

/* -- contexts.c: who may call */

struct CUctx_st {
    struct device *device;
    bool primary;
    int holders;        /* of a primary context */
    _Atomic bool alive;
    CUstream null;      /* its NULL stream, once it was used */
};

/* The first line of a function that may be called by whoever has called cuInit. */
#define READY()                                     \
    do {                                            \
        CUresult refused = ready(__func__);         \
        if (refused != CUDA_SUCCESS) return refused; \
    } while (0)

/* The first line of a function that needs a current context, and that its device has had no fault. */
#define ENTER(ctx)                                       \
    CUcontext ctx = NULL;                                \
    do {                                                 \
        CUresult refused = enter(__func__, &ctx);        \
        if (refused != CUDA_SUCCESS) return refused;     \
    } while (0)

CUresult ready(const char *function);
CUresult enter(const char *function, CUcontext *ctx);
/* Why work of this context is not done any more, or 0. */
int fault_of(CUcontext ctx);

/* -- devices.c */

struct device {
    int ordinal, physical;
    CUuuid uuid;
    size_t memory;
    _Atomic int fault;  /* of a kernel: every call fails with it from then on, in this process */
    struct CUctx_st primary;
};

/* The device, or NULL where there is none of that number. */
struct device *device_at(int ordinal);
/* True between cuInit and a fork. */
bool is_initialized(void);

/* -- streams.c */

struct CUstream_st {
    CUcontext ctx;
    unsigned flags;
    int priority;
    bool live;
    uint64_t pushed, done;      /* pieces of work; these two, first and last are under the lock */
    struct work *first, *last;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    CUstream next;              /* of all that there ever were: a stream that was destroyed is used again */
};

/* What a stream's thread does with the data of a piece of work. It is told the fault of the device, if there was one:
 * then it touches no memory. What it returns, if not 0, becomes that fault. */
typedef int (*duty)(void *data, CUstream stream, int fault);

/* The stream that a handle means, which may be one of another context; or why it cannot be used. */
CUresult stream_of(CUcontext ctx, CUstream handle, CUstream *found);
/* The first lines of a function that is given a stream. */
#define STREAM_OF(stream, handle)                                  \
    ENTER(ctx);                                                    \
    CUstream stream = NULL;                                        \
    do {                                                           \
        CUresult unusable = stream_of(ctx, handle, &stream);       \
        if (unusable != CUDA_SUCCESS) return unusable;             \
    } while (0)

/* Put work at the end of a stream, with a copy of its data. Waits while 1024 are in the queue, as the driver does. */
void enqueue(CUstream stream, duty run, const void *data, size_t size);
/* Wait until all is done that is in the stream now. */
void wait_for_stream(CUstream stream);
void wait_for_context(CUcontext ctx);
/* End all streams of a context that is not alive any more. */
void end_streams(CUcontext ctx);
long count_streams(void);
long count_queued(void);
long count_blocked(void);

/* -- events.c */

/* What is shared of an event, in a file that other processes may map: how often it was recorded, and how many of these
 * its streams have reached. */
struct mark {
    _Atomic uint32_t recorded, done;
    _Atomic int64_t when;
};

CUresult open_event(CUcontext ctx, struct mark *mark, CUevent *event);
bool is_interprocess(CUevent event);
/* Where its mark is in the file of this process, and that file. */
size_t mark_offset(CUevent event, int *file);
size_t marks_size(void);
long count_events(void);

/* -- memory.c */

enum kind { DEVICE, PINNED, IMPORTED };

/* An allocation. What the device calls base is at view for this library. */
struct span {
    enum kind kind;
    CUdeviceptr base;
    char *view;
    size_t size, room;  /* room: rounded up to whole pages */
    CUcontext ctx;
    unsigned flags;
    bool freed;         /* poisoned, and not given away again yet */
    int holders;        /* of an imported one */
    struct span *next;  /* of all, in the order of their addresses */
};

/* Where these bytes are, if all are in one allocation; else NULL. Not of the kind DEVICE: where the host sees them. */
char *view_of(CUdeviceptr address, size_t size);
bool is_pinned(const void *address, size_t size);
/* The allocation that an address is in; false if none. */
bool span_at(CUdeviceptr address, struct span *copy);
/* The file that device memory is in, and where the allocation begins there. */
int arena_of(const struct span *span, size_t *offset);
CUresult import_span(CUcontext ctx, char *view, size_t size, CUdeviceptr *address);
/* Change the holders of an imported allocation; what is then left, or -1 if there is none. At 0 it is gone. */
int hold_span(CUdeviceptr address, int change);
void free_spans(CUcontext ctx);
long count_spans(enum kind kind);
long count_bytes(void);
size_t memory_used(struct device *device);

/* -- modules.c, kernels.c */

union argument {
    CUdeviceptr P;
    long long q;
    float f;
    int i;
};

struct launch {
    const struct kernel *kernel;
    CUstream stream;
    unsigned grid[3], block[3];
    union argument a[12];
};

struct kernel {
    const char *name;
    const char *parameters;     /* a letter for each: P pointer, q long long, f float, i int */
    int (*run)(struct launch *);
};

const struct kernel *kernel_named(const char *name, size_t length);
long count_modules(void);

/* -- controls.c */

/* What a test has said that this function returns now, or success. */
CUresult injected(const char *function);
/* Wait until a test opens the gate, or the context is at an end. */
void wait_for_gate(int gate, CUcontext ctx);
/* Let everybody who waits at a gate look again. */
void wake_gates(void);

#pragma GCC visibility pop
