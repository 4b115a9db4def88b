/* Modules, functions and launches. An image is the word FAKE and the names of the kernels that it has, up to the end of
 * the line: what the compiler beside this file writes. */
#include "fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CUmod_st {
    CUcontext ctx;
    char *names;
};

static atomic_long modules;

CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
    ENTER(ctx);
    const char *text = image;
    if (!image) return CUDA_ERROR_INVALID_VALUE;
    if (strncmp(text, "FAKE", 4)) return CUDA_ERROR_INVALID_IMAGE;
    *module = calloc(1, sizeof **module);
    (*module)->ctx = ctx;
    (*module)->names = strndup(text + 4, strcspn(text + 4, "\n"));
    modules++;
    return CUDA_SUCCESS;
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, CUjit_option *options, void **values)
{
    ENTER(ctx);
    return cuModuleLoadData(module, image);
}

CUresult cuModuleLoad(CUmodule *module, const char *path)
{
    ENTER(ctx);
    char text[4096] = "";
    FILE *file = fopen(path, "r");
    if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    return cuModuleLoadData(module, text);
}

CUresult cuModuleUnload(CUmodule module)
{
    ENTER(ctx);
    if (!module) return CUDA_ERROR_INVALID_HANDLE;
    free(module->names);
    free(module);
    modules--;
    return CUDA_SUCCESS;
}

long count_modules(void) { return modules; }

static bool has(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strstr(names, name); at; at = strstr(at + 1, name))
        if ((at == names || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) return true;
    return false;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
    ENTER(ctx);
    const struct kernel *kernel = kernel_named(name, strlen(name));
    if (!kernel || !has(module->names, name)) return CUDA_ERROR_NOT_FOUND;
    *function = (CUfunction)kernel;
    return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function)
{
    ENTER(ctx);
    *value = attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : 0;
    return CUDA_SUCCESS;
}

CUresult cuFuncSetBlockShape(CUfunction function, int x, int y, int z)
{
    ENTER(ctx);
    return CUDA_SUCCESS;
}

CUresult cuFuncSetSharedSize(CUfunction function, unsigned bytes)
{
    ENTER(ctx);
    return CUDA_SUCCESS;
}

CUresult cuFuncSetCacheConfig(CUfunction function, CUfunc_cache config)
{
    ENTER(ctx);
    return CUDA_SUCCESS;
}

static size_t width_of(char letter) { return letter == 'P' || letter == 'q' ? 8 : 4; }

/* Take the arguments from an array of pointers to them, or from a buffer in which each is aligned to its size. */
static CUresult take(struct launch *launch, void **pointers, const char *buffer, size_t size)
{
    size_t offset = 0, each = 0;
    for (const char *letter = launch->kernel->parameters; *letter; letter++, each++) {
        size_t width = width_of(*letter);
        if (!pointers) {
            offset = (offset + width - 1) / width * width;
            if (offset + width > size) return CUDA_ERROR_INVALID_VALUE;
        }
        memcpy(&launch->a[each], pointers ? pointers[each] : buffer + offset, width);
        offset += width;
    }
    return pointers || size <= (offset + 7) / 8 * 8 ? CUDA_SUCCESS : CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
}

static CUresult take_any(struct launch *launch, void **pointers, void **extra)
{
    const char *buffer = NULL;
    size_t size = 0;
    for (; !pointers && extra && *extra != CU_LAUNCH_PARAM_END; extra += 2) {
        if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[1];
        if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE) size = *(size_t *)extra[1];
    }
    if (!pointers && !buffer && *launch->kernel->parameters) return CUDA_ERROR_INVALID_VALUE;
    return take(launch, pointers, buffer, size);
}

static bool is_shape(const unsigned *grid, const unsigned *block)
{
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    return grid[0] && grid[1] && grid[2] && threads && threads <= 1024;
}

static int run(void *data, CUstream stream, int fault)
{
    struct launch *launch = data;
    return fault ? 0 : launch->kernel->run(launch);
}

CUresult cuLaunchKernel(
    CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
    unsigned block_z, unsigned shared, CUstream handle, void **pointers, void **extra)
{
    STREAM_OF(stream, handle);
    if (!function || stream->ctx != ctx) return CUDA_ERROR_INVALID_HANDLE;
    struct launch launch = {
        .kernel = (const struct kernel *)function, .stream = stream,
        .grid = {grid_x, grid_y, grid_z}, .block = {block_x, block_y, block_z},
    };
    if (!is_shape(launch.grid, launch.block)) return CUDA_ERROR_INVALID_VALUE;
    CUresult taken = take_any(&launch, pointers, extra);
    if (taken == CUDA_SUCCESS) enqueue(stream, run, &launch, sizeof launch);
    return taken;
}
