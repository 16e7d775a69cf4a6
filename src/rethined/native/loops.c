/* The loops of a fill that are bound by fetching single pixels, each in one pass.

   Everything here has a twin in NumPy and OpenCV, which is what runs where no library was built; the twin is the one to
   read first, and tests compare the two. Plain C99, no Python: rethined.native loads the library with ctypes, so one
   build serves all versions of Python, and Python's lock is free while a loop runs.

   Build without contraction of a * b + c (-ffp-contract=off): results are then the same on every processor. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(_WIN32)
#define API __declspec(dllexport)
#else
#define API __attribute__((visibility("default")))
#endif

/* One build, and on newer x86 processors the loops compiled for them. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#if defined(_MSC_VER)
#define INLINE static __forceinline
#else
#define INLINE static inline __attribute__((always_inline))
#endif

/* A number for each change of what is below; rethined.native refuses another. */
API int32_t rethined_loops_version(void) { return 2; }

INLINE int64_t clamped(int64_t value, int64_t last) { return value < 0 ? 0 : value > last ? last : value; }

/* ---- Blending what the four nearest tokens point at: rethined.taps.Blend ----------------------------------------- */

typedef struct {
    const void *colours;    /* (height, width, channels) of bytes_each */
    const uint8_t *barred;  /* (height, width) */
    const int32_t *shift_y; /* (tokens), pixels */
    const int32_t *shift_x;
    const float *is_set;    /* (tokens), 0 or 1 */
    const float *gate;
    const int32_t *token_y[2]; /* (height), the token before and after each row */
    const float *weight_y[2];
    const int32_t *token_x[2];
    const float *weight_x[2];
    int64_t height, width, columns; /* columns: tokens in a row */
    int32_t channels, bytes_each;
    float gain; /* grey levels for each unit of colours */
} Blend;

typedef struct {
    float mean[3], norm, gate;
    uint8_t is_valid;
} Tap;

INLINE float level(const void *colours, int32_t bytes_each, int64_t at) {
    return bytes_each == 1   ? (float)((const uint8_t *)colours)[at]
           : bytes_each == 2 ? (float)((const uint16_t *)colours)[at]
                             : ((const float *)colours)[at];
}

INLINE Tap tap_at(const Blend *b, int64_t y, int64_t x, int32_t channels, int32_t bytes_each) {
    float total[3] = {0, 0, 0}, gate = 0, weight[4], sum, share, squared = 0;
    int64_t place[4];
    for (int i = 0; i < 4; i++) {
        const int64_t token = b->token_y[i >> 1][y] * b->columns + b->token_x[i & 1][x];
        const int64_t from_y = y + b->shift_y[token], from_x = x + b->shift_x[token];
        weight[i] = b->weight_y[i >> 1][y] * b->weight_x[i & 1][x] * b->is_set[token];
        place[i] = 0;
        if (from_y < 0 || from_y >= b->height || from_x < 0 || from_x >= b->width) {
            weight[i] = 0;
            continue;
        }
        place[i] = from_y * b->width + from_x;
        if (b->barred[place[i]]) weight[i] = 0;
        for (int c = 0; c < channels; c++)
            total[c] += level(b->colours, bytes_each, place[i] * channels + c) * weight[i];
        gate += b->gate[token] * weight[i];
    }
    sum = weight[0] + weight[1] + weight[2] + weight[3];
    share = 1 / (sum > 1e-6f ? sum : 1e-6f);
    /* Taps that point at the same pixel are one copy; only different ones average each other out. */
    for (int i = 0; i < 4; i++) {
        float agreeing = weight[i];
        for (int j = 0; j < i; j++) agreeing += place[i] == place[j] ? 2 * weight[j] : 0;
        squared += weight[i] * agreeing;
    }
    Tap tap;
    tap.is_valid = sum > 1e-3f;
    tap.norm = tap.is_valid ? sqrtf(squared) * share : 1;
    tap.gate = gate * share;
    for (int c = 0; c < channels; c++) tap.mean[c] = total[c] * (share * b->gain);
    return tap;
}

INLINE void blend(const Blend *b, const int32_t *y, const int32_t *x, int64_t count, float *mean, float *norm,
                  uint8_t *is_valid, float *gate, int32_t channels, int32_t bytes_each) {
    for (int64_t n = 0; n < count; n++) {
        const Tap tap = tap_at(b, y[n], x[n], channels, bytes_each);
        for (int c = 0; c < channels; c++) mean[n * channels + c] = tap.mean[c];
        norm[n] = tap.norm;
        is_valid[n] = tap.is_valid;
        gate[n] = tap.gate;
    }
}

/* ---- Colours at full size: rethined.fullsize.Source.at ----------------------------------------------------------- */

