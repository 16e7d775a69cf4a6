// Fills the hole of a photograph at its own resolution.
//
// rethined_edge NETWORK.onnx PHOTO.ppm MASK.pgm OUT.ppm
//
// NETWORK.onnx is written by: rethined export onnx --form lr -o NETWORK.onnx
// Of MASK.pgm, white is filled. The steps are those of rethined.export.host in the Python package.

#include <algorithm>
#include <exception>
#include <iostream>
#include <stdexcept>

#include "netpbm.hpp"
#include "network.hpp"
#include "resample.hpp"
#include "upscale.hpp"

namespace {

constexpr int THREADS = 2;

/// Fills the hole of a photograph in place; `hole` has a byte per pixel, 1 = fill.
void fill(Bytes& photo, const Bytes& hole, Network& network) {
    const Box window = window_of(hole);
    Bytes seen = cut(photo, window);
    const Bytes part = cut(hole, window);
    const Shrunk small = shrink_known(seen, part, network_size(window.size));
    const NetworkOutput output = network.run(prefill(small), small.hole);
    upscale(seen, part, small.touched, output);
    paste(seen, photo, window);
}

/// White of a mask is hole: a byte per pixel, 1 = fill.
Bytes hole_of(Bytes mask, const Bytes& photo) {
    if (mask.size.height != photo.size.height || mask.size.width != photo.size.width) {
        throw std::runtime_error("the mask is of another size than the photograph");
    }
    for (auto& value : mask.values) value = value > 127;
    const auto marked = std::count(mask.values.begin(), mask.values.end(), 1);
    if (marked == 0) throw std::runtime_error("the mask has no white pixel: there is nothing to fill");
    if (marked == static_cast<std::ptrdiff_t>(mask.values.size())) {
        throw std::runtime_error("the mask is white all over: leave something to fill from");
    }
    return mask;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) {
        std::cerr << "usage: rethined_edge NETWORK.onnx PHOTO.ppm MASK.pgm OUT.ppm\n";
        return 2;
    }
    try {
        Bytes photo = read_netpbm(arguments[2], 3);
        const Bytes hole = hole_of(read_netpbm(arguments[3], 1), photo);
        Network network(arguments[1], THREADS);
        fill(photo, hole, network);
        write_ppm(arguments[4], photo);
    } catch (const std::exception& error) {
        std::cerr << "rethined_edge: " << error.what() << '\n';
        return 1;
    }
}
