#include "upscale.hpp"

#include <unordered_map>
#include <utility>

#include "resample.hpp"

namespace {

constexpr int TOKEN_PX = 8;
constexpr int SEAM_LEVELS = 2;

/// The tokens before and after a pixel along one side, with linear shares that sum to one.
struct Between {
    int token[2];
    double share[2];
};

std::vector<Between> tokens_along(int length_px, double scale, int count) {
    std::vector<Between> line(static_cast<std::size_t>(length_px));
    for (int pixel = 0; pixel < length_px; ++pixel) {
        const double position = (pixel + 0.5) / (scale * TOKEN_PX) - 0.5;
        const double first = std::floor(position), after = position - first;
        const int token = static_cast<int>(first);
        line[static_cast<std::size_t>(pixel)] = {
            {std::clamp(token, 0, count - 1), std::clamp(token + 1, 0, count - 1)}, {1 - after, after}};
    }
    return line;
}

/// Calls `see(y, x)` for a pixel and its eight neighbours, as far as they are in the picture.
template <typename See>
void around(Size size, int y, int x, See see) {
    for (int near_y = std::max(y - 1, 0); near_y <= std::min(y + 1, size.height - 1); ++near_y) {
        for (int near_x = std::max(x - 1, 0); near_x <= std::min(x + 1, size.width - 1); ++near_x) see(near_y, near_x);
    }
}

/// The fill before its seam is closed, pixel by pixel.
class Blend {
   public:
    Blend(const Bytes& photo, const Bytes& hole, const Bytes& touched, const NetworkOutput& output)
        : photo_(photo),
          hole_(hole),
          output_(output),
          scale_y_(static_cast<double>(photo.size.height) / touched.size.height),
          scale_x_(static_cast<double>(photo.size.width) / touched.size.width),
          grid_{touched.size.height / TOKEN_PX, touched.size.width / TOKEN_PX},
          rows_(tokens_along(photo.size.height, scale_y_, grid_.height)),
          columns_(tokens_along(photo.size.width, scale_x_, grid_.width)),
          sources_(output.sources.size()) {
        Bytes corrupted(grid_, 1);
        for (int y = 0; y < touched.size.height; ++y) {
            for (int x = 0; x < touched.size.width; ++x) {
                if (*touched.at(y, x)) *corrupted.at(y / TOKEN_PX, x / TOKEN_PX) = 1;
            }
        }
        const int tokens = grid_.height * grid_.width;
        for (std::size_t i = 0; i < sources_.size(); ++i) {
            const int token = static_cast<int>(i) % tokens, source = output.sources[i];
            const int offset_y = (source / grid_.width - token / grid_.width) * TOKEN_PX;
            const int offset_x = (source % grid_.width - token % grid_.width) * TOKEN_PX;
            const bool is_usable = corrupted.values[static_cast<std::size_t>(token)] &&
                                   !corrupted.values[static_cast<std::size_t>(source)];
            sources_[i] = {static_cast<int>(std::floor(offset_y * scale_y_ + 0.5)),
                           static_cast<int>(std::floor(offset_x * scale_x_ + 0.5)),
                           is_usable ? output.weights[i] : 0.0};
        }
    }

    /// The colour at a full-size pixel, in about 0..255.
    Colour at(int y, int x) {
        gather(y, x);
        Colour detail{};
        double squared = 0;
        for (std::size_t i = 0; i < taps_.size(); ++i) {
            const Tap& tap = taps_[i];
            const std::uint8_t* copied = photo_.at(tap.y, tap.x);
            const Colour base = enlarge(output_.filled, tap.y, tap.x);
            for (std::size_t channel = 0; channel < 3; ++channel) {
                detail[channel] += (copied[channel] - base[channel]) * tap.weight;
            }
            // Taps that point at the same pixel are one copy; only different ones average each other out.
            double agreeing = tap.weight;
            for (std::size_t j = 0; j < i; ++j) {
                if (taps_[j].y == tap.y && taps_[j].x == tap.x) agreeing += 2 * taps_[j].weight;
            }
            squared += tap.weight * agreeing;
        }
        const double norm = std::sqrt(std::max(squared, SURE));
        Colour colour = enlarge(output_.filled, y, x);
        for (std::size_t channel = 0; channel < 3; ++channel) colour[channel] += detail[channel] / norm;
        return colour;
    }

    /// A small picture's colour at a full-size pixel.
    Colour enlarge(const Floats& picture, int y, int x) const {
        return sample_linear(picture, (y + 0.5) / scale_y_ - 0.5, (x + 0.5) / scale_x_ - 0.5);
    }

