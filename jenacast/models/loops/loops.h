/* What the loops of gru.c and lstm.c share. They compute what recurrence.py computes, over whole histories and back.

   A tile of windows runs through all steps at once, so that its states, gates and the weights stay in the cache.
   Arrays are of floats, windows first: histories (windows, steps, columns), outputs (windows, steps, units). Gate
   order, biases and equations are those of Keras' GRU (reset_after=True) and LSTM. Units are a multiple of LANES.
   Each call treats the windows from `first` to `last`; calls on other windows may run at the same time. */

#pragma once

#include <stdlib.h>
#include <string.h>
#ifdef __AVX__
#include <immintrin.h>
#endif

/* LANES units are one vector; blocks of ROWS windows by three vectors are summed in registers, of which AVX-512 has
   twice as many. */
#ifdef __AVX512F__
#define LANES 16
#define ROWS 8
#else
#define LANES 8
#define ROWS 4
#endif
#define TILE 16 /* windows */

/* Keeps GCC from reading a weight again for every row. */
#ifdef __x86_64__
#define IN_REGISTER(x) __asm__("" : "+x"(x))
#else
#define IN_REGISTER(x)
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int ints __attribute__((vector_size(4 * LANES)));

INLINE lanes all(float x) { return (lanes){0} + x; }
INLINE lanes load(const float *from) { return *(const lanes *)from; }
INLINE void store(float *to, lanes x) { *(lanes *)to = x; }

/* Store what is not read again soon: past the caches. `to` is aligned to the vector. Call `end_far_stores` after the
   last one, before another thread reads: the processor may hold such stores back. */
INLINE void store_far(float *to, lanes x) {
#if defined __AVX512F__
    _mm512_stream_ps(to, (__m512)x);
#elif defined __AVX__
    _mm256_stream_ps(to, (__m256)x);
#else
    store(to, x);
#endif
}

INLINE void end_far_stores(void) {
#ifdef __AVX__
    _mm_sfence();
#endif
}

/* e to the power of x; the polynomial of Cephes' expf. */
INLINE lanes power_of_e(lanes x) {
    ints high = x > 87.f, low = x < -87.f;
    x = (lanes)(((ints)x & ~high & ~low) | ((ints)all(87.f) & high) | ((ints)all(-87.f) & low));
    lanes shifted = x * 1.44269504f + 12582912.f; /* adding 1.5 * 2^23 rounds to an integer */
    lanes whole = shifted - 12582912.f;
    lanes part = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    lanes sum = all(1.9875691500e-4f);
    sum = sum * part + 1.3981999507e-3f;
    sum = sum * part + 8.3334519073e-3f;
    sum = sum * part + 4.1665795894e-2f;
    sum = sum * part + 1.6666665459e-1f;
    sum = sum * part + 5.0000001201e-1f;
    sum = sum * part * part + part + 1.f;
    return (lanes)((ints)sum + (((ints)shifted - 0x4B400000) << 23));
}
INLINE lanes sigmoid(lanes x) { return 1.f / (1.f + power_of_e(-x)); }
INLINE lanes tangent(lanes x) { return 2.f * sigmoid(2.f * x) - 1.f; }

/* out (rows, wide) += a (rows, depth) times w (depth, wide), for `count` rows and `vectors` * LANES columns of it. */
INLINE void block(float *out, int wide, int count, int vectors, const float *a, int row, int step, int depth,
                  const float *w) {
    lanes sum[ROWS][3];
    for (int i = 0; i < count; i++)
        for (int v = 0; v < vectors; v++) sum[i][v] = load(out + i * wide + v * LANES);
    for (int k = 0; k < depth; k++) {
        lanes weight[3];
        for (int v = 0; v < vectors; v++) {
            weight[v] = load(w + k * wide + v * LANES);
            IN_REGISTER(weight[v]);
        }
        for (int i = 0; i < count; i++) {
            lanes factor = all(a[i * row + k * step]);
            for (int v = 0; v < vectors; v++) sum[i][v] += factor * weight[v];
        }
    }
    for (int i = 0; i < count; i++)
        for (int v = 0; v < vectors; v++) store(out + i * wide + v * LANES, sum[i][v]);
}

/* out (rows, wide) += a (rows, depth) times w (depth, wide); a's element (i, k) lies at i * row + k * step. */
static void add_product(float *out, int rows, int wide, const float *a, int row, int step, int depth,
                        const float *w) {
    int i = 0;
    for (; i + ROWS <= rows; i += ROWS) {
        const float *of = a + i * row;
        float *to = out + i * wide;
        int j = 0;
        for (; wide - j >= 3 * LANES && wide - j != 4 * LANES; j += 3 * LANES)
            block(to + j, wide, ROWS, 3, of, row, step, depth, w + j);
        for (; wide - j >= 2 * LANES; j += 2 * LANES) block(to + j, wide, ROWS, 2, of, row, step, depth, w + j);
        if (j < wide) block(to + j, wide, ROWS, 1, of, row, step, depth, w + j);
    }
    for (; i < rows; i++)
        for (int j = 0; j < wide; j += LANES)
            block(out + i * wide + j, wide, 1, 1, a + i * row, row, step, depth, w + j);
}

