#include "resample.hpp"

#include <utility>

namespace {

constexpr int FIRST_PX = 512;
constexpr int WINDOW_SHARE = 3;
constexpr int SIZE_MULTIPLE = 32;
constexpr double KNOWN_COVERAGE = 0.3;
constexpr double PULL_GAIN = 4;

using Overlap = std::pair<int, double>;

/// For each of `length` pixels in a line the cells of a grid that it lies in, and how much of it lies there.
std::vector<std::vector<Overlap>> overlaps(int length, int cells) {
    const double scale = static_cast<double>(length) / cells;
    std::vector<std::vector<Overlap>> found(static_cast<std::size_t>(length));
    for (int pixel = 0; pixel < length; ++pixel) {
        for (int cell = static_cast<int>(pixel / scale); cell < cells && cell * scale < pixel + 1; ++cell) {
            const double share = std::min(pixel + 1.0, (cell + 1) * scale) - std::max<double>(pixel, cell * scale);
            if (share > 0) found[static_cast<std::size_t>(pixel)].emplace_back(cell, share);
        }
    }
    return found;
}

/// Sums of known colours, and of how much is known, over the cells of a grid: four values a cell.
Picture<double> area_sums(const Bytes& photo, const Bytes& hole, Size size) {
    Picture<double> sums(size, 4);
    const auto rows = overlaps(photo.size.height, size.height), columns = overlaps(photo.size.width, size.width);
    std::vector<double> line(static_cast<std::size_t>(size.width) * 4);
    for (int y = 0; y < photo.size.height; ++y) {
        std::fill(line.begin(), line.end(), 0.0);
        for (int x = 0; x < photo.size.width; ++x) {
            if (*hole.at(y, x)) continue;
            const std::uint8_t* colour = photo.at(y, x);
            for (const auto& [cell, share] : columns[static_cast<std::size_t>(x)]) {
                double* sum = &line[static_cast<std::size_t>(cell) * 4];
                for (int i = 0; i < 3; ++i) sum[i] += colour[i] * share;
                sum[3] += share;
            }
        }
        for (const auto& [cell, share] : rows[static_cast<std::size_t>(y)]) {
            double* sum = sums.at(cell, 0);
            for (std::size_t i = 0; i < line.size(); ++i) sum[i] += line[i] * share;
        }
    }
    return sums;
}

/// Half the size, the last channel a weight that saturates at one quarter; beyond odd borders all is zero.
Floats pulled(const Floats& finer) {
    Floats level({(finer.size.height + 1) / 2, (finer.size.width + 1) / 2}, finer.channels);
    for (int y = 0; y < finer.size.height; ++y) {
        for (int x = 0; x < finer.size.width; ++x) {
            const float* from = finer.at(y, x);
            float* to = level.at(y / 2, x / 2);
            for (int i = 0; i < finer.channels; ++i) to[i] += from[i] / 4;
        }
    }
    const auto channels = static_cast<std::size_t>(level.channels);
    for (std::size_t start = 0; start < level.values.size(); start += channels) {
        const double gain = 1 / std::max<double>(level.values[start + channels - 1], 1 / PULL_GAIN);
        for (std::size_t i = 0; i < channels; ++i) {
            level.values[start + i] = static_cast<float>(level.values[start + i] * gain);
        }
    }
    return level;
}

/// Adds to the colours of `finer` what they miss of weight, from the level above.
void push(const Floats& above, Floats& finer) {
    for (int y = 0; y < finer.size.height; ++y) {
        for (int x = 0; x < finer.size.width; ++x) {
            float* values = finer.at(y, x);
            const double missing = 1.0 - values[3];
            if (missing == 0) continue;
            const Colour colour = sample_linear(above, (y + 0.5) / 2 - 0.5, (x + 0.5) / 2 - 0.5);
            for (std::size_t i = 0; i < 3; ++i) values[i] = static_cast<float>(values[i] + colour[i] * missing);
        }
    }
}

}  // namespace

