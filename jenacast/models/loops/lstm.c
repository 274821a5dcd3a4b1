/* An LSTM (Hochreiter & Schmidhuber 1997) with a forget gate, over windows `first` to `last`; 1 without memory. */

#include "loops.h"

int lstm_forward(const struct loop *given, long first, long last) {
    const struct loop own = *given, *l = &own; /* a copy, which no array can overlap */
    struct tile t;
    int units = (int)l->units, wide = 4 * units;
    if (make_tile(&t, l, 4)) return 1;
    for (long window = first; window < last; window += TILE) {
        int count = last - window < TILE ? (int)(last - window) : TILE;
        memcpy(t.h, l->h + window * units, sizeof(float) * count * units);
        memcpy(t.d_c, l->c + window * units, sizeof(float) * count * units); /* here the memory itself */
        for (long step = 0; step < l->steps; step++) {
            read_step(&t, l, window, count, step);
            for (int i = 0; i < TILE; i++) memcpy(t.for_x + i * wide, l->bias, sizeof(float) * wide);
            mask_states(&t, l, window, count);
            add_product(t.for_x, TILE, wide, t.x, l->columns, 1, l->columns, l->kernel);
            add_product(t.for_x, TILE, wide, t.masked, units, 1, units, l->recurrent);
            for (int i = 0; i < count; i++)
                for (int u = 0; u < units; u += LANES) {
                    const float *x = t.for_x + i * wide + u;
                    float *kept = kept_at(l, window + i, step, 5) + u, *memory = t.d_c + i * units + u;
                    lanes in = sigmoid(load(x)), forget = sigmoid(load(x + units));
                    lanes g = tangent(load(x + 2 * units)), out = sigmoid(load(x + 3 * units));
                    lanes c = forget * load(memory) + in * g, now = out * tangent(c);
                    store(memory, c), store(t.h + i * units + u, now);
                    store_far(l->states + at(l, window + i, step) + u, now);
                    store_far(kept, in), store_far(kept + units, forget), store_far(kept + 2 * units, g);
                    store_far(kept + 3 * units, out), store_far(kept + 4 * units, c);
                }
        }
    }
    end_far_stores();
    free(t.memory);
    return 0;
}

int lstm_back(const struct loop *given, long first, long last) {
    const struct loop own = *given, *l = &own; /* a copy, which no array can overlap */
    struct tile t;
    int units = (int)l->units, wide = 4 * units;
    if (make_tile(&t, l, 4)) return 1;
    for (long window = first; window < last; window += TILE) {
        int count = last - window < TILE ? (int)(last - window) : TILE;
        memset(t.d_masked, 0, sizeof(float) * TILE * units);
        memcpy(t.d_c, l->d_last + window * units, sizeof(float) * count * units);
        memset(t.for_h, 0, sizeof(float) * TILE * wide); /* windows beyond `count` add nothing */
        for (long step = l->steps - 1; step >= 0; step--) {
            read_step(&t, l, window, count, step);
            prefetch_step(l, window, count, step);
            for (int i = 0; i < count; i++)
                for (int u = 0; u < units; u += LANES) {
                    const float *kept = kept_at(l, window + i, step, 5) + u;
                    const float *before = kept - 5 * units * l->windows, *first_h = l->h + (window + i) * units + u;
                    lanes in = load(kept), forget = load(kept + units), g = load(kept + 2 * units);
                    lanes out = load(kept + 3 * units), squashed = tangent(load(kept + 4 * units));
                    lanes c = load(step ? before + 4 * units : l->c + (window + i) * units + u);
                    lanes h = load(step ? l->states + at(l, window + i, step - 1) + u : first_h);
                    lanes d = masked(l, window + i, u, load(t.d_masked + i * units + u));
                    d += load(l->d_states + at(l, window + i, step) + u);
                    lanes d_c = load(t.d_c + i * units + u) + d * out * (1.f - squashed * squashed);
                    float *s = t.for_h + i * wide + u, *bias = l->d_bias + u;
                    store(s, d_c * g * in * (1.f - in)), store(s + units, d_c * c * forget * (1.f - forget));
                    store(s + 2 * units, d_c * in * (1.f - g * g));
                    store(s + 3 * units, d * squashed * out * (1.f - out));
                    for (int gate = 0; gate < wide; gate += units)
                        store(bias + gate, load(bias + gate) + load(s + gate));
                    store(t.masked + i * units + u, masked(l, window + i, u, h));
                    store(t.d_c + i * units + u, d_c * forget);
                }
            go_back(&t, l, window, count, step, t.for_h);
        }
        for (int i = 0; i < count; i++)
            for (int u = 0; u < units; u += LANES)
                store(l->d_h + (window + i) * units + u, masked(l, window + i, u, load(t.d_masked + i * units + u)));
        memcpy(l->d_c + window * units, t.d_c, sizeof(float) * count * units);
    }
    free(t.memory);
    return 0;
}
