// Pixels are bytes: red, green, blue, row after row. All is computed in whole numbers, so every device has the same result.

uint luminance(__global const uchar *pixel) {
    return (77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2] + 128u) >> 8;
}

// How many pixels have each luminance. Each group counts in memory of its own, and adds that to `counts` at the end.
__kernel void histogram(__global const uchar *pixels, __global uint *counts, int size) {
    __local uint mine[256];
    for (int i = get_local_id(0); i < 256; i += get_local_size(0))
        mine[i] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = get_global_id(0); i < size; i += get_global_size(0))
        atomic_inc(&mine[luminance(pixels + 3 * i)]);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = get_local_id(0); i < 256; i += get_local_size(0))
        atomic_add(&counts[i], mine[i]);
}

// Blur along the rows. Beyond the edge is what is at the edge. The result has 8 bits more than a pixel.
__kernel void across(__global const uchar *from, __global ushort *to, __global const uint *weights, int radius, int width,
                     int height) {
    int x = get_global_id(0), y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    uint red = 128, green = 128, blue = 128;
    for (int k = -radius; k <= radius; k++) {
        __global const uchar *pixel = from + 3 * (y * width + clamp(x + k, 0, width - 1));
        uint weight = weights[k + radius];
        red += weight * pixel[0];
        green += weight * pixel[1];
        blue += weight * pixel[2];
    }
    __global ushort *blurred = to + 3 * (y * width + x);
    blurred[0] = red >> 8;
    blurred[1] = green >> 8;
    blurred[2] = blue >> 8;
}

// Blur along the columns what `across` has made, and round to 8 bits.
__kernel void down(__global const ushort *from, __global uchar *to, __global const uint *weights, int radius, int width,
                   int height) {
    int x = get_global_id(0), y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    uint red = 1 << 23, green = 1 << 23, blue = 1 << 23;
    for (int k = -radius; k <= radius; k++) {
        __global const ushort *pixel = from + 3 * (clamp(y + k, 0, height - 1) * width + x);
        uint weight = weights[k + radius];
        red += weight * pixel[0];
        green += weight * pixel[1];
        blue += weight * pixel[2];
    }
    __global uchar *blurred = to + 3 * (y * width + x);
    blurred[0] = red >> 24;
    blurred[1] = green >> 24;
    blurred[2] = blue >> 24;
}

// Shrink `width` x `height` pixels to `columns` x `rows`: the mean of the area that each covers. A pixel that is covered
// in part counts in part: along a row the picture is divided into width * columns pieces, so that both grids fit.
__kernel void shrink(__global const uchar *from, __global uchar *to, int width, int height, int columns, int rows) {
    int x = get_global_id(0), y = get_global_id(1);
    if (x >= columns || y >= rows)
        return;
    long left = (long)x * width, right = left + width, top = (long)y * height, bottom = top + height;
    ulong area = (ulong)width * height, red = area / 2, green = area / 2, blue = area / 2;
    for (long v = top / rows; v * rows < bottom; v++) {
        ulong high = min(bottom, (v + 1) * rows) - max(top, v * rows);
        for (long u = left / columns; u * columns < right; u++) {
            ulong covered = high * (min(right, (u + 1) * columns) - max(left, u * columns));
            __global const uchar *pixel = from + 3 * (v * width + u);
            red += covered * pixel[0];
            green += covered * pixel[1];
            blue += covered * pixel[2];
        }
    }
    __global uchar *mean = to + 3 * (y * columns + x);
    mean[0] = red / area;
    mean[1] = green / area;
    mean[2] = blue / area;
}