    /// The cell of the network's picture that a full-size pixel lies in.
    std::pair<int, int> cell(int y, int x) const {
        return {static_cast<int>(y / scale_y_), static_cast<int>(x / scale_x_)};
    }

   private:
    struct Source {
        int shift_y, shift_x;
        double usable;
    };
    struct Tap {
        int y, x;
        double weight;
    };

    /// The sources of the four nearest tokens, as far as what they point at is known.
    void gather(int y, int x) {
        taps_.clear();
        const Between &row = rows_[static_cast<std::size_t>(y)], &column = columns_[static_cast<std::size_t>(x)];
        for (int source = 0; source < output_.per_token; ++source) {
            for (int below = 0; below < 2; ++below) {
                for (int after = 0; after < 2; ++after) {
                    const int token = row.token[below] * grid_.width + column.token[after];
                    const Source& from =
                        sources_[static_cast<std::size_t>(source * grid_.height * grid_.width + token)];
                    const Tap tap{y + from.shift_y, x + from.shift_x,
                                  from.usable * row.share[below] * column.share[after]};
                    if (tap.weight == 0 || tap.y < 0 || tap.y >= photo_.size.height || tap.x < 0 ||
                        tap.x >= photo_.size.width || *hole_.at(tap.y, tap.x)) {
                        continue;
                    }
                    taps_.push_back(tap);
                }
            }
        }
    }

    const Bytes& photo_;
    const Bytes& hole_;
    const NetworkOutput& output_;
    double scale_y_, scale_x_;
    Size grid_;
    std::vector<Between> rows_, columns_;
    std::vector<Source> sources_;
    std::vector<Tap> taps_;
};

/// What to add to hole pixels so that they meet the known ones.
class Seam {
   public:
    Seam(const Bytes& photo, const Bytes& hole, Size small, Blend& blend) : photo_(photo), blend_(blend) {
        Floats mean(small, 3), count(small, 1);
        for (int y = 0; y < photo.size.height; ++y) {
            for (int x = 0; x < photo.size.width; ++x) {
                bool is_rim = false;
                if (!*hole.at(y, x)) {
                    around(photo.size, y, x, [&](int near_y, int near_x) { is_rim |= *hole.at(near_y, near_x) != 0; });
                }
                if (!is_rim) continue;
                Colour missing = blend.at(y, x);
                const auto [cell_y, cell_x] = blend.cell(y, x);
                for (std::size_t channel = 0; channel < 3; ++channel) {
                    missing[channel] = photo.at(y, x)[channel] - missing[channel];
                    mean.at(cell_y, cell_x)[channel] += static_cast<float>(missing[channel]);
                }
                *count.at(cell_y, cell_x) += 1;
                missing_.emplace(photo.place(y, x), missing);
            }
        }
        for (std::size_t i = 0; i < count.values.size(); ++i) {
            for (std::size_t channel = 0; channel < 3; ++channel) {
                mean.values[3 * i + channel] /= std::max(count.values[i], 1.0f);
            }
            count.values[i] = std::min(count.values[i], 1.0f);
        }
        far_ = spread(mean, count, SEAM_LEVELS);
    }

    Colour at(int y, int x) const {
        Colour sum{};
        int met = 0;
        around(photo_.size, y, x, [&](int near_y, int near_x) {
            const auto found = missing_.find(photo_.place(near_y, near_x));
            if (found == missing_.end()) return;
            for (std::size_t channel = 0; channel < 3; ++channel) sum[channel] += found->second[channel];
            ++met;
        });
        if (met == 0) return blend_.enlarge(far_, y, x);
        for (double& value : sum) value /= met;
        return sum;
    }

   private:
    const Bytes& photo_;
    const Blend& blend_;
    /// What known pixels next to the hole miss, by their place.
    std::unordered_map<std::size_t, Colour> missing_;
    Floats far_;
};

}  // namespace

void upscale(Bytes& photo, const Bytes& hole, const Bytes& touched, const NetworkOutput& output) {
    Blend blend(photo, hole, touched, output);
    const Seam seam(photo, hole, touched.size, blend);
    // Copies come from known pixels alone, so that what is written here is never read.
    for (int y = 0; y < photo.size.height; ++y) {
        for (int x = 0; x < photo.size.width; ++x) {
            if (!*hole.at(y, x)) continue;
            const Colour colour = blend.at(y, x), added = seam.at(y, x);
            for (std::size_t channel = 0; channel < 3; ++channel) {
                const double level = std::floor(colour[channel] + added[channel] + 0.5);
                photo.at(y, x)[channel] = static_cast<std::uint8_t>(std::clamp(level, 0.0, 255.0));
            }
        }
    }
}
