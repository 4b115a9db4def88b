/* Devices, and what can be asked of them. The environment says what there is, when it is first looked at:
 *
 *   FAKE_CUDA_DEVICES     how many, 1; 0: none
 *   FAKE_CUDA_MEMORY      bytes of each, 1 GiB
 *   FAKE_CUDA_DRIVER      the version of the driver, 13000
 *   FAKE_CUDA_INIT        what cuInit returns, if not success
 *   CUDA_VISIBLE_DEVICES  as for the real one: numbers or the beginnings of UUIDs; what is none of these ends the list
 */
#include "fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 16

static struct device devices[MOST];
static int count;
static bool initialized, forked;
static pthread_once_t looked = PTHREAD_ONCE_INIT;

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 0) : otherwise;
}

static CUuuid uuid_of(int physical)
{
    CUuuid uuid;
    memset(uuid.bytes, 0xFA, sizeof uuid.bytes);
    uuid.bytes[0] = (char)physical;
    return uuid;
}

/* The physical device that an entry of CUDA_VISIBLE_DEVICES names, or -1. */
static int named(const char *entry, int physical)
{
    char *end;
    long index = strtol(entry, &end, 10);
    if (end != entry && *end == '\0') return index >= 0 && index < physical ? (int)index : -1;
    for (int each = 0; each < physical; each++) {
        char uuid[64];
        snprintf(uuid, sizeof uuid, "GPU-%02xfafafa-fafa-fafa-fafa-fafafafafafa", (unsigned char)each);
        if (strlen(entry) > 4 && !strncmp(entry, uuid, strlen(entry))) return each;
    }
    return -1;
}

static void add(int physical)
{
    for (int each = 0; each < count; each++)
        if (devices[each].physical == physical) return;
    struct device *device = &devices[count];
    device->ordinal = count++;
    device->physical = physical;
    device->uuid = uuid_of(physical);
    device->memory = number("FAKE_CUDA_MEMORY", 1L << 30);
    device->primary.device = device;
    device->primary.primary = true;
}

static void look(void)
{
    long physical = number("FAKE_CUDA_DEVICES", 1);
    if (physical > MOST) physical = MOST;
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (!visible) {
        for (int each = 0; each < physical; each++) add(each);
        return;
    }
    char *list = strdup(visible), *rest = list, *entry;
    while ((entry = strsep(&rest, ","))) {
        int index = named(entry, (int)physical);
        if (index < 0) break;
        add(index);
    }
    free(list);
}

static void in_child(void) { forked = true; }

bool is_initialized(void) { return initialized && !forked; }

struct device *device_at(int ordinal) { return ordinal >= 0 && ordinal < count ? &devices[ordinal] : NULL; }

CUresult cuInit(unsigned flags)
{
    CUresult refused = injected(__func__);
    if (refused == CUDA_SUCCESS) refused = (CUresult)number("FAKE_CUDA_INIT", 0);
    if (refused != CUDA_SUCCESS) return refused;
    if (forked) return CUDA_ERROR_NOT_INITIALIZED;
    pthread_once(&looked, look);
    if (count == 0) return CUDA_ERROR_NO_DEVICE;
    if (!initialized) pthread_atfork(NULL, NULL, in_child);
    initialized = true;
    return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version)
{
    *version = (int)number("FAKE_CUDA_DRIVER", 13000);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *answer)
{
    READY();
    *answer = count;
    return CUDA_SUCCESS;
}

#define DEVICE_AT(device, ordinal)                     \
    READY();                                           \
    struct device *device = device_at(ordinal);        \
    if (!device) return CUDA_ERROR_INVALID_DEVICE

CUresult cuDeviceGet(CUdevice *answer, int ordinal)
{
    DEVICE_AT(device, ordinal);
    *answer = device->ordinal;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice ordinal)
{
    DEVICE_AT(device, ordinal);
    snprintf(name, size, "Fake device %d", device->physical);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice ordinal)
{
    DEVICE_AT(device, ordinal);
    *uuid = device->uuid;
    return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(size_t *bytes, CUdevice ordinal)
{
    DEVICE_AT(device, ordinal);
    *bytes = device->memory;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char *id, int size, CUdevice ordinal)
{
    DEVICE_AT(device, ordinal);
    snprintf(id, size, "0000:%02X:00.0", device->physical + 1);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetByPCIBusId(CUdevice *answer, const char *id)
{
    READY();
    unsigned bus;
    if (sscanf(id, "%*x:%x:", &bus) != 1) return CUDA_ERROR_INVALID_VALUE;
    for (*answer = 0; *answer < count; ++*answer)
        if (devices[*answer].physical + 1 == (int)bus) return CUDA_SUCCESS;
    return CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice ordinal)
{
    DEVICE_AT(device, ordinal);
    *major = 9;
    *minor = 0;
    return device ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice ordinal, CUdevice other)
{
    DEVICE_AT(device, ordinal);
    *can = 0;
    return device_at(other) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice ordinal)
{
    DEVICE_AT(device, ordinal);
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 9; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *value = 64; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *value = 0x7FFFFFFF; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *value = 65535; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 4; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *value = 2048; break;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: *value = 2; break;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: *value = device->physical + 1; break;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED: *value = 1; break;
    default: *value = 0;
    }
    return CUDA_SUCCESS;
}

#define SAID(code, text) {code, #code, text}

static const struct { CUresult code; const char *name, *text; } errors[] = {
    SAID(CUDA_SUCCESS, "no error"),
    SAID(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    SAID(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    SAID(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    SAID(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    SAID(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    SAID(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    SAID(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    SAID(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
    SAID(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered"),
    SAID(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    SAID(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    SAID(CUDA_ERROR_NOT_READY, "device not ready"),
    SAID(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    SAID(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    SAID(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"),
    SAID(CUDA_ERROR_ASSERT, "device-side assert triggered"),
    SAID(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    SAID(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    SAID(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination"),
};

CUresult cuGetErrorString(CUresult code, const char **text)
{
    *text = "unknown error";
    for (size_t each = 0; each < LENGTH(errors); each++)
        if (errors[each].code == code) *text = errors[each].text;
    return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult code, const char **name)
{
    *name = "CUDA_ERROR_UNKNOWN";
    for (size_t each = 0; each < LENGTH(errors); each++)
        if (errors[each].code == code) *name = errors[each].name;
    return CUDA_SUCCESS;
}
