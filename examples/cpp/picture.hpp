// Pictures as plain arrays. Pixel centres lie at half integers, on every grid.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

struct Size {
    int height = 0;
    int width = 0;
};

/// Height x width x channels values, rows first, channels together.
template <typename Value>
struct Picture {
    Size size;
    int channels = 0;
    std::vector<Value> values;

    Picture() = default;
    Picture(Size size_, int channels_)
        : size(size_),
          channels(channels_),
          values(static_cast<std::size_t>(size_.height) * static_cast<std::size_t>(size_.width) *
                 static_cast<std::size_t>(channels_)) {}

    std::size_t place(int y, int x) const {
        return (static_cast<std::size_t>(y) * static_cast<std::size_t>(size.width) + static_cast<std::size_t>(x)) *
               static_cast<std::size_t>(channels);
    }
    Value* at(int y, int x) { return &values[place(y, x)]; }
    const Value* at(int y, int x) const { return &values[place(y, x)]; }
};

/// A part of a picture: whole pixels, the last row and column left out.
struct Box {
    int top = 0;
    int left = 0;
    Size size;
};

using Floats = Picture<float>;
using Bytes = Picture<std::uint8_t>;
using Colour = std::array<double, 3>;

/// The colour of a picture between its pixels, borders repeated; 0 is the centre of the first pixel.
inline Colour sample_linear(const Floats& picture, double y, double x) {
    const auto inside = [](double index, int length) {
        return static_cast<int>(std::clamp(index, 0.0, static_cast<double>(length - 1)));
    };
    const double top = std::floor(y), left = std::floor(x);
    const double share_y = y - top, share_x = x - left;
    const int above = inside(top, picture.size.height), below = inside(top + 1, picture.size.height);
    const int before = inside(left, picture.size.width), after = inside(left + 1, picture.size.width);
    const float *a = picture.at(above, before), *b = picture.at(above, after);
    const float *c = picture.at(below, before), *d = picture.at(below, after);
    Colour colour{};
    for (int i = 0; i < std::min(picture.channels, 3); ++i) {
        const double upper = a[i] * (1 - share_x) + b[i] * share_x;
        const double lower = c[i] * (1 - share_x) + d[i] * share_x;
        colour[static_cast<std::size_t>(i)] = upper * (1 - share_y) + lower * share_y;
    }
    return colour;
}

/// A copy of the part of a picture that lies in a box.
template <typename Value>
Picture<Value> cut(const Picture<Value>& picture, const Box& box) {
    Picture<Value> part(box.size, picture.channels);
    for (int row = 0; row < box.size.height; ++row) {
        const Value* line = picture.at(box.top + row, box.left);
        std::copy(line, line + part.place(0, box.size.width), part.at(row, 0));
    }
    return part;
}

/// Writes a part back to where it was cut out.
template <typename Value>
void paste(const Picture<Value>& part, Picture<Value>& picture, const Box& box) {
    for (int row = 0; row < box.size.height; ++row) {
        const Value* line = part.at(row, 0);
        std::copy(line, line + part.place(0, box.size.width), picture.at(box.top + row, box.left));
    }
}
