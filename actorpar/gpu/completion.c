/* How a device tells an event loop that it has reached a point: the only native code of actorpar.gpu.
 *
 * A driver calls `actorpar_host_function` (CUhostFn) or `actorpar_event_callback` (of clSetEventCallback) on a thread of
 * its own. They put the number of a slot into a ring and write to a descriptor that the loop watches. They take no lock,
 * call no device API and know nothing of Python, so that neither a driver nor the GIL can wait for the other.
 *
 * Invariants
 * - A slot is with a driver at most once, and the ring has as many places as there are slots: it never overflows.
 * - Any thread puts; only the thread of the loop takes.
 * - Whoever puts into a ring that was not rung since it was last taken from, rings: no completion stays unseen.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct ring ring;

typedef struct {
    ring *home;
    int64_t number;
} slot;

struct ring {
    int put_fd, take_fd; /* one eventfd, or the two ends of a pipe; neither blocks */
    uint32_t capacity;   /* a power of two */
    uint32_t taken;
    _Atomic uint32_t put;
    _Atomic int rung;
    slot *slots;
    _Atomic int64_t *codes; /* 0 is empty; otherwise 2 * number + 2, and one more if the work failed */
};

void actorpar_close(ring *r) {
    if (r) {
        free(r->slots);
        free(r->codes);
        free(r);
    }
}

ring *actorpar_open(uint32_t capacity, int put_fd, int take_fd) {
    ring *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->slots = calloc(capacity, sizeof *r->slots);
    r->codes = calloc(capacity, sizeof *r->codes);
    if (!r->slots || !r->codes) {
        actorpar_close(r);
        return NULL;
    }
    r->put_fd = put_fd;
    r->take_fd = take_fd;
    r->capacity = capacity;
    for (uint32_t i = 0; i < capacity; i++)
        r->slots[i] = (slot){r, i};
    return r;
}

/* The address of the first slot, and how far each is from the one before. */
slot *actorpar_slots(ring *r) { return r->slots; }
uint32_t actorpar_slot_size(void) { return sizeof(slot); }

static void complete(slot *s, int failed) {
    ring *r = s->home;
    uint32_t place = atomic_fetch_add(&r->put, 1) & (r->capacity - 1);
    atomic_store(&r->codes[place], 2 * s->number + 2 + failed);
    if (!atomic_exchange(&r->rung, 1)) {
        uint64_t one = 1;
        while (write(r->put_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
}

void actorpar_host_function(void *s) { complete(s, 0); }

void actorpar_event_callback(void *event, int32_t status, void *s) {
    (void)event;
    complete(s, status < 0);
}

/* Take up to `room` codes; called by the loop when its descriptor is readable. */
uint32_t actorpar_take(ring *r, int64_t *codes, uint32_t room) {
    char rung[64];
    while (read(r->take_fd, rung, sizeof rung) < 0 && errno == EINTR)
        ;
    atomic_store(&r->rung, 0); /* before the ring is looked at: what is put from here on rings again */
    uint32_t n = 0;
    while (n < room) {
        int64_t code = atomic_exchange(&r->codes[r->taken & (r->capacity - 1)], 0);
        if (!code)
            break;
        r->taken++;
        codes[n++] = code;
    }
    return n;
}

/* OpenCL needs several calls where CUDA needs one; they are made here, in one step. `calls` are the addresses of
 * clSetEventCallback, clFlush, clGetEventInfo, clEnqueueMarkerWithWaitList and clReleaseEvent. Both functions return
 * OpenCL's error code, and then the driver has no slot; or 0. The queue is flushed first: after the callback is set, there is
 * nothing left that could fail. */
typedef int32_t (*set_callback)(void *event, int32_t type, void (*f)(void *, int32_t, void *), void *data);
typedef int32_t (*flush)(void *queue);
typedef int32_t (*get_event_info)(void *event, uint32_t name, size_t room, void *value, size_t *size);
typedef int32_t (*enqueue_marker)(void *queue, uint32_t count, const void *events, void **event);
typedef int32_t (*release_event)(void *event);

static int32_t notify(void *const *calls, void *queue, void *event, slot *s) {
    int32_t error = queue ? ((flush)calls[1])(queue) : 0; /* an event of the user has no queue */
    return error ? error : ((set_callback)calls[0])(event, 0 /* CL_COMPLETE */, actorpar_event_callback, s);
}

int32_t actorpar_notify_event(void *const *calls, void *event, slot *s) {
    void *queue = NULL;
    int32_t error = ((get_event_info)calls[2])(event, 0x11D0 /* CL_EVENT_COMMAND_QUEUE */, sizeof queue, &queue, NULL);
    return error ? error : notify(calls, queue, event, s);
}

int32_t actorpar_notify_queue(void *const *calls, void *queue, slot *s) {
    void *event;
    int32_t error = ((enqueue_marker)calls[3])(queue, 0, NULL, &event);
    if (error)
        return error;
    error = notify(calls, queue, event, s);
    ((release_event)calls[4])(event);
    return error;
}