/* Where the rows and columns of a picture lie between those of a grid. */
typedef struct {
    const int32_t *row[2], *column[2];     /* the ones before and after */
    const float *row_share, *column_share; /* of the ones after */
    int64_t width;                         /* of the grid */
} Between;

typedef struct {
    int64_t place[4];
    float weight[4];
} Corners;

INLINE Corners corners_at(const Between *g, int64_t y, int64_t x) {
    const float down = g->row_share[y], right = g->column_share[x];
    const int64_t above = g->row[0][y] * g->width, below = g->row[1][y] * g->width;
    const int64_t before = g->column[0][x], after = g->column[1][x];
    const Corners corners = {{above + before, above + after, below + before, below + after},
                             {(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right}};
    return corners;
}

INLINE float value_at(const float *grid, const Corners *at, int32_t channels, int c) {
    return grid[at->place[0] * channels + c] * at->weight[0] + grid[at->place[1] * channels + c] * at->weight[1] +
           grid[at->place[2] * channels + c] * at->weight[2] + grid[at->place[3] * channels + c] * at->weight[3];
}

typedef struct {
    const float *copied;   /* on the grid, with channels */
    const float *membrane; /* the same */
    Between between;
} Small;

INLINE void colour_at(const Blend *b, const Small *s, int64_t y, int64_t x, float *colour, int32_t channels,
                      int32_t bytes_each) {
    const Tap tap = tap_at(b, y, x, channels, bytes_each);
    const Corners at = corners_at(&s->between, y, x);
    const float amount = tap.gate / tap.norm;
    for (int c = 0; c < channels; c++) {
        const float low = value_at(s->copied, &at, channels, c);
        colour[c] = (tap.mean[c] - low) * amount + low + value_at(s->membrane, &at, channels, c);
    }
}

/* A loop for each form that a picture has, so that nothing is asked pixel by pixel. */
#define FORMS(F)                                                                                                       \
    switch (b->channels * 8 + b->bytes_each) {                                                                         \
        case 3 * 8 + 1: F(3, 1); break;                                                                                \
        case 3 * 8 + 2: F(3, 2); break;                                                                                \
        case 3 * 8 + 4: F(3, 4); break;                                                                                \
        case 1 * 8 + 1: F(1, 1); break;                                                                                \
        case 1 * 8 + 2: F(1, 2); break;                                                                                \
        default: F(1, 4);                                                                                              \
    }

WIDE API void rethined_blend(const Blend *b, const int32_t *y, const int32_t *x, int64_t count, float *mean,
                             float *norm, uint8_t *is_valid, float *gate) {
#define FORM(channels, bytes) blend(b, y, x, count, mean, norm, is_valid, gate, channels, bytes)
    FORMS(FORM)
#undef FORM
}

/* ---- All pixels of some pieces at full size: rethined.fullsize --------------------------------------------------- */

typedef struct {
    const uint8_t *hole;                     /* (height, width) */
    const uint8_t *unknown;                  /* the same */
    const int32_t *labels;                   /* (.., label_columns), groups of holes */
    const int32_t *label_row, *label_column; /* of each row and column of the picture */
    int64_t width, label_columns;
} Region;

typedef struct {
    int64_t label;                                        /* of its group */
    int64_t core_top, core_left, core_bottom, core_right; /* what it answers for */
    int64_t top, left, bottom, right;                     /* what it sees */
} Piece;

typedef struct {
    int64_t hole;    /* hole pixels that a piece answers for */
    int64_t ring;    /* those of them with rim pixels beside */
    int64_t rim;     /* known pixels beside hole pixels */
    int64_t own_rim; /* those that it answers for */
} Counts;

enum { NEITHER = 0, HOLE = 1, RIM = 2 };

INLINE int is_core(const Piece *p, int64_t y, int64_t x) {
    return y >= p->core_top && y < p->core_bottom && x >= p->core_left && x < p->core_right;
}

/* Cells of the box that a piece sees, with a border of one, which stays zero. */
INLINE int64_t cells_of(const Piece *p) { return (p->bottom - p->top + 2) * (p->right - p->left + 2); }

/* Whether any of the eight around a cell is of a kind. */
INLINE int is_beside(const uint8_t *cell, int64_t stride, int kind) {
    const uint8_t *above = cell - stride, *below = cell + stride;
    return (above[-1] | above[0] | above[1] | cell[-1] | cell[1] | below[-1] | below[0] | below[1]) & kind;
}

INLINE Counts tell(const Region *r, const Piece *p, uint8_t *kind) {
    const int64_t height = p->bottom - p->top, width = p->right - p->left, stride = width + 2;
    Counts counts = {0, 0, 0, 0};
    for (int64_t i = 0; i < height; i++) {
        const uint8_t *hole = r->hole + (p->top + i) * r->width + p->left;
        const int32_t *label = r->labels + r->label_row[p->top + i] * r->label_columns;
        const int32_t *column = r->label_column + p->left;
        uint8_t *cell = kind + (i + 1) * stride + 1;
        for (int64_t j = 0; j < width; j++)
            if (hole[j] && label[column[j]] == p->label) cell[j] = HOLE;
    }
    for (int64_t i = 0; i < height; i++) {
        const uint8_t *unknown = r->unknown + (p->top + i) * r->width + p->left;
        uint8_t *cell = kind + (i + 1) * stride + 1;
        for (int64_t j = 0; j < width; j++) {
            if (cell[j] == HOLE || unknown[j] || !is_beside(cell + j, stride, HOLE)) continue;
            cell[j] = RIM;
            counts.rim++;
            counts.own_rim += is_core(p, p->top + i, p->left + j);
        }
    }
    for (int64_t i = 0; i < height; i++) {
        const uint8_t *cell = kind + (i + 1) * stride + 1;
        for (int64_t j = 0; j < width; j++) {
            if (cell[j] != HOLE || !is_core(p, p->top + i, p->left + j)) continue;
            counts.hole++;
            counts.ring += is_beside(cell + j, stride, RIM) != 0;
        }
    }
    return counts;
}

/* Tells hole pixels of each piece's group, and known pixels beside them, in the box that it sees.

   kind: the cells of all pieces, one after the other, zero. */
WIDE API void rethined_tell(const Region *r, const Piece *pieces, int64_t count, uint8_t *kind, Counts *counts) {
    for (int64_t n = 0; n < count; n++) {
        counts[n] = tell(r, &pieces[n], kind);
        kind += cells_of(&pieces[n]);
    }
}

typedef struct {
    int32_t *y, *x; /* hole pixels */
    float *colours;
    int64_t *ring;       /* which of them have rim pixels beside */
    float *ring_missing; /* the mean of what those miss */
    int32_t *rim_y, *rim_x;
    float *rim_missing;
} Filled;

/* slot: as kind; missing: for all rim pixels of the piece. The first pixels of each sort are written at own, ring and
   own_rim. */
INLINE void fill(const Blend *b, const Small *s, const Piece *p, const uint8_t *kind, int32_t *slot, float *missing,
                 const Filled *to, int64_t own, int64_t ring, int64_t own_rim, float diagonal, int32_t channels,
                 int32_t bytes_each) {
    const int64_t height = p->bottom - p->top, width = p->right - p->left, stride = width + 2;
    int32_t rim = 0;
    memset(slot, 0, (size_t)cells_of(p) * sizeof *slot);
    for (int64_t i = 0; i < height; i++) {
        for (int64_t j = 0; j < width; j++) {
            const int64_t cell = (i + 1) * stride + j + 1, y = p->top + i, x = p->left + j;
            if (kind[cell] != RIM) continue;
            float colour[3], *here = missing + (int64_t)rim * channels;
            colour_at(b, s, y, x, colour, channels, bytes_each);
            for (int c = 0; c < channels; c++)
                here[c] = level(b->colours, bytes_each, (y * b->width + x) * channels + c) * b->gain - colour[c];
            slot[cell] = ++rim; /* 0 stands for none */
            if (!is_core(p, y, x)) continue;
            to->rim_y[own_rim] = (int32_t)y;
            to->rim_x[own_rim] = (int32_t)x;
            for (int c = 0; c < channels; c++) to->rim_missing[own_rim * channels + c] = here[c];
            own_rim++;
        }
    }
    for (int64_t i = 0; i < height; i++) {
        for (int64_t j = 0; j < width; j++) {
            const int64_t cell = (i + 1) * stride + j + 1, y = p->top + i, x = p->left + j;
            if (kind[cell] != HOLE || !is_core(p, y, x)) continue;
            to->y[own] = (int32_t)y;
            to->x[own] = (int32_t)x;
            colour_at(b, s, y, x, to->colours + own * channels, channels, bytes_each);
            if (is_beside(kind + cell, stride, RIM)) {
                const int64_t near[8] = {cell - stride,     cell - 1,          cell + 1,          cell + stride,
                                         cell - stride - 1, cell - stride + 1, cell + stride - 1, cell + stride + 1};
                float total[3] = {0, 0, 0}, met = 0;
                for (int k = 0; k < 8; k++) {
                    const float weight = k < 4 ? 1 : diagonal;
                    if (!slot[near[k]]) continue;
                    met += weight;
                    for (int c = 0; c < channels; c++)
                        total[c] += weight * missing[(int64_t)(slot[near[k]] - 1) * channels + c];
                }
                to->ring[ring] = own;
                for (int c = 0; c < channels; c++) to->ring_missing[ring * channels + c] = total[c] / met;
                ring++;
            }
            own++;
        }
    }
}

/* Fills the pixels that pieces answer for, after rethined_tell.

   starts: where in what is written each sort of the first piece's pixels begins: hole, ring, own_rim of Counts.
   slot: as many as the piece with the most cells has; missing: as many pixels as the one with the most rim has.
   diagonal: what known pixels beside a corner of a hole pixel count, those beside an edge counting 1. */
WIDE API void rethined_fill(const Blend *b, const Small *s, const Piece *pieces, int64_t count, const uint8_t *kind,
                            const Counts *counts, const Counts *starts, int32_t *slot, float *missing,
                            const Filled *to, float diagonal) {
    Counts at = *starts;
    for (int64_t n = 0; n < count; n++) {
#define FORM(channels, bytes)                                                                                          \
    fill(b, s, &pieces[n], kind, slot, missing, to, at.hole, at.ring, at.own_rim, diagonal, channels, bytes)
        FORMS(FORM)
#undef FORM
        at.hole += counts[n].hole;
        at.ring += counts[n].ring;
        at.own_rim += counts[n].own_rim;
        kind += cells_of(&pieces[n]);
    }
}

/* Adds what a grid says between its pixels: rethined.fullsize.Filled.correct, but for the ring. */
WIDE API void rethined_add_grid(const float *grid, int32_t channels, const Between *between, const int32_t *y,
                                const int32_t *x, int64_t count, float *colours) {
    for (int64_t n = 0; n < count; n++) {
        const Corners at = corners_at(between, y[n], x[n]);
        for (int c = 0; c < channels; c++) colours[n * channels + c] += value_at(grid, &at, channels, c);
    }
}

/* ---- Writing into the picture: rethined.composite.paste ---------------------------------------------------------- */

WIDE API void rethined_paste(void *picture, int64_t width, int32_t channels, int32_t bytes_each, float white,
                             const int32_t *y, const int32_t *x, int64_t count, const float *colours,
                             int32_t colour_channels) {
    const float gain = white / 255.0f;
    for (int64_t n = 0; n < count; n++) {
        const int64_t at = ((int64_t)y[n] * width + x[n]) * channels;
        for (int c = 0; c < colour_channels; c++) {
            float value = colours[n * colour_channels + c];
            if (white != 255.0f) value *= gain;
            if (bytes_each != 4) value = rintf(value); /* half to even, as NumPy does */
            value = value < 0 ? 0 : value > white ? white : value;
            if (bytes_each == 1)
                ((uint8_t *)picture)[at + c] = (uint8_t)value;
            else if (bytes_each == 2)
                ((uint16_t *)picture)[at + c] = (uint16_t)value;
            else
                ((float *)picture)[at + c] = value;
        }
    }
}

/* ---- Comparing windows: rethined.offsets._Search.unlike ---------------------------------------------------------- */

#define SAMPLES 64 /* 8 x 8, every 2 px, the first 4 px above and left of the token */
#define LANES 8

/* What moving the windows of some tokens costs: the weighted mean square of differences less what is forgiven of their
   mean. */
WIDE API void rethined_compare(const uint8_t *known, const uint8_t *filled, const uint8_t *is_hole, int64_t height,
                               int64_t width, const int32_t *corners_yx, const float *own, const float *weight,
                               float mean_forgiven, const int32_t *rows, const int32_t *moved_yx, int64_t count,
                               float *cost) {
    for (int64_t n = 0; n < count; n++) {
        const int64_t row = rows[n];
        const int64_t top = corners_yx[2 * row] + moved_yx[2 * n] - 4;
        const int64_t left = corners_yx[2 * row + 1] + moved_yx[2 * n + 1] - 4;
        const float *w = weight + row * SAMPLES, *mine = own + row * SAMPLES * 3;
        const uint8_t *hole = is_hole + row * SAMPLES;
        float difference[3][SAMPLES], result = 0;
        int64_t at_x[8];
        for (int i = 0; i < 8; i++) at_x[i] = 3 * clamped(left + 2 * i, width - 1);
        for (int i = 0; i < 8; i++) {
            const int64_t at_y = clamped(top + 2 * i, height - 1) * width * 3;
            for (int j = 0; j < 8; j++) {
                const int s = 8 * i + j;
                const uint8_t *colour = (hole[s] ? filled : known) + at_y + at_x[j];
                for (int c = 0; c < 3; c++) difference[c][s] = (float)colour[c] - mine[3 * s + c];
            }
        }
        for (int c = 0; c < 3; c++) {
            float mean[LANES] = {0}, square[LANES] = {0}, m = 0, q = 0;
            for (int s = 0; s < SAMPLES; s += LANES)
                for (int l = 0; l < LANES; l++) {
                    const float d = difference[c][s + l], dw = d * w[s + l];
                    mean[l] += dw;
                    square[l] += dw * d;
                }
            for (int l = 0; l < LANES; l++) m += mean[l], q += square[l];
            result += q - mean_forgiven * (m * m);
        }
        cost[n] = result;
    }
}
