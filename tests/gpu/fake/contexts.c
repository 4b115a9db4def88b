/* Contexts: each thread has a stack of its own, of which the top is current. */
#include "fake.h"
#include <stdlib.h>

#define DEEPEST 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local CUcontext stack[DEEPEST];
static _Thread_local int depth;

CUresult ready(const char *function)
{
    return is_initialized() ? injected(function) : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult enter(const char *function, CUcontext *ctx)
{
    CUresult refused = ready(function);
    if (refused != CUDA_SUCCESS) return refused;
    if (depth == 0 || stack[depth - 1] == NULL) return CUDA_ERROR_INVALID_CONTEXT;
    *ctx = stack[depth - 1];
    return (CUresult)fault_of(*ctx);
}

int fault_of(CUcontext ctx)
{
    return ctx->alive ? ctx->device->fault : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

/* End it with all that it has: what is queued is not done, and who waits for it is let go. */
static void end(CUcontext ctx)
{
    ctx->alive = false;
    wake_gates();
    end_streams(ctx);
    free_spans(ctx);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *ctx, CUdevice ordinal)
{
    READY();
    struct device *device = device_at(ordinal);
    if (!device) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    device->primary.holders++;
    device->primary.alive = true;
    pthread_mutex_unlock(&lock);
    *ctx = &device->primary;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice ordinal)
{
    READY();
    struct device *device = device_at(ordinal);
    if (!device) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    int left = device->primary.holders ? --device->primary.holders : -1;
    pthread_mutex_unlock(&lock);
    if (left == 0) end(&device->primary);
    return left < 0 ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned *flags, int *active)
{
    READY();
    struct device *device = device_at(ordinal);
    if (!device) return CUDA_ERROR_INVALID_DEVICE;
    *flags = 0;
    *active = device->primary.alive;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxSetFlags(CUdevice ordinal, unsigned flags)
{
    READY();
    return device_at(ordinal) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuCtxPushCurrent(CUcontext ctx)
{
    READY();
    if (!ctx || depth == DEEPEST) return CUDA_ERROR_INVALID_CONTEXT;
    stack[depth++] = ctx;
    return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext *ctx)
{
    READY();
    if (depth == 0) return CUDA_ERROR_INVALID_CONTEXT;
    CUcontext popped = stack[--depth];
    if (ctx) *ctx = popped;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext ctx)
{
    READY();
    if (depth) depth--;
    if (ctx) stack[depth++] = ctx;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *ctx)
{
    READY();
    *ctx = depth ? stack[depth - 1] : NULL;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *ordinal)
{
    READY();
    if (depth == 0) return CUDA_ERROR_INVALID_CONTEXT;
    *ordinal = stack[depth - 1]->device->ordinal;
    return CUDA_SUCCESS;
}

CUresult cuCtxCreate(CUcontext *ctx, CUctxCreateParams *parameters, unsigned flags, CUdevice ordinal)
{
    READY();
    struct device *device = device_at(ordinal);
    if (!device) return CUDA_ERROR_INVALID_DEVICE;
    if (depth == DEEPEST) return CUDA_ERROR_INVALID_CONTEXT;
    *ctx = calloc(1, sizeof **ctx);
    (*ctx)->device = device;
    (*ctx)->alive = true;
    stack[depth++] = *ctx;
    return CUDA_SUCCESS;
}

/* What has the handle may still ask with it, and is told that it was destroyed: so it is never given back. */
CUresult cuCtxDestroy(CUcontext ctx)
{
    READY();
    if (!ctx || ctx->primary || !ctx->alive) return CUDA_ERROR_INVALID_CONTEXT;
    if (depth && stack[depth - 1] == ctx) depth--;
    end(ctx);
    return CUDA_SUCCESS;
}

/* PyCUDA calls it for a primary context, too, when the last that has it forgets it: then only the stack changes. */
EXPORTED CUresult cuCtxDetach(CUcontext ctx)
{
    READY();
    if (!ctx || !ctx->primary) return cuCtxDestroy(ctx);
    if (depth && stack[depth - 1] == ctx) depth--;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned *version)
{
    READY();
    *version = 13000;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
    ENTER(ctx);
    *least = 0;
    *greatest = -5;
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void)
{
    ENTER(ctx);
    wait_for_context(ctx);
    return (CUresult)fault_of(ctx);
}