/* What one call works on; the gradients of weights and biases are those of its part of the windows. */
struct loop {
    long windows, steps, columns, units;
    const float *x, *kernel, *recurrent, *bias, *mask, *h, *c; /* mask: (windows, units) or NULL; h, c: the first */
    float *states, *kept;                                      /* kept: the gates, for the way back */
    const float *d_states, *d_last;                            /* d_last: of an LSTM's last memory */
    float *d_x, *d_kernel, *d_recurrent, *d_bias, *d_h, *d_c;
};

/* The arrays of a tile, cut out of one piece of memory. */
struct tile {
    float *memory, *x, *d_x, *h, *masked, *d_h, *d_c, *d_masked, *for_x, *for_h, *kernel_back, *recurrent_back;
    int wide, padded; /* gates * units, and columns rounded up to LANES */
};

INLINE int make_tile(struct tile *t, const struct loop *l, int gates) {
    int wide = gates * (int)l->units, padded = ((int)l->columns + LANES - 1) / LANES * LANES;
    long u = TILE * l->units, sizes = 2 * TILE * padded + 5 * u + 2 * TILE * wide + wide * (padded + l->units);
    float *next = t->memory = calloc(sizes, sizeof(float));
    if (!next) return 1;
    t->wide = wide, t->padded = padded;
    t->x = next, next += TILE * padded;
    t->d_x = next, next += TILE * padded;
    t->h = next, next += u;
    t->masked = next, next += u;
    t->d_h = next, next += u;
    t->d_c = next, next += u;
    t->d_masked = next, next += u;
    t->for_x = next, next += TILE * wide;
    t->for_h = next, next += TILE * wide;
    t->kernel_back = next, next += wide * padded;
    t->recurrent_back = next;
    for (int j = 0; j < wide; j++) { /* the weights turned, for the gradients of what they were multiplied with */
        for (int i = 0; i < l->columns; i++) t->kernel_back[j * padded + i] = l->kernel[i * wide + j];
        for (int i = 0; i < l->units; i++) t->recurrent_back[j * l->units + i] = l->recurrent[i * wide + j];
    }
    return 0;
}

/* Where the units of one window and step lie in an array of states. */
INLINE long at(const struct loop *l, long window, long step) { return (window * l->steps + step) * l->units; }

/* What was kept of it: steps first, so that a tile's lie together. */
INLINE float *kept_at(const struct loop *l, long window, long step, int width) {
    return l->kept + (step * l->windows + window) * width * l->units;
}

/* Ask for what the way back reads two steps later: the rows of windows lie too far apart for the processor to foresee. */
INLINE void prefetch_step(const struct loop *l, long window, int count, long step) {
    for (int i = 0; step > 2 && i < count; i++)
        for (int u = 0; u < l->units; u += LANES) {
            __builtin_prefetch(l->d_states + at(l, window + i, step - 2) + u);
            __builtin_prefetch(l->states + at(l, window + i, step - 3) + u);
        }
}

INLINE void read_step(struct tile *t, const struct loop *l, long window, int count, long step) {
    for (int i = 0; i < count; i++)
        memcpy(t->x + i * l->columns, l->x + ((window + i) * l->steps + step) * l->columns, l->columns * sizeof(float));
}

/* The state as it enters the products. */
INLINE lanes masked(const struct loop *l, long window, int unit, lanes h) {
    if (l->mask) h *= load(l->mask + window * l->units + unit);
    return h;
}

/* Put the states of the tile, as they enter the products, in their place. */
INLINE void mask_states(struct tile *t, const struct loop *l, long window, int count) {
    int units = (int)l->units;
    for (int i = 0; i < count; i++)
        for (int u = 0; u < units; u += LANES)
            store(t->masked + i * units + u, masked(l, window + i, u, load(t->h + i * units + u)));
}

/* From the gradients of the products, for_h those of the state and for_x those of the columns, to those of the
   columns, of the state and of the weights. */
INLINE void go_back(struct tile *t, const struct loop *l, long window, int count, long step, const float *for_x) {
    int units = (int)l->units, columns = (int)l->columns, wide = t->wide;
    memset(t->d_masked, 0, sizeof(float) * TILE * units);
    add_product(t->d_masked, TILE, units, t->for_h, wide, 1, wide, t->recurrent_back);
    memset(t->d_x, 0, sizeof(float) * TILE * t->padded);
    add_product(t->d_x, TILE, t->padded, for_x, wide, 1, wide, t->kernel_back);
    add_product(l->d_recurrent, units, wide, t->masked, 1, units, TILE, t->for_h);
    add_product(l->d_kernel, columns, wide, t->x, 1, columns, TILE, for_x);
    for (int i = 0; i < count; i++)
        memcpy(l->d_x + ((window + i) * l->steps + step) * columns, t->d_x + i * t->padded, columns * sizeof(float));
}
