/* A GRU (Cho et al. 2014) with the reset after the product, over windows `first` to `last`; 1 without memory. */

#include "loops.h"

const int lanes_count = LANES, tile_windows = TILE; /* compiled.py reads them */

int gru_forward(const struct loop *given, long first, long last) {
    const struct loop own = *given, *l = &own; /* a copy, which no array can overlap */
    struct tile t;
    int units = (int)l->units, wide = 3 * units;
    if (make_tile(&t, l, 3)) return 1;
    for (long window = first; window < last; window += TILE) {
        int count = last - window < TILE ? (int)(last - window) : TILE;
        memcpy(t.h, l->h + window * units, sizeof(float) * count * units);
        for (long step = 0; step < l->steps; step++) {
            read_step(&t, l, window, count, step);
            for (int i = 0; i < TILE; i++) {
                memcpy(t.for_x + i * wide, l->bias, sizeof(float) * wide);
                memcpy(t.for_h + i * wide, l->bias + wide, sizeof(float) * wide);
            }
            mask_states(&t, l, window, count);
            add_product(t.for_x, TILE, wide, t.x, l->columns, 1, l->columns, l->kernel);
            add_product(t.for_h, TILE, wide, t.masked, units, 1, units, l->recurrent);
            for (int i = 0; i < count; i++)
                for (int u = 0; u < units; u += LANES) {
                    const float *x = t.for_x + i * wide + u, *s = t.for_h + i * wide + u;
                    float *kept = kept_at(l, window + i, step, 4) + u, *h = t.h + i * units + u;
                    lanes z = sigmoid(load(x) + load(s)), r = sigmoid(load(x + units) + load(s + units));
                    lanes for_c = load(s + 2 * units), c = tangent(load(x + 2 * units) + r * for_c);
                    lanes now = c + z * (load(h) - c);
                    store(h, now), store_far(l->states + at(l, window + i, step) + u, now);
                    store_far(kept, z), store_far(kept + units, r);
                    store_far(kept + 2 * units, c), store_far(kept + 3 * units, for_c);
                }
        }
    }
    end_far_stores();
    free(t.memory);
    return 0;
}

int gru_back(const struct loop *given, long first, long last) {
    const struct loop own = *given, *l = &own; /* a copy, which no array can overlap */
    struct tile t;
    int units = (int)l->units, wide = 3 * units;
    if (make_tile(&t, l, 3)) return 1;
    for (long window = first; window < last; window += TILE) {
        int count = last - window < TILE ? (int)(last - window) : TILE;
        memset(t.d_h, 0, sizeof(float) * TILE * units);
        memset(t.for_x, 0, sizeof(float) * TILE * wide); /* windows beyond `count` add nothing */
        memset(t.for_h, 0, sizeof(float) * TILE * wide);
        for (long step = l->steps - 1; step >= 0; step--) {
            read_step(&t, l, window, count, step);
            prefetch_step(l, window, count, step);
            for (int i = 0; i < count; i++)
                for (int u = 0; u < units; u += LANES) {
                    const float *kept = kept_at(l, window + i, step, 4) + u;
                    lanes z = load(kept), r = load(kept + units), c = load(kept + 2 * units);
                    lanes for_c = load(kept + 3 * units), d = load(t.d_h + i * units + u);
                    const float *first_h = l->h + (window + i) * units + u;
                    lanes h = load(step ? l->states + at(l, window + i, step - 1) + u : first_h);
                    d += load(l->d_states + at(l, window + i, step) + u);
                    lanes d_c = d * (1.f - z) * (1.f - c * c), d_z = d * (h - c) * z * (1.f - z);
                    lanes d_r = d_c * for_c * r * (1.f - r);
                    float *x = t.for_x + i * wide + u, *s = t.for_h + i * wide + u, *bias = l->d_bias + u;
                    store(x, d_z), store(x + units, d_r), store(x + 2 * units, d_c);
                    store(s, d_z), store(s + units, d_r), store(s + 2 * units, d_c * r);
                    for (int g = 0; g < wide; g += units) {
                        store(bias + g, load(bias + g) + load(x + g));
                        store(bias + wide + g, load(bias + wide + g) + load(s + g));
                    }
                    store(t.masked + i * units + u, masked(l, window + i, u, h));
                    store(t.d_h + i * units + u, d * z);
                }
            go_back(&t, l, window, count, step, t.for_x);
            for (int i = 0; i < count; i++)
                for (int u = 0; u < units; u += LANES) {
                    lanes d = masked(l, window + i, u, load(t.d_masked + i * units + u));
                    store(t.d_h + i * units + u, load(t.d_h + i * units + u) + d);
                }
        }
        memcpy(l->d_h + window * units, t.d_h, sizeof(float) * count * units);
    }
    free(t.memory);
    return 0;
}
