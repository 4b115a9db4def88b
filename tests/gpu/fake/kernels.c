/* The kernels that there are. A new one is a function and a line in the table at the end.
 *
 * A kernel gets its arguments in `a`, asks for memory with `reach`, and returns FAULT where that is none of its own, as
 * a device does. It works on as many elements as it was given threads: a launch that is too small is a mistake, too.
 */
#include "fake.h"
#include <string.h>
#include <time.h>

#define FAULT CUDA_ERROR_ILLEGAL_ADDRESS

static void *reach(struct launch *launch, int argument, size_t bytes) { return view_of(launch->a[argument].P, bytes); }

/* How many of n elements the threads of a launch come to, one each, in x. */
static int elements(struct launch *launch, int n)
{
    uint64_t threads = (uint64_t)launch->grid[0] * launch->block[0];
    return n < 0 ? 0 : threads < (uint64_t)n ? (int)threads : n;
}

/* scale(float *x, float a, int n): x *= a */
static int scale(struct launch *launch)
{
    int n = elements(launch, launch->a[2].i);
    float *x = reach(launch, 0, n * sizeof *x);
    if (!x) return FAULT;
    for (int i = 0; i < n; i++) x[i] *= launch->a[1].f;
    return 0;
}

/* add(float *x, const float *y, int n): x += y */
static int add(struct launch *launch)
{
    int n = elements(launch, launch->a[2].i);
    float *x = reach(launch, 0, n * sizeof *x), *y = reach(launch, 1, n * sizeof *y);
    if (!x || !y) return FAULT;
    for (int i = 0; i < n; i++) x[i] += y[i];
    return 0;
}

/* fill(float *x, float a, int n): x = a */
static int fill(struct launch *launch)
{
    int n = elements(launch, launch->a[2].i);
    float *x = reach(launch, 0, n * sizeof *x);
    if (!x) return FAULT;
    for (int i = 0; i < n; i++) x[i] = launch->a[1].f;
    return 0;
}

/* spin(long long ns): takes so long */
static int spin(struct launch *launch)
{
    long long ns = launch->a[0].q;
    struct timespec rest = {ns / 1000000000, ns % 1000000000};
    while (nanosleep(&rest, &rest)) continue;
    return 0;
}

/* gate(int id): ends when a test opens the gate, see controls.c */
static int gate(struct launch *launch)
{
    wait_for_gate(launch->a[0].i, launch->stream->ctx);
    return 0;
}

/* trap(): touches what it must not */
static int trap(struct launch *launch) { return FAULT; }

/* fault(int code): has this fault, of those after which a context is of no use */
static int fault(struct launch *launch) { return launch->a[0].i; }

static const struct kernel kernels[] = {
    {"scale", "Pfi", scale},
    {"add", "PPi", add},
    {"fill", "Pfi", fill},
    {"spin", "q", spin},
    {"gate", "i", gate},
    {"trap", "", trap},
    {"fault", "i", fault},
};

const struct kernel *kernel_named(const char *name, size_t length)
{
    for (size_t each = 0; each < LENGTH(kernels); each++)
        if (strlen(kernels[each].name) == length && !memcmp(kernels[each].name, name, length)) return &kernels[each];
    return NULL;
}
