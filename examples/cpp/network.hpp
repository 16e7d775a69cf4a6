// The form `lr` in ONNX Runtime.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>

#include "picture.hpp"

/// What the network gives for a picture of H x W pixels.
struct NetworkOutput {
    Floats filled;                      // H x W x 3, in 0..255
    int per_token = 0;                  // sources per token
    std::vector<std::int32_t> sources;  // per_token x H / 8 x W / 8 tokens, counted in reading order
    std::vector<float> weights;         // like sources; sum 1, or 0 where a token has no source
};

class Network {
   public:
    /// Throws Ort::Exception.
    Network(const std::string& path, int threads);

    /// Runs a picture: H x W x 3 in 0..255, the hole prefilled, H and W multiples of 32; and a byte per pixel, 1 = fill.
    NetworkOutput run(const Floats& prefilled, const Bytes& hole);

   private:
    Ort::Env env_;
    Ort::Session session_;
};
