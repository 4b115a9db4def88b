/* What a test decides, and what it looks at; these functions are called with ctypes.
 *
 *   fake_open_gate(id)    lets the kernel gate(id) end, now and from then on; -1: all gates
 *   fake_close_gate(id)   it waits again
 *   fake_count(what)      how many there are: see the table below; -1 for another word
 *   fake_fail(name, code, times)   the next calls of this function of the driver return the code, and do nothing
 *   fake_heal()           forgets the faults of all devices, which the real driver never does
 */
#include "fake.h"
#include <string.h>

#define GATES 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool open_gates[GATES];
static atomic_long waiting;

static char failing[64];
static CUresult failure;
static atomic_int times_left;

void wait_for_gate(int gate, CUcontext ctx)
{
    pthread_mutex_lock(&lock);
    waiting++;
    while (!open_gates[gate & (GATES - 1)] && !fault_of(ctx)) pthread_cond_wait(&changed, &lock);
    waiting--;
    pthread_mutex_unlock(&lock);
}

void wake_gates(void)
{
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void set_gate(int gate, bool open)
{
    pthread_mutex_lock(&lock);
    for (int each = 0; each < GATES; each++)
        if (gate < 0 || gate == each) open_gates[each] = open;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

EXPORTED void fake_open_gate(int gate) { set_gate(gate, true); }

EXPORTED void fake_close_gate(int gate) { set_gate(gate, false); }

static long count_allocations(void) { return count_spans(DEVICE); }
static long count_pinned(void) { return count_spans(PINNED); }
static long count_imported(void) { return count_spans(IMPORTED); }
static long count_waiting(void) { return waiting; }

static const struct { const char *what; long (*count)(void); } counts[] = {
    {"allocations", count_allocations},     /* of device memory */
    {"bytes", count_bytes},                 /* of device memory, in whole pages */
    {"pinned", count_pinned},
    {"imported", count_imported},           /* allocations of other processes that are open here */
    {"streams", count_streams},             /* without NULL streams */
    {"events", count_events},
    {"modules", count_modules},
    {"queued", count_queued},               /* pieces of work in all streams, with those that are being done */
    {"blocked", count_blocked},             /* calls that wait because a queue is full */
    {"gates", count_waiting},               /* kernels that wait at a gate */
};

EXPORTED long fake_count(const char *what)
{
    for (size_t each = 0; each < LENGTH(counts); each++)
        if (!strcmp(counts[each].what, what)) return counts[each].count();
    return -1;
}

EXPORTED void fake_fail(const char *function, int code, int times)
{
    pthread_mutex_lock(&lock);
    strncpy(failing, function, sizeof failing - 1);
    failure = (CUresult)code;
    times_left = times;
    pthread_mutex_unlock(&lock);
}

/* A name may be given without the version that the headers put behind it: cuMemAlloc is cuMemAlloc_v2. */
static bool is_failing(const char *function)
{
    size_t length = strlen(failing);
    return !strncmp(function, failing, length) && (!function[length] || !strncmp(function + length, "_v", 2));
}

CUresult injected(const char *function)
{
    if (!times_left) return CUDA_SUCCESS;
    pthread_mutex_lock(&lock);
    bool fails = times_left && is_failing(function);
    if (fails) times_left--;
    CUresult code = failure;
    pthread_mutex_unlock(&lock);
    return fails ? code : CUDA_SUCCESS;
}

EXPORTED void fake_heal(void)
{
    struct device *device;
    for (int each = 0; (device = device_at(each)); each++) device->fault = 0;
}
