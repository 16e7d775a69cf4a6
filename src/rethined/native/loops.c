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
#define RESTRICT __restrict
#else
#define INLINE static inline __attribute__((always_inline))
#define RESTRICT restrict
#endif

/* A number for each change of what is below; rethined.native refuses another. */
API int32_t rethined_loops_version(void) { return 11; }

/* Four numbers at a time, which compilers do not find by themselves where a pixel has three channels. */
#if defined(__GNUC__)
typedef float Four __attribute__((vector_size(16)));
INLINE Four times(Four a, float b) {
    const Four each = {b, b, b, b};
    return a * each;
}
INLINE Four plus(Four a, Four b) { return a + b; }
#else
typedef struct {
    float of[4];
} Four;
INLINE Four times(Four a, float b) {
    for (int i = 0; i < 4; i++) a.of[i] *= b;
    return a;
}
INLINE Four plus(Four a, Four b) {
    for (int i = 0; i < 4; i++) a.of[i] += b.of[i];
    return a;
}
#endif
INLINE Four four_at(const float *from) {
    Four four;
    memcpy(&four, from, sizeof four);
    return four;
}
INLINE void put(Four four, float *to) { memcpy(to, &four, sizeof four); }

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
    float mean[4], norm, gate; /* the last mean is no channel */
    uint8_t is_valid;
} Tap;

INLINE float level(const void *colours, int32_t bytes_each, int64_t at) {
    return bytes_each == 1   ? (float)((const uint8_t *)colours)[at]
           : bytes_each == 2 ? (float)((const uint16_t *)colours)[at]
                             : ((const float *)colours)[at];
}

/* Of one pixel, up to three channels. */
INLINE Four levels_at(const void *colours, int32_t channels, int32_t bytes_each, int64_t pixel) {
    const int64_t at = pixel * channels;
    const Four levels = {level(colours, bytes_each, at), channels > 1 ? level(colours, bytes_each, at + 1) : 0,
                         channels > 2 ? level(colours, bytes_each, at + 2) : 0, 0};
    return levels;
}

/* The four tokens nearest to a pixel. The same for all pixels of a row between two columns of tokens. */
typedef struct {
    int64_t y, token_x[2];
    int64_t row[4];    /* first place of the row that each copy comes from; -1 beyond the picture */
    int64_t shift[4];  /* columns to the right */
    float weight_y[4]; /* 0 for tokens without a source */
    float gate[4];
    float twice[4][4]; /* 2 where two tokens point at the same pixels, else 0 */
} Nearest;

INLINE Nearest nowhere(void) {
    Nearest nearest;
    nearest.y = -1;
    return nearest;
}

INLINE void look_up(const Blend *b, int64_t y, int64_t x, Nearest *to) {
    const int64_t token_x[2] = {b->token_x[0][x], b->token_x[1][x]};
    if (to->y == y && to->token_x[0] == token_x[0] && to->token_x[1] == token_x[1]) return;
    to->y = y;
    for (int i = 0; i < 2; i++) to->token_x[i] = token_x[i];
    for (int i = 0; i < 4; i++) {
        const int64_t token = b->token_y[i >> 1][y] * b->columns + token_x[i & 1];
        const int64_t from_y = y + b->shift_y[token];
        to->row[i] = from_y < 0 || from_y >= b->height ? -1 : from_y * b->width;
        to->shift[i] = b->shift_x[token];
        to->weight_y[i] = b->weight_y[i >> 1][y] * b->is_set[token];
        to->gate[i] = b->gate[token];
        for (int j = 0; j < i; j++)
            to->twice[i][j] = to->row[i] == to->row[j] && to->shift[i] == to->shift[j] ? 2.0f : 0.0f;
    }
}

INLINE Tap tap_at(const Blend *b, Nearest *nearest, int64_t y, int64_t x, int32_t channels, int32_t bytes_each) {
    static const float none[4] = {0, 0, 0, 0};
    Four total = four_at(none);
    float gate = 0, weight[4], sum, share, squared = 0;
    look_up(b, y, x, nearest);
    for (int i = 0; i < 4; i++) {
        const int64_t from_x = x + nearest->shift[i];
        weight[i] = 0;
        if (nearest->row[i] < 0 || from_x < 0 || from_x >= b->width) continue;
        const int64_t place = nearest->row[i] + from_x;
        if (b->barred[place]) continue;
        weight[i] = b->weight_x[i & 1][x] * nearest->weight_y[i];
        total = plus(total, times(levels_at(b->colours, channels, bytes_each, place), weight[i]));
        gate += nearest->gate[i] * weight[i];
    }
    sum = weight[0] + weight[1] + weight[2] + weight[3];
    share = 1 / (sum > 1e-6f ? sum : 1e-6f);
    /* Taps that point at the same pixel are one copy; only different ones average each other out. */
    for (int i = 0; i < 4; i++) {
        float agreeing = weight[i];
        for (int j = 0; j < i; j++) agreeing += nearest->twice[i][j] * weight[j];
        squared += weight[i] * agreeing;
    }
    Tap tap;
    tap.is_valid = sum > 1e-3f;
    tap.norm = tap.is_valid ? sqrtf(squared) * share : 1;
    tap.gate = gate * share;
    put(times(total, share * b->gain), tap.mean);
    return tap;
}