Box window_of(const Bytes& hole) {
    const auto [height, width] = hole.size;
    int top = height, bottom = 0, left = width, right = 0;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            if (!*hole.at(y, x)) continue;
            top = std::min(top, y);
            bottom = y + 1;
            left = std::min(left, x);
            right = std::max(right, x + 1);
        }
    }
    const int side = std::max(WINDOW_SHARE * std::max(bottom - top, right - left), FIRST_PX);
    const auto start = [](int first, int end, int length, int full) {
        return std::clamp((first + end - length) / 2, 0, full - length);
    };
    const Size size{std::min(side, height), std::min(side, width)};
    return {start(top, bottom, size.height, height), start(left, right, size.width, width), size};
}

Size network_size(Size photo) {
    const double scale = std::min(static_cast<double>(FIRST_PX) / std::max(photo.height, photo.width), 1.0);
    const auto side = [scale](int px) {
        const double cells = px * scale / SIZE_MULTIPLE;
        // A photograph that is seen in its own size is rounded up, or detail would be lost.
        const double rounded = scale >= 1 ? std::ceil(cells) : std::floor(cells + 0.5);
        return std::max(static_cast<int>(rounded), 1) * SIZE_MULTIPLE;
    };
    return {side(photo.height), side(photo.width)};
}

Shrunk shrink_known(const Bytes& photo, const Bytes& hole, Size size) {
    const Picture<double> sums = area_sums(photo, hole, size);
    const double area = static_cast<double>(photo.size.height) / size.height * photo.size.width / size.width;
    double most = 0;
    for (std::size_t i = 3; i < sums.values.size(); i += 4) most = std::max(most, sums.values[i] / area);
    // Where nothing is known well enough, whatever is known at all has to do.
    const double least = most >= KNOWN_COVERAGE - SURE ? KNOWN_COVERAGE - SURE : SURE;
    Shrunk small{Floats(size, 3), Bytes(size, 1), Bytes(size, 1)};
    for (std::size_t i = 0; i < small.hole.values.size(); ++i) {
        const double known = sums.values[4 * i + 3];
        small.touched.values[i] = known / area < 1 - SURE;
        small.hole.values[i] = known / area < least;
        for (std::size_t channel = 0; channel < 3 && !small.hole.values[i]; ++channel) {
            small.picture.values[3 * i + channel] = static_cast<float>(sums.values[4 * i + channel] / known);
        }
    }
    return small;
}

Floats spread(const Floats& values, const Floats& weight, int levels) {
    Floats level(values.size, 4);
    for (std::size_t i = 0; i < weight.values.size(); ++i) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
            level.values[4 * i + channel] = values.values[3 * i + channel] * weight.values[i];
        }
        level.values[4 * i + 3] = weight.values[i];
    }
    std::vector<Floats> pyramid;
    while (std::max(level.size.height, level.size.width) > 1 &&
           (levels < 0 || static_cast<int>(pyramid.size()) < levels)) {
        Floats coarser = pulled(level);
        pyramid.push_back(std::move(level));
        level = std::move(coarser);
    }
    if (levels < 0) {
        const float share = std::max(level.values[3], static_cast<float>(SURE));
        for (std::size_t i = 0; i < 4; ++i) level.values[i] /= share;
    }
    for (; !pyramid.empty(); pyramid.pop_back()) {
        push(level, pyramid.back());
        level = std::move(pyramid.back());
    }
    Floats result(values.size, 3);
    for (std::size_t i = 0; i < weight.values.size(); ++i) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
            result.values[3 * i + channel] = level.values[4 * i + channel];
        }
    }
    return result;
}

Floats prefill(const Shrunk& small) {
    Floats weight(small.hole.size, 1);
    for (std::size_t i = 0; i < weight.values.size(); ++i) weight.values[i] = small.hole.values[i] ? 0.0f : 1.0f;
    return spread(small.picture, weight, -1);
}
