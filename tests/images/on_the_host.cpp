// The kernels of CUDA as functions of C++: each item is a block of its own, one after the other.

#include <algorithm>

struct Three {
    int x = 1, y = 1;
};
static Three threadIdx{0, 0}, blockIdx{0, 0}, blockDim, gridDim;

#define __global__
#define __device__ static
#define __shared__ static
#define __syncthreads()
using std::max;
using std::min;

static void atomicAdd(unsigned int *to, unsigned int value) {
    *to += value;
}

#include "kernels.cu"

template <typename Kernel, typename... Arguments>
static void launch(int columns, int rows, Kernel kernel, Arguments... arguments) {
    gridDim.x = columns, gridDim.y = rows;
    for (blockIdx.y = 0; blockIdx.y < rows; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < columns; blockIdx.x++)
            kernel(arguments...);
}

extern "C" void develop(uchar *pixels, uint *counts, const uint *weights, ushort *blurred, uchar *small, int radius, int width,
                        int height, int columns, int rows) {
    launch(7, 1, histogram, pixels, counts, width * height);
    launch(width + 3, height + 3, across, pixels, blurred, weights, radius, width, height);
    launch(width + 3, height + 3, down, blurred, pixels, weights, radius, width, height);
    launch(columns + 3, rows + 3, shrink, pixels, small, width, height, columns, rows);
}
