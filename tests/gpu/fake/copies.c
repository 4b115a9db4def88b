/* Copies and fills, in the order of their stream.
 *
 * With memory that is not pinned an asynchronous copy is not what its name says, here as in the driver: to the device,
 * the bytes are taken at the call; from the device, the call waits until they are there.
 */
#include "fake.h"
#include <stdlib.h>
#include <string.h>

struct copy {
    void *to;
    const void *from;   /* NULL: the bytes that follow */
    size_t size;
    char bytes[];
};

static int copy(void *data, CUstream stream, int fault)
{
    struct copy *copy = data;
    if (!fault) memmove(copy->to, copy->from ? copy->from : copy->bytes, copy->size);
    return 0;
}

static void enqueue_copy(CUstream stream, void *to, const void *from, size_t size, bool take)
{
    size_t taken = take ? size : 0;
    struct copy *data = malloc(sizeof *data + taken);
    *data = (struct copy){to, take ? NULL : from, size};
    if (take) memcpy(data->bytes, from, size);
    enqueue(stream, copy, data, sizeof *data + taken);
    free(data);
}

/* Device memory, or pinned memory that the device sees. */
#define SEEN(view, address, size)          \
    char *view = view_of(address, size);   \
    if (!view) return CUDA_ERROR_INVALID_VALUE

#define NOTHING(size) \
    if (!(size)) return CUDA_SUCCESS

CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t size, CUstream handle)
{
    STREAM_OF(stream, handle);
    NOTHING(size);
    SEEN(view, to, size);
    enqueue_copy(stream, view, from, size, !is_pinned(from, size));
    return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t size, CUstream handle)
{
    STREAM_OF(stream, handle);
    NOTHING(size);
    SEEN(view, from, size);
    enqueue_copy(stream, to, view, size, false);
    if (!is_pinned(to, size)) wait_for_stream(stream);
    return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream handle)
{
    STREAM_OF(stream, handle);
    NOTHING(size);
    SEEN(target, to, size);
    SEEN(source, from, size);
    enqueue_copy(stream, target, source, size, false);
    return CUDA_SUCCESS;
}

/* Any address may be of the host here, or of a device. */
static CUresult between(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream)
{
    struct span span;
    bool to_device = span_at(to, &span), from_device = span_at(from, &span);
    void *target = to_device ? view_of(to, size) : (void *)to;
    void *source = from_device ? view_of(from, size) : (void *)from;
    if (!target || !source) return CUDA_ERROR_INVALID_VALUE;
    enqueue_copy(stream, target, source, size, !from_device);
    if (!to_device) wait_for_stream(stream);
    return CUDA_SUCCESS;
}

CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream handle)
{
    STREAM_OF(stream, handle);
    NOTHING(size);
    return between(to, from, size, stream);
}

CUresult cuMemcpyPeerAsync(
    CUdeviceptr to, CUcontext there, CUdeviceptr from, CUcontext here, size_t size, CUstream handle)
{
    ENTER(ctx);
    return cuMemcpyDtoDAsync(to, from, size, handle);
}

/* Those without a stream are in the NULL stream, and waited for where host memory is in it. */
static CUresult finish(CUcontext ctx, CUresult put)
{
    if (put != CUDA_SUCCESS) return put;
    if (ctx->null) wait_for_stream(ctx->null);
    return (CUresult)fault_of(ctx);
}

CUresult cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t size)
{
    ENTER(ctx);
    return finish(ctx, cuMemcpyHtoDAsync(to, from, size, NULL));
}

CUresult cuMemcpyDtoH(void *to, CUdeviceptr from, size_t size)
{
    ENTER(ctx);
    return finish(ctx, cuMemcpyDtoHAsync(to, from, size, NULL));
}

CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t size)
{
    ENTER(ctx);
    return cuMemcpyDtoDAsync(to, from, size, NULL);
}

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t size)
{
    ENTER(ctx);
    return finish(ctx, cuMemcpyAsync(to, from, size, NULL));
}

CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext there, CUdeviceptr from, CUcontext here, size_t size)
{
    ENTER(ctx);
    return cuMemcpyDtoDAsync(to, from, size, NULL);
}

struct fill { char *to; unsigned value; size_t width, count; };

static int fill(void *data, CUstream stream, int fault)
{
    struct fill *fill = data;
    for (size_t each = 0; !fault && each < fill->count; each++)
        memcpy(fill->to + each * fill->width, &fill->value, fill->width);
    return 0;
}

static CUresult enqueue_fill(CUdeviceptr to, unsigned value, size_t width, size_t count, CUstream handle)
{
    STREAM_OF(stream, handle);
    NOTHING(count);
    if (to % width) return CUDA_ERROR_INVALID_VALUE;
    SEEN(view, to, width * count);
    struct fill data = {view, value, width, count};
    enqueue(stream, fill, &data, sizeof data);
    return CUDA_SUCCESS;
}

#define FILLS(name, type)                                                                    \
    CUresult name(CUdeviceptr to, type value, size_t count)                                  \
    {                                                                                        \
        READY();                                                                             \
        return enqueue_fill(to, value, sizeof value, count, NULL);                           \
    }
#define FILLS_ASYNC(name, type)                                                              \
    CUresult name(CUdeviceptr to, type value, size_t count, CUstream handle)                 \
    {                                                                                        \
        READY();                                                                             \
        return enqueue_fill(to, value, sizeof value, count, handle);                         \
    }

FILLS(cuMemsetD8, unsigned char)
FILLS(cuMemsetD16, unsigned short)
FILLS(cuMemsetD32, unsigned)
FILLS_ASYNC(cuMemsetD8Async, unsigned char)
FILLS_ASYNC(cuMemsetD16Async, unsigned short)
FILLS_ASYNC(cuMemsetD32Async, unsigned)
