// The kernels of kernels.cl once more, for CUDA; what they do is written there.

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long long u64;

__device__ uint luminance(const uchar *pixel) {
    return (77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2] + 128u) >> 8;
}

__device__ int clamp(int value, int least, int most) {
    return min(max(value, least), most);
}

extern "C" __global__ void histogram(const uchar *pixels, uint *counts, int size) {
    __shared__ uint mine[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x)
        mine[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x)
        atomicAdd(&mine[luminance(pixels + 3 * i)], 1u);
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x)
        atomicAdd(&counts[i], mine[i]);
}

extern "C" __global__ void across(const uchar *from, ushort *to, const uint *weights, int radius, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height)
        return;
    uint red = 128, green = 128, blue = 128;
    for (int k = -radius; k <= radius; k++) {
        const uchar *pixel = from + 3 * (y * width + clamp(x + k, 0, width - 1));
        uint weight = weights[k + radius];
        red += weight * pixel[0];
        green += weight * pixel[1];
        blue += weight * pixel[2];
    }
    ushort *blurred = to + 3 * (y * width + x);
    blurred[0] = red >> 8;
    blurred[1] = green >> 8;
    blurred[2] = blue >> 8;
}

extern "C" __global__ void down(const ushort *from, uchar *to, const uint *weights, int radius, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height)
        return;
    uint red = 1 << 23, green = 1 << 23, blue = 1 << 23;
    for (int k = -radius; k <= radius; k++) {
        const ushort *pixel = from + 3 * (clamp(y + k, 0, height - 1) * width + x);
        uint weight = weights[k + radius];
        red += weight * pixel[0];
        green += weight * pixel[1];
        blue += weight * pixel[2];
    }
    uchar *blurred = to + 3 * (y * width + x);
    blurred[0] = red >> 24;
    blurred[1] = green >> 24;
    blurred[2] = blue >> 24;
}

extern "C" __global__ void shrink(const uchar *from, uchar *to, int width, int height, int columns, int rows) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows)
        return;
    long long left = (long long)x * width, right = left + width, top = (long long)y * height, bottom = top + height;
    u64 area = (u64)width * height, red = area / 2, green = area / 2, blue = area / 2;
    for (long long v = top / rows; v * rows < bottom; v++) {
        u64 high = min(bottom, (v + 1) * rows) - max(top, v * rows);
        for (long long u = left / columns; u * columns < right; u++) {
            u64 covered = high * (min(right, (u + 1) * columns) - max(left, u * columns));
            const uchar *pixel = from + 3 * (v * width + u);
            red += covered * pixel[0];
            green += covered * pixel[1];
            blue += covered * pixel[2];
        }
    }
    uchar *mean = to + 3 * (y * columns + x);
    mean[0] = red / area;
    mean[1] = green / area;
    mean[2] = blue / area;
}