INLINE void blend(const Blend *b, const int32_t *y, const int32_t *x, int64_t count, float *mean, float *norm,
                  uint8_t *is_valid, float *gate, int32_t channels, int32_t bytes_each) {
    Nearest nearest = nowhere();
    for (int64_t n = 0; n < count; n++) {
        const Tap tap = tap_at(b, &nearest, y[n], x[n], channels, bytes_each);
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

INLINE Four values_at(const float *grid, const Corners *at, int32_t channels) {
    Four value = times(levels_at(grid, channels, 4, at->place[0]), at->weight[0]);
    for (int i = 1; i < 4; i++) value = plus(value, times(levels_at(grid, channels, 4, at->place[i]), at->weight[i]));
    return value;
}

typedef struct {
    const float *copied;   /* on the grid, with channels */
    const float *membrane; /* the same */
    Between between;
} Small;

INLINE void colour_at(const Blend *b, const Small *s, Nearest *nearest, int64_t y, int64_t x, float *colour,
                      int32_t channels, int32_t bytes_each) {
    const Tap tap = tap_at(b, nearest, y, x, channels, bytes_each);
    const Corners at = corners_at(&s->between, y, x);
    const float amount = tap.gate / tap.norm;
    float low[4], added[4];
    put(values_at(s->copied, &at, channels), low);
    put(values_at(s->membrane, &at, channels), added);
    for (int c = 0; c < channels; c++) colour[c] = (tap.mean[c] - low[c]) * amount + low[c] + added[c];
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

/* ---- Area means of what is known: rethined.resample.shrink_known -------------------------------------------------- */

typedef struct {
    const void *image;          /* (height, width, channels) of bytes_each */
    const uint8_t *hole;        /* (height, width) */
    const int32_t *cell_column; /* (width), the column of the small picture that a hole pixel is looked up in */
    const int32_t *ends[2];     /* (small_width), the first and the last column that each covers */
    const float *parts[2];      /* how much of those; of the first alone where they are one */
    int64_t height, width, small_height, small_width;
    int32_t channels, bytes_each;
} Shrinking;

/* Part of a pixel within from <= place < to. */
INLINE float part_of(int64_t pixel, double from, double to) {
    const double begin = from > (double)pixel ? from : (double)pixel;
    const double end = to < (double)pixel + 1 ? to : (double)pixel + 1;
    return end > begin ? (float)(end - begin) : 0;
}

/* Adds a row of the picture: its known pixels to sums, its hole pixels to missing. */
INLINE void add_row(const Shrinking *s, int64_t y, float weight, float *sums, float *missing, uint8_t *looked_up,
                    int32_t channels, int32_t bytes_each) {
    const uint8_t *hole = s->hole + y * s->width;
    const int64_t row = y * s->width * channels;
    for (int64_t x = 0; x < s->width;) {
        const uint8_t *next = memchr(hole + x, 1, (size_t)(s->width - x));
        const int64_t end = next ? next - hole : s->width;
        for (int64_t i = x * channels; i < end * channels; i++)
            sums[i] += weight * level(s->image, bytes_each, row + i);
        for (x = end; x < s->width && hole[x]; x++) {
            missing[x] += weight;
            if (looked_up) looked_up[s->cell_column[x]] = 1;
        }
    }
}

INLINE void shrink(const Shrinking *s, int64_t first, int64_t last, float *sums, float *missing, float *mean,
                   float *share, uint8_t *looked_up, int32_t channels, int32_t bytes_each) {
    const double scale_y = (double)s->height / (double)s->small_height;
    const float share_each = (float)(1 / (scale_y * (double)s->width / (double)s->small_width));
    for (int64_t y = first; y < last; y++) {
        const double top = (double)y * scale_y, bottom = (double)(y + 1) * scale_y;
        memset(sums, 0, (size_t)(s->width * channels) * sizeof *sums);
        memset(missing, 0, (size_t)s->width * sizeof *missing);
        for (int64_t from = (int64_t)top; from < s->height && (double)from < bottom; from++) {
            const int is_own = from * s->small_height / s->height == y;
            add_row(s, from, part_of(from, top, bottom), sums, missing,
                    is_own ? looked_up + y * s->small_width : 0, channels, bytes_each);
        }
        for (int64_t x = 0; x < s->small_width; x++) {
            const int64_t left = s->ends[0][x], right = s->ends[1][x], at = y * s->small_width + x;
            float total[3], hole = missing[left] * s->parts[0][x];
            for (int c = 0; c < channels; c++) total[c] = sums[left * channels + c] * s->parts[0][x];
            for (int64_t from = left + 1; from < right; from++) {
                for (int c = 0; c < channels; c++) total[c] += sums[from * channels + c];
                hole += missing[from];
            }
            if (right > left) {
                for (int c = 0; c < channels; c++) total[c] += sums[right * channels + c] * s->parts[1][x];
                hole += missing[right] * s->parts[1][x];
            }
            for (int c = 0; c < channels; c++) mean[at * channels + c] = total[c] * share_each;
            share[at] = 1 - hole * share_each;
        }
    }
}

/* Rows first to last of a smaller picture: sums of the known pixels over the area of all, the known share of that, and
   whether any hole pixel is looked up there.

   sums: (width, channels) and missing: (width), for work; mean: (small_height, small_width, channels); share,
   looked_up: (small_height, small_width), the latter zero. */
WIDE API void rethined_shrink(const Shrinking *s, int64_t first, int64_t last, float *sums, float *missing,
                              float *mean, float *share, uint8_t *looked_up) {
    const Shrinking *b = s; /* what FORMS asks */
#define FORM(channels, bytes) shrink(s, first, last, sums, missing, mean, share, looked_up, channels, bytes)
    FORMS(FORM)
#undef FORM
}

/* ---- Pull-push: rethined.resample.spread ------------------------------------------------------------------------- */

#define MOST_LEVELS 32 /* halvings */

/* Pixels of four numbers each: three of values times weight, and the weight. */
typedef struct {
    float *pixels;
    int64_t height, width;
} Level;

/* What the pixels of the first level are made of, which are not kept. */
typedef struct {
    const float *values; /* (height, width, channels) */
    const float *weight; /* (height, width) */
    int64_t height, width;
    int32_t channels;
} Given;

INLINE void add_given(const Given *g, int64_t at, float *total) {
    const float weight = g->weight[at];
    for (int c = 0; c < g->channels; c++) total[c] += g->values[at * g->channels + c] * weight;
    total[3] += weight;
}

/* One pixel of a level of half the size, given the sum of four: what counts little at first counts up to fully. */
INLINE void pull_pixel(const float *total, float pull_gain, float *to) {
    const float share = total[3] * 0.25f, least = 1 / pull_gain, gain = 1 / (share > least ? share : least);
    for (int c = 0; c < 4; c++) to[c] = total[c] * 0.25f * gain;
}

INLINE void pull(const Level *from, float pull_gain, const Level *to) {
    static const float none[4] = {0, 0, 0, 0};
    for (int64_t y = 0; y < to->height; y++) {
        const float *above = from->pixels + 8 * y * from->width;
        const float *below = 2 * y + 1 < from->height ? above + 4 * from->width : 0;
        for (int64_t x = 0; x < to->width; x++) {
            const int has_right = 2 * x + 1 < from->width;
            const float *a = above + 8 * x, *b = has_right ? a + 4 : none;
            const float *c = below ? below + 8 * x : none, *d = below && has_right ? below + 8 * x + 4 : none;
            float total[4];
            put(plus(plus(four_at(a), four_at(b)), plus(four_at(c), four_at(d))), total);
            pull_pixel(total, pull_gain, to->pixels + 4 * (y * to->width + x));
        }
    }
}

INLINE void pull_given(const Given *from, float pull_gain, const Level *to) {
    for (int64_t y = 0; y < to->height; y++)
        for (int64_t x = 0; x < to->width; x++) {
            float total[4] = {0, 0, 0, 0};
            for (int64_t i = 2 * y; i < 2 * y + 2 && i < from->height; i++)
                for (int64_t j = 2 * x; j < 2 * x + 2 && j < from->width; j++)
                    add_given(from, i * from->width + j, total);
            pull_pixel(total, pull_gain, to->pixels + 4 * (y * to->width + x));
        }
}

/* What a level says at a pixel of one of twice its size, between its own; its borders are repeated. */
INLINE Four enlarged(const Level *from, int64_t y, int64_t x) {
    const int64_t top = (y + 1) / 2 - 1, left = (x + 1) / 2 - 1;
    const float down = y % 2 ? 0.25f : 0.75f, right = x % 2 ? 0.25f : 0.75f;
    const float *above = from->pixels + 4 * clamped(top, from->height - 1) * from->width;
    const float *below = from->pixels + 4 * clamped(top + 1, from->height - 1) * from->width;
    const int64_t before = 4 * clamped(left, from->width - 1), after = 4 * clamped(left + 1, from->width - 1);
    const Four over = plus(times(four_at(above + before), 1 - right), times(four_at(above + after), right));
    const Four under = plus(times(four_at(below + before), 1 - right), times(four_at(below + after), right));
    return plus(times(over, 1 - down), times(under, down));
}

INLINE void push(const Level *from, const Level *to) {
    for (int64_t y = 0; y < to->height; y++)
        for (int64_t x = 0; x < to->width; x++) {
            float *pixel = to->pixels + 4 * (y * to->width + x);
            const float missing = 1 - pixel[3];
            if (missing != 0) put(plus(four_at(pixel), times(enlarged(from, y, x), missing)), pixel);
        }
}

/* Levels below one of a size, one after the other in work. */
INLINE int lay_levels(int64_t height, int64_t width, int64_t most, float *work, Level *levels) {
    int count = 0;
    while ((height > 1 || width > 1) && count < most) {
        height = (height + 1) / 2;
        width = (width + 1) / 2;
        levels[count++] = (Level){work, height, width};
        work += 4 * height * width;
    }
    return count;
}

/* Pulls all levels from the first, and fills that one from them. */
INLINE void meet(const Level *levels, int count, float pull_gain, int is_whole) {
    for (int i = 1; i < count; i++) pull(&levels[i - 1], pull_gain, &levels[i]);
    if (count && is_whole) {
        const Level *last = &levels[count - 1];
        for (int64_t i = 0; i < last->height * last->width; i++) {
            const float weight = last->pixels[4 * i + 3], share = 1 / (weight > 1e-6f ? weight : 1e-6f);
            for (int c = 0; c < 4; c++) last->pixels[4 * i + c] *= share;
        }
    }
    for (int i = count - 1; i > 0; i--) push(&levels[i], &levels[i - 1]);
}

INLINE void spread(const float *values, const float *weight, int64_t height, int64_t width, int32_t channels,
                   int64_t most, int is_whole, float pull_gain, float *work, float *out) {
    const Given of = {values, weight, height, width, channels};
    Level levels[MOST_LEVELS];
    const int count = lay_levels(height, width, most < MOST_LEVELS ? most : MOST_LEVELS, work, levels);
    if (count) {
        pull_given(&of, pull_gain, &levels[0]);
        meet(levels, count, pull_gain, is_whole);
    }
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            const int64_t at = y * width + x;
            float total[4] = {0, 0, 0, 0}, above[4];
            const float missing = 1 - weight[at];
            add_given(&of, at, total);
            if (!count && is_whole) /* one pixel, which has nothing around it */
                for (int c = 0; c < channels; c++) total[c] /= total[3] > 1e-6f ? total[3] : 1e-6f;
            if (count && missing != 0) {
                put(enlarged(&levels[0], y, x), above);
                for (int c = 0; c < channels; c++) total[c] += above[c] * missing;
            }
            for (int c = 0; c < channels; c++) out[at * channels + c] = total[c];
        }
}

/* values, out: (height, width, channels), 1 or 3; weight: (height, width); work: four numbers for each pixel of all
   levels but the first; most: halvings; is_whole: whether they go down to one pixel. */
WIDE API void rethined_spread(const float *values, const float *weight, int64_t height, int64_t width,
                              int32_t channels, int64_t most, int32_t is_whole, float pull_gain, float *work,
                              float *out) {
    if (channels == 3)
        spread(values, weight, height, width, 3, most, is_whole, pull_gain, work, out);
    else
        spread(values, weight, height, width, 1, most, is_whole, pull_gain, work, out);
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
    int64_t is_tile;                                      /* whether its cells begin there, else at its first pixel */
} Piece;

typedef struct {
    int64_t hole;                     /* hole pixels that a piece answers for */
    int64_t rim;                      /* known pixels beside hole pixels, in all that it sees */
    int64_t top, left, bottom, right; /* the box of both in what it sees, bottom and right within */
} Counts;

enum { NEITHER = 0, HOLE = 1, RIM = 2 };

INLINE int is_core(const Piece *p, int64_t y, int64_t x) {
    return y >= p->core_top && y < p->core_bottom && x >= p->core_left && x < p->core_right;
}

/* Cells of the box that a piece sees, with a border of one, which stays zero. */
INLINE int64_t cells_of(const Piece *p) { return (p->bottom - p->top + 2) * (p->right - p->left + 2); }

/* Pixels of the whole cells that hold first to last, with an empty cell on either side. */
INLINE int64_t in_cells(int64_t first, int64_t last, int64_t cell) { return ((last - first) / cell + 3) * cell; }

/* Whether a pixel lies in a piece's group. */
INLINE int is_grouped(const Region *r, const Piece *p, int64_t y, int64_t x) {
    return r->labels[r->label_row[y] * r->label_columns + r->label_column[x]] == p->label;
}

#define BLOCK 256 /* cells that are looked at side by side */

/* All kinds of the eight around a cell. */
INLINE int around(const uint8_t *cell, int64_t stride) {
    const uint8_t *above = cell - stride, *below = cell + stride;
    return above[-1] | above[0] | above[1] | cell[-1] | cell[1] | below[-1] | below[0] | below[1];
}

/* Whether a piece sees holes of its own group alone. */
INLINE int is_alone(const Region *r, const Piece *p) {
    for (int64_t y = r->label_row[p->top]; y <= r->label_row[p->bottom - 1]; y++)
        for (int64_t x = r->label_column[p->left]; x <= r->label_column[p->right - 1]; x++) {
            const int32_t label = r->labels[y * r->label_columns + x];
            if (label && label != p->label) return 0;
        }
    return 1;
}

/* Marks the rim pixels of a row of a piece, and counts them. */
INLINE int64_t mark_rim(const uint8_t *unknown, uint8_t *cell, int64_t stride, int64_t width) {
    int64_t count = 0;
    for (int64_t begin = 0; begin < width; begin += BLOCK) {
        const int64_t length = width - begin < BLOCK ? width - begin : BLOCK;
        const uint8_t *is_unknown = unknown + begin;
        uint8_t *block = cell + begin, columns[BLOCK + 2], is_rim[BLOCK];
        int32_t met = 0;
        for (int64_t j = 0; j < length + 2; j++)
            columns[j] = block[j - 1 - stride] | block[j - 1] | block[j - 1 + stride];
        for (int64_t j = 0; j < length; j++)
            is_rim[j] = (columns[j] | columns[j + 1] | columns[j + 2]) & (uint8_t)~(block[j] | is_unknown[j]) & HOLE;
        for (int64_t j = 0; j < length; j++) block[j] = (uint8_t)(block[j] + is_rim[j] * RIM);
        for (int64_t j = 0; j < length; j++) met += is_rim[j];
        count += met;
    }
    return count;
}

INLINE Counts tell(const Region *r, const Piece *p, uint8_t *kind) {
    const int64_t height = p->bottom - p->top, width = p->right - p->left, stride = width + 2;
    const int64_t core_left = p->core_left - p->left, core_right = p->core_right - p->left;
    const int alone = height && width && is_alone(r, p);
    Counts counts = {0, 0, height, width, -1, -1};
    for (int64_t i = 0; i < height; i++) {
        const uint8_t *hole = r->hole + (p->top + i) * r->width + p->left;
        uint8_t *cell = kind + (i + 1) * stride + 1;
        if (alone)
            for (int64_t j = 0; j < width; j++) cell[j] = hole[j] ? HOLE : NEITHER;
        else
            for (int64_t j = 0; j < width; j++)
                if (hole[j] && is_grouped(r, p, p->top + i, p->left + j)) cell[j] = HOLE;
    }
    for (int64_t i = 0; i < height; i++) {
        const int64_t y = p->top + i;
        uint8_t *cell = kind + (i + 1) * stride + 1;
        int64_t first = 0, last = width - 1;
        if (y >= p->core_top && y < p->core_bottom)
            for (int64_t j = core_left; j < core_right; j++) counts.hole += cell[j] & HOLE;
        counts.rim += mark_rim(r->unknown + y * r->width + p->left, cell, stride, width);
        while (first < width && !cell[first]) first++;
        if (first == width) continue;
        while (!cell[last]) last--;
        if (i < counts.top) counts.top = i;
        if (first < counts.left) counts.left = first;
        if (last > counts.right) counts.right = last;
        counts.bottom = i;
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

/* What holes are filled with. */
typedef struct {
    int32_t *y, *x; /* hole pixels */
    float *colours;
} Filled;

/* How a fill meets what is known. */
typedef struct {
    float diagonal;  /* what a known pixel beside a corner counts, one beside an edge counting 1 */
    float pull_gain; /* as in spread */
    int32_t levels;  /* halvings of what is missing; cells of 2 ** levels pixels keep clear of what is around */
} Seam;

/* What rim pixels miss, spread over a piece: the level below its pixels, and where that begins in what it sees. */
typedef struct {
    Level level;
    int64_t top, left;
} Correction;

INLINE Correction spread_rim(const Piece *p, const Counts *counts, const Seam *seam, const int32_t *slot,
                             const float *missing, float *work, int32_t channels) {
    const int64_t cell = (int64_t)1 << seam->levels, stride = p->right - p->left + 2;
    const int64_t top = p->is_tile ? 0 : counts->top, left = p->is_tile ? 0 : counts->left;
    const int64_t height = in_cells(top, counts->bottom, cell), width = in_cells(left, counts->right, cell);
    Level levels[MOST_LEVELS];
    const int count = lay_levels(height, width, seam->levels, work, levels);
    Correction correction = {levels[0], top - cell, left - cell};
    memset(work, 0, (size_t)(height / 2 * (width / 2)) * 4 * sizeof *work);
    for (int64_t i = counts->top; i <= counts->bottom; i++)
        for (int64_t j = counts->left; j <= counts->right; j++) {
            const int32_t number = slot[(i + 1) * stride + j + 1];
            if (!number) continue;
            const int64_t at = (i - correction.top) / 2 * levels[0].width + (j - correction.left) / 2;
            for (int c = 0; c < channels; c++) work[4 * at + c] += missing[(int64_t)(number - 1) * channels + c];
            work[4 * at + 3] += 1;
        }
    for (int64_t i = 0; i < levels[0].height * levels[0].width; i++)
        if (work[4 * i + 3] != 0) pull_pixel(work + 4 * i, seam->pull_gain, work + 4 * i);
    meet(levels, count, seam->pull_gain, 0);
    return correction;
}

/* Fills the hole pixels that a piece answers for, from number own on.

   slot: as kind; missing: for all rim pixels of the piece. */
INLINE void fill(const Blend *b, const Small *s, const Seam *seam, const Piece *p, const uint8_t *kind,
                 const Counts *counts, int32_t *slot, float *missing, float *work, const Filled *to, int64_t own,
                 int32_t channels, int32_t bytes_each) {
    const int64_t height = p->bottom - p->top, width = p->right - p->left, stride = width + 2;
    Nearest nearest = nowhere();
    int32_t rim = 0;
    memset(slot, 0, (size_t)cells_of(p) * sizeof *slot);
    for (int64_t i = 0; i < height; i++) {
        for (int64_t j = 0; j < width; j++) {
            const int64_t cell = (i + 1) * stride + j + 1, y = p->top + i, x = p->left + j;
            if (kind[cell] != RIM) continue;
            float colour[3], *here = missing + (int64_t)rim * channels;
            colour_at(b, s, &nearest, y, x, colour, channels, bytes_each);
            for (int c = 0; c < channels; c++)
                here[c] = level(b->colours, bytes_each, (y * b->width + x) * channels + c) * b->gain - colour[c];
            slot[cell] = ++rim; /* 0 stands for none */
        }
    }
    const Correction correction = spread_rim(p, counts, seam, slot, missing, work, channels);
    for (int64_t i = 0; i < height; i++) {
        for (int64_t j = 0; j < width; j++) {
            const int64_t cell = (i + 1) * stride + j + 1, y = p->top + i, x = p->left + j;
            if (kind[cell] != HOLE || !is_core(p, y, x)) continue;
            float *colour = to->colours + own * channels;
            to->y[own] = (int32_t)y;
            to->x[own] = (int32_t)x;
            own++;
            colour_at(b, s, &nearest, y, x, colour, channels, bytes_each);
            if (around(kind + cell, stride) & RIM) {
                const int64_t near[8] = {cell - stride,     cell - 1,          cell + 1,          cell + stride,
                                         cell - stride - 1, cell - stride + 1, cell + stride - 1, cell + stride + 1};
                float total[3] = {0, 0, 0}, met = 0;
                for (int k = 0; k < 8; k++) {
                    const float weight = k < 4 ? 1 : seam->diagonal;
                    if (!slot[near[k]]) continue;
                    met += weight;
                    for (int c = 0; c < channels; c++)
                        total[c] += weight * missing[(int64_t)(slot[near[k]] - 1) * channels + c];
                }
                for (int c = 0; c < channels; c++) colour[c] += total[c] / met;
            } else {
                float far[4];
                put(enlarged(&correction.level, i - correction.top, j - correction.left), far);
                for (int c = 0; c < channels; c++) colour[c] += far[c];
            }
        }
    }
}

/* Fills the pixels that pieces answer for, after rethined_tell.

   own: the number of the first of them; slot: as many as the piece with the most cells has; missing: as many pixels as
   the one with the most rim has; work: four numbers for each pixel of the levels below the largest box of Counts, in
   whole cells with one all around. */
WIDE API void rethined_fill(const Blend *b, const Small *s, const Seam *seam, const Piece *pieces, int64_t count,
                            const uint8_t *kind, const Counts *counts, int64_t own, int32_t *slot, float *missing,
                            float *work, const Filled *to) {
    for (int64_t n = 0; n < count; n++) {
#define FORM(channels, bytes)                                                                                          \
    fill(b, s, seam, &pieces[n], kind, &counts[n], slot, missing, work, to, own, channels, bytes)
        if (counts[n].hole) FORMS(FORM)
#undef FORM
        own += counts[n].hole;
        kind += cells_of(&pieces[n]);
    }
}

/* ---- Copying at the network's size: rethined.transfer.copy_small -------------------------------------------------- */

typedef struct {
    const uint8_t *touched; /* (height, width), of the picture that is copied from */
    const float *voice;     /* the same: what the fill weighs */
    float *copied;          /* (height, width, 3), written */
    float *membrane;        /* the same */
    float contrast, pull_gain;
    int32_t levels; /* halvings; cells of 2 ** levels pixels keep clear of what is around */
} Copying;

/* Pixels of a piece, in whole cells, with an empty cell all around. */
typedef struct {
    int64_t top, left, height, width; /* in the picture, beyond it too */
    float *error;                     /* of four numbers: what is missing, and whether there is a copy */
    float *value;                     /* what is copied, and whether the pixel is of the piece */
    float *base;                      /* what is missing in the low band times its weight, and the weight */
    float *amount, *lost;
    float *levels;
} Sheet;

enum { PER_PIXEL = 4 + 4 + 4 + 1 + 1 };

INLINE float *take(float **work, int64_t count) {
    float *taken = *work;
    *work += count;
    return taken;
}

/* Where the cells of a piece begin, and how many pixels they have; zeros all over. Returns whether it has any pixel. */
INLINE int lay_piece(const Region *r, const Piece *p, int64_t cell, float *work, Sheet *to) {
    int64_t top = p->bottom, left = p->right, bottom = p->top - 1, right = p->left - 1;
    for (int64_t y = p->top; y < p->bottom; y++) {
        for (int64_t x = p->left; x < p->right; x++) {
            if (!is_grouped(r, p, y, x)) continue;
            if (y < top) top = y;
            if (x < left) left = x;
            if (y > bottom) bottom = y;
            if (x > right) right = x;
        }
    }
    if (bottom < top) return 0;
    if (p->is_tile) top = p->top, left = p->left;
    to->top = top - cell;
    to->left = left - cell;
    to->height = in_cells(top, bottom, cell);
    to->width = in_cells(left, right, cell);
    const int64_t area = to->height * to->width;
    memset(work, 0, (size_t)(area * PER_PIXEL) * sizeof *work);
    to->error = take(&work, 4 * area);
    to->value = take(&work, 4 * area);
    to->base = take(&work, 4 * area);
    to->amount = take(&work, area);
    to->lost = take(&work, area);
    to->levels = work;
    return 1;
}

/* The sum of the nine pixels around one, of four numbers each. */
INLINE void add_nine(const float *pixel, int64_t width, float *total) {
    Four sum = four_at(pixel - 4 * (width + 1));
    for (int k = 1; k < 9; k++) sum = plus(sum, four_at(pixel + 4 * ((k / 3 - 1) * width + k % 3 - 1)));
    put(sum, total);
}

INLINE void copy_piece(const Blend *b, const Copying *k, const Region *r, const Piece *p, const Sheet *t) {
    Nearest nearest = nowhere();
    for (int64_t i = 0; i < t->height; i++)
        for (int64_t j = 0; j < t->width; j++) {
            const int64_t y = t->top + i, x = t->left + j, at = i * t->width + j;
            if (y < p->top || y >= p->bottom || x < p->left || x >= p->right || !is_grouped(r, p, y, x)) continue;
            const Tap tap = tap_at(b, &nearest, y, x, 3, 4);
            const float *given = (const float *)b->colours + 3 * (y * b->width + x);
            for (int c = 0; c < 3; c++) {
                const float error = tap.is_valid ? given[c] - tap.mean[c] : 0;
                t->error[4 * at + c] = error;
                t->value[4 * at + c] = given[c] - error;
            }
            t->error[4 * at + 3] = tap.is_valid;
            t->value[4 * at + 3] = 1;
            t->amount[at] = tap.gate;
            t->lost[at] = k->contrast * tap.gate * (1 / tap.norm - 1);
        }
    for (int64_t i = 1; i < t->height - 1; i++)
        for (int64_t j = 1; j < t->width - 1; j++) {
            const int64_t at = i * t->width + j;
            if (!t->error[4 * at + 3]) continue;
            const int64_t place = (t->top + i) * b->width + t->left + j;
            const int is_touched = k->touched[place];
            const float weight = is_touched ? k->voice[place] : 1;
            float low[4];
            if (is_touched) {
                add_nine(t->error + 4 * at, t->width, low);
                for (int c = 0; c < 3; c++) t->base[4 * at + c] = low[c] / low[3] * weight;
            } else {
                for (int c = 0; c < 3; c++) t->base[4 * at + c] = t->error[4 * at + c];
            }
            t->base[4 * at + 3] = weight;
        }
    const Level first = {t->base, t->height, t->width};
    Level levels[MOST_LEVELS];
    const int count = lay_levels(t->height, t->width, k->levels, t->levels, levels);
    if (count) pull(&first, k->pull_gain, &levels[0]);
    meet(levels, count, k->pull_gain, 0);
    for (int64_t i = 1; i < t->height - 1; i++)
        for (int64_t j = 1; j < t->width - 1; j++) {
            const int64_t y = t->top + i, x = t->left + j, at = i * t->width + j, to = 3 * (y * b->width + x);
            if (!t->value[4 * at + 3] || !is_core(p, y, x)) continue;
            const float *value = t->value + 4 * at, *error = t->error + 4 * at, *base = t->base + 4 * at;
            float above[4] = {0, 0, 0, 0}, around[4] = {0, 0, 0, 1};
            if (base[3] != 1) put(enlarged(&levels[0], i, j), above);
            if (t->lost[at] != 0) add_nine(value, t->width, around);
            for (int c = 0; c < 3; c++) {
                const float bent = base[c] + above[c] * (1 - base[3]);
                float missing = error[c] + (bent - error[c]) * t->amount[at];
                if (t->lost[at] != 0) missing += (value[c] - around[c] / around[3]) * t->lost[at];
                k->copied[to + c] = value[c];
                k->membrane[to + c] = missing;
            }
        }
}

/* Copies the pixels that pieces answer for.

   work: PER_PIXEL numbers for each pixel of the largest piece in whole cells, with one all around, and four for each
   of the levels below. */
WIDE API void rethined_copy(const Blend *b, const Copying *k, const Region *r, const Piece *pieces, int64_t count,
                            float *work) {
    const int64_t cell = (int64_t)1 << k->levels;
    for (int64_t n = 0; n < count; n++) {
        Sheet sheet;
        if (lay_piece(r, &pieces[n], cell, work, &sheet)) copy_piece(b, k, r, &pieces[n], &sheet);
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

/* ---- Detail: rethined.detail.detail_levels ------------------------------------------------------------------------- */

enum { TOKEN_PX = 8 };

/* The distance of luma from its mean over 3 x 3 px; sums: (width), for work. */
INLINE void detail_row(const float *above, const float *here, const float *below, int64_t width, float *RESTRICT sums,
                       float *RESTRICT detail) {
    for (int64_t x = 0; x < width; x++) sums[x] = above[x] + here[x] + below[x];
    for (int64_t x = 1; x < width - 1; x++)
        detail[x] = fabsf(here[x] - (sums[x - 1] + sums[x] + sums[x + 1]) * (1.0f / 9));
    for (int64_t x = 0; x < width; x += width > 1 ? width - 1 : 1)
        detail[x] =
            fabsf(here[x] - (sums[clamped(x - 1, width - 1)] + sums[x] + sums[clamped(x + 1, width - 1)]) * (1.0f / 9));
}

/* Of some rows of tokens, first to last: the detail of the patch that begins at each pixel; that of the known pixels in
   each token, over the area of all; and how much of it is known.

   picture: (height, width, 3); touched: (height, width); both sides multiples of TOKEN_PX; offered: (height, width);
   amount, share: (height / TOKEN_PX, width / TOKEN_PX); work: width * (2 * (rows + TOKEN_PX) + 1) + width + TOKEN_PX
   numbers, for so many rows of pixels. */
WIDE API void rethined_detail(const float *picture, const uint8_t *touched, int64_t height, int64_t width,
                              int64_t first, int64_t last, float *work, float *offered, float *amount, float *share) {
    const int64_t top = first * TOKEN_PX, bottom = last * TOKEN_PX;
    const int64_t end = bottom + TOKEN_PX - 1 < height ? bottom + TOKEN_PX - 1 : height; /* of the rows of detail */
    const int64_t begin = top ? top - 1 : 0, luma_end = end < height ? end + 1 : height;
    float *luma = work, *detail = luma + (luma_end - begin) * width, *sums = detail + (end - top) * width;
    for (int64_t i = 0; i < (luma_end - begin) * width; i++) {
        const float *colour = picture + 3 * (begin * width + i);
        luma[i] = colour[0] * 0.299f + colour[1] * 0.587f + colour[2] * 0.114f;
    }
    for (int64_t y = top; y < end; y++) {
        const float *here = luma + (y - begin) * width;
        detail_row(y ? here - width : here, here, y < height - 1 ? here + width : here, width, sums,
                   detail + (y - top) * width);
    }
    for (int64_t y = top; y < bottom; y++) {
        const float *rows[TOKEN_PX];
        for (int i = 0; i < TOKEN_PX; i++) rows[i] = detail + (clamped(y + i, height - 1) - top) * width;
        for (int64_t x = 0; x < width; x++)
            sums[x] = ((rows[0][x] + rows[1][x]) + (rows[2][x] + rows[3][x])) +
                      ((rows[4][x] + rows[5][x]) + (rows[6][x] + rows[7][x]));
        for (int64_t x = width; x < width + TOKEN_PX; x++) sums[x] = sums[width - 1];
        float *RESTRICT to = offered + y * width;
        for (int64_t x = 0; x < width; x++)
            to[x] = (((sums[x] + sums[x + 1]) + (sums[x + 2] + sums[x + 3])) +
                     ((sums[x + 4] + sums[x + 5]) + (sums[x + 6] + sums[x + 7]))) *
                    (1.0f / (TOKEN_PX * TOKEN_PX));
    }
    for (int64_t y = top; y < bottom; y += TOKEN_PX)
        for (int64_t x = 0; x < width; x += TOKEN_PX, amount++, share++) {
            float total = 0, known = 0;
            for (int64_t i = y; i < y + TOKEN_PX; i++)
                for (int64_t j = x; j < x + TOKEN_PX; j++) {
                    const float is_known = 1 - touched[i * width + j];
                    total += detail[(i - top) * width + j] * is_known;
                    known += is_known;
                }
            amount[first * (width / TOKEN_PX)] = total * (1.0f / (TOKEN_PX * TOKEN_PX));
            share[first * (width / TOKEN_PX)] = known * (1.0f / (TOKEN_PX * TOKEN_PX));
        }
}

/* ---- What offsets cost: rethined.offsets._Search.cost ------------------------------------------------------------ */

#define SIDE 8 /* samples of a window, down and across: every 2 px, the first MARGIN px above and left of the token */
#define SAMPLES (SIDE * SIDE)
#define CELLS (4 * SAMPLES) /* three channels, and one that is always alike: a sample is four bytes */
#define LANES 16
#define MARGIN 4 /* pixels around a picture that repeat its edge, so that no window leaves it */

/* A picture as windows are taken from it: even columns of each row, then odd ones, so that what is sampled lies
   together. */
INLINE int64_t half_row(int64_t width) { return 4 * ((width + 2 * MARGIN) / 2); }
INLINE int64_t picture_bytes(int64_t height, int64_t width) { return (height + 2 * MARGIN) * 2 * half_row(width); }

/* Means of 2 x 2 px, each up and to the left of one, of a row of the picture and the one above it; before the first pixel
   there is another one. */
INLINE void means_of_four(const uint8_t *above, const uint8_t *here, int64_t pixels, uint8_t *RESTRICT mean) {
    for (int64_t i = 0; i < 3 * pixels; i++)
        mean[i] = (uint8_t)((above[i] + above[i - 3] + here[i] + here[i - 3] + 2) >> 2);
}

/* Lays out some rows, margin and all, of a picture (height, width, 3), or of its means of 2 x 2 px.

   work: 3 * (width + 2 * MARGIN) + 2 bytes. */
WIDE API void rethined_lay(const uint8_t *picture, int64_t height, int64_t width, int32_t is_mean, int64_t first,
                           int64_t last, uint8_t *work, uint8_t *to) {
    uint8_t *begin = work + 3 * MARGIN;
    for (int64_t row = first; row < last; row++) {
        const int64_t y = clamped(row - MARGIN, height - 1);
        const uint8_t *here = picture + 3 * y * width, *above = y ? here - 3 * width : here;
        if (is_mean) {
            means_of_four(above + 3, here + 3, width - 1, begin + 3);
            for (int c = 0; c < 3; c++) begin[c] = (uint8_t)((2 * above[c] + 2 * here[c] + 2) >> 2);
        } else {
            memcpy(begin, here, 3 * (size_t)width);
        }
        for (int64_t i = 1; i <= MARGIN; i++) {
            memcpy(begin - 3 * i, begin, 3);
            memcpy(begin + 3 * (width - 1 + i), begin + 3 * (width - 1), 3);
        }
        uint8_t *even = to + 2 * row * half_row(width), *odd = even + half_row(width);
        for (int64_t i = 0; i < half_row(width); i += 4) {
            memcpy(even + i, work + 3 * (i / 2), 4); /* three of them, and one that is not meant */
            memcpy(odd + i, work + 3 * (i / 2) + 3, 4);
            even[i + 3] = odd[i + 3] = 0;
        }
    }
}

typedef struct {
    const uint8_t *pictures; /* two, laid out: what is compared outside of holes, and inside */
    const uint8_t *is_free;  /* (free_height, free_width), where sources may begin */
    const float *offered;    /* (height, width), detail */
    const float *asked;      /* (tokens) */
    const int32_t *corners_yx;
    int64_t height, width, free_height, free_width;
    float far_px, far_most, less_detail, more_detail, mean_forgiven;
} Search;

typedef struct {
    const uint8_t *is_hole; /* (tokens, SAMPLES) */
    const uint8_t *own;     /* (tokens, CELLS) */
    const uint8_t *weight;  /* (tokens, SAMPLES), at most 127 */
} Windows;

/* A window, laid out as samples are taken. */
typedef struct {
    const uint8_t *own;
    uint8_t weight[CELLS], is_hole[CELLS]; /* the latter 0 or 255 */
    float share;                           /* 1 over the sum of the weights; 0 where there are none */
} Window;

INLINE void lay_out(const Windows *of, int64_t token, Window *to) {
    const uint8_t *weight = of->weight + token * SAMPLES, *is_hole = of->is_hole + token * SAMPLES;
    uint32_t weights[SAMPLES], holes[SAMPLES];
    int32_t sum = 0;
    for (int i = 0; i < SAMPLES; i++) {
        weights[i] = weight[i] * 0x01010101u;
        holes[i] = is_hole[i] * 0xffffffffu;
        sum += weight[i];
    }
    memcpy(to->weight, weights, CELLS);
    memcpy(to->is_hole, holes, CELLS);
    to->own = of->own + token * CELLS;
    to->share = sum ? 1 / (float)sum : 0;
}

/* The weighted mean square of differences, less what is forgiven of their mean. Sums are whole numbers. */
INLINE float unlike(const Search *s, const Window *window, int64_t top, int64_t left) {
    uint8_t known[CELLS], inside[CELLS];
    int16_t difference[CELLS], weighted[CELLS];
    const uint8_t *first = s->pictures + (2 * top + (left & 1)) * half_row(s->width) + 4 * (left >> 1);
    const uint8_t *second = first + picture_bytes(s->height, s->width);
    for (int i = 0; i < SIDE; i++) memcpy(known + 4 * SIDE * i, first + 4 * i * half_row(s->width), 4 * SIDE);
    for (int i = 0; i < SIDE; i++) memcpy(inside + 4 * SIDE * i, second + 4 * i * half_row(s->width), 4 * SIDE);
    for (int i = 0; i < CELLS; i++) {
        const uint8_t taken = (uint8_t)((known[i] & ~window->is_hole[i]) | (inside[i] & window->is_hole[i]));
        difference[i] = (int16_t)(taken - window->own[i]);
        weighted[i] = (int16_t)(difference[i] * window->weight[i]);
    }
    int32_t square = 0, mean[LANES] = {0};
    for (int i = 0; i < CELLS; i++) square += (int32_t)difference[i] * weighted[i];
    for (int i = 0; i < CELLS; i += LANES)
        for (int l = 0; l < LANES; l++) mean[l] += weighted[i + l];
    float forgiven = 0;
    for (int c = 0; c < 3; c++) {
        const float of_channel = (float)(mean[c] + mean[4 + c] + mean[8 + c] + mean[12 + c]) * window->share;
        forgiven += of_channel * of_channel;
    }
    return (float)square * window->share - s->mean_forgiven * forgiven;
}

INLINE int is_repeated(const int32_t *offsets_yx, int64_t number) {
    for (int64_t i = 0; i < number; i++)
        if (offsets_yx[2 * i] == offsets_yx[2 * number] && offsets_yx[2 * i + 1] == offsets_yx[2 * number + 1]) return 1;
    return 0;
}

/* Costs of the candidates of some tokens.

   windows: one or two; offsets_yx: (tokens, columns, 2); is_wanted: (tokens, columns); cost: the same, written where
   first <= token < last. */
WIDE API void rethined_cost(const Search *s, const Windows *windows, int64_t window_count, const int32_t *offsets_yx,
                            const uint8_t *is_wanted, int64_t columns, int64_t first, int64_t last, float *cost) {
    Window own[2];
    for (int64_t token = first; token < last; token++) {
        const int64_t y = s->corners_yx[2 * token], x = s->corners_yx[2 * token + 1];
        const int32_t *candidates = offsets_yx + 2 * token * columns;
        int is_laid_out = 0;
        for (int64_t n = 0; n < columns; n++) {
            const int64_t dy = candidates[2 * n], dx = candidates[2 * n + 1], from_y = y + dy, from_x = x + dx;
            float *to = cost + token * columns + n;
            *to = INFINITY;
            if (!is_wanted[token * columns + n] || from_y < 0 || from_y >= s->free_height || from_x < 0 ||
                from_x >= s->free_width || !s->is_free[from_y * s->free_width + from_x] || is_repeated(candidates, n))
                continue;
            if (!is_laid_out)
                for (int64_t w = 0; w < window_count; w++) lay_out(&windows[w], token, &own[w]);
            is_laid_out = 1;
            const float missing = s->asked[token] - s->offered[from_y * s->width + from_x];
            const float away = sqrtf((float)dy * (float)dy + (float)dx * (float)dx) / s->far_px;
            float total = missing * missing * (missing > 0 ? s->less_detail : s->more_detail);
            for (int64_t w = 0; w < window_count; w++) total += unlike(s, &own[w], from_y, from_x);
            *to = total * (1 + (away < s->far_most ? away : s->far_most));
        }
    }
}

/* ---- What tokens copy: rethined.offsets._Agreement._copied_around ------------------------------------------------- */

/* Sums of the three channels over the patch of a token. */
INLINE void patch_sums(const uint8_t *first, int64_t width, int32_t *sums) {
    int32_t columns[3 * TOKEN_PX] = {0};
    for (int y = 0; y < TOKEN_PX; y++)
        for (int i = 0; i < 3 * TOKEN_PX; i++) columns[i] += first[3 * y * width + i];
    for (int c = 0; c < 3; c++) {
        sums[c] = 0;
        for (int i = c; i < 3 * TOKEN_PX; i += 3) sums[c] += columns[i];
    }
}

/* Writes into a picture what some tokens copy where they are touched, in the tone of the fill.

   grey, low: (height, width, 3), the picture and its low bands; touched: (height, width); corners_yx, best_yx: of all
   tokens, and from where each copies, relative to that; forgiven: share of the difference in tone that is made good;
   tokens: which. */
WIDE API void rethined_copied(const uint8_t *grey, const uint8_t *low, const uint8_t *touched, int64_t width,
                              const int32_t *corners_yx, const int32_t *best_yx, float forgiven,
                              const int32_t *tokens, int64_t count, uint8_t *copied) {
    for (int64_t n = 0; n < count; n++) {
        const int32_t *corner_yx = corners_yx + 2 * tokens[n], *moved_yx = best_yx + 2 * tokens[n];
        const int64_t here = corner_yx[0] * width + corner_yx[1], moved = moved_yx[0] * width + moved_yx[1];
        int32_t own[3], source[3];
        float missing[3 * TOKEN_PX];
        patch_sums(low + 3 * here, width, own);
        patch_sums(low + 3 * (here + moved), width, source);
        for (int i = 0; i < 3 * TOKEN_PX; i++)
            missing[i] = forgiven * ((float)(own[i % 3] - source[i % 3]) / (TOKEN_PX * TOKEN_PX)) + 0.5f;
        for (int64_t at = here; at < here + TOKEN_PX * width; at += width) {
            uint8_t level[3 * TOKEN_PX];
            for (int i = 0; i < 3 * TOKEN_PX; i++) {
                const float value = grey[3 * (at + moved) + i] + missing[i];
                level[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
            }
            for (int x = 0; x < TOKEN_PX; x++)
                if (touched[at + x]) memcpy(copied + 3 * (at + x), level + 3 * x, 3);
        }
    }
}

/* Samples of the windows of some tokens as they are in a picture's means of 2 x 2 px, laid out. */
WIDE API void rethined_sample(const uint8_t *picture, int64_t height, int64_t width, const int32_t *corners_yx,
                              int64_t first, int64_t last, uint8_t *own) {
    for (int64_t token = first; token < last; token++)
        for (int i = 0; i < SIDE; i++) {
            const int64_t y = clamped(corners_yx[2 * token] - MARGIN + 2 * i, height - 1);
            const int64_t left = corners_yx[2 * token + 1] - MARGIN;
            const uint8_t *here = picture + 3 * y * width, *above = y ? here - 3 * width : here;
            uint8_t rows[2][3 * 2 * SIDE], mean[3 * (2 * SIDE - 1) + 1], *to = own + token * CELLS + 4 * SIDE * i;
            if (left >= 1 && left + 2 * SIDE - 1 <= width) {
                memcpy(rows[0], above + 3 * (left - 1), sizeof *rows);
                memcpy(rows[1], here + 3 * (left - 1), sizeof *rows);
            } else {
                for (int x = 0; x < 2 * SIDE; x++) {
                    memcpy(rows[0] + 3 * x, above + 3 * clamped(left - 1 + x, width - 1), 3);
                    memcpy(rows[1] + 3 * x, here + 3 * clamped(left - 1 + x, width - 1), 3);
                }
            }
            means_of_four(rows[0] + 3, rows[1] + 3, 2 * SIDE - 1, mean);
            for (int x = 0; x < SIDE; x++) {
                memcpy(to + 4 * x, mean + 6 * x, 4);
                to[4 * x + 3] = 0;
            }
        }
}

/* ---- Near sources: rethined.offsets.near_offsets ------------------------------------------------------------------- */

/* How many steps it takes from each token to the first that is not passed, but at least so many; most where there is
   none that way.

   is_passed: (height, width); tokens_yx: (count, 2); directions_yx: (columns, 2); steps: (count, columns). */
API void rethined_walk(const uint8_t *is_passed, int64_t height, int64_t width, const int32_t *tokens_yx, int64_t count,
                       const int32_t *directions_yx, int64_t columns, int32_t least, int32_t most, int32_t *steps) {
    for (int64_t n = 0; n < count; n++)
        for (int64_t i = 0; i < columns; i++) {
            const int64_t dy = directions_yx[2 * i], dx = directions_yx[2 * i + 1];
            int32_t walked = least;
            int64_t y = tokens_yx[2 * n] + walked * dy, x = tokens_yx[2 * n + 1] + walked * dx;
            while (y >= 0 && y < height && x >= 0 && x < width && is_passed[y * width + x]) y += dy, x += dx, walked++;
            steps[n * columns + i] = y >= 0 && y < height && x >= 0 && x < width ? walked : most;
        }
}

/* ---- What colours a fill may have: rethined.bounds ----------------------------------------------------------------- */

enum { CELL_PX = 4 };

INLINE uint8_t level8(float value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : rintf(value)); }

/* The extremes of what the rim pixels in each cell hold, in whole grey levels; 255 and 0 where there are none.

   picture: (height, width, 3) in 0..255; is_rim: (height, width), both sides multiples of CELL_PX; low, high: (height /
   CELL_PX, width / CELL_PX, 3). */
WIDE API void rethined_extremes(const float *picture, const uint8_t *is_rim, int64_t height, int64_t width,
                                float rounding, uint8_t *low, uint8_t *high) {
    for (int64_t top = 0; top < height; top += CELL_PX)
        for (int64_t left = 0; left < width; left += CELL_PX, low += 3, high += 3) {
            for (int c = 0; c < 3; c++) low[c] = 255, high[c] = 0;
            for (int64_t y = top; y < top + CELL_PX; y++) {
                uint32_t any;
                memcpy(&any, is_rim + y * width + left, CELL_PX);
                if (!any) continue;
                for (int64_t at = y * width + left; at < y * width + left + CELL_PX; at++)
                    for (int c = 0; c < 3 && is_rim[at]; c++) {
                        const float value = picture[3 * at + c];
                        const uint8_t below = level8(value - rounding), above = level8(value + rounding);
                        if (below < low[c]) low[c] = below;
                        if (above > high[c]) high[c] = above;
                    }
            }
        }
}

/* Writes a fill (3, height, width) times gain into what is hole in a picture, within what its cell allows; the other
   arrays as above. */
API void rethined_write(const float *fill, float gain, const uint8_t *is_hole, int64_t height, int64_t width,
                        const uint8_t *low, const uint8_t *high, float *picture) {
    for (int64_t y = 0; y < height; y++)
        for (int64_t left = 0; left < width; left += CELL_PX) {
            uint32_t any;
            memcpy(&any, is_hole + y * width + left, CELL_PX);
            if (!any) continue;
            const int64_t cell = 3 * (y / CELL_PX * (width / CELL_PX) + left / CELL_PX);
            for (int64_t at = y * width + left; at < y * width + left + CELL_PX; at++)
                for (int c = 0; c < 3 && is_hole[at]; c++) {
                    const float value = fill[c * height * width + at] * gain;
                    const float least = low[cell + c], most = high[cell + c];
                    const float held = value < least ? least : value;
                    picture[3 * at + c] = held > most ? most : held;
                }
        }
}
