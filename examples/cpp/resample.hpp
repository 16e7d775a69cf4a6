// From the photograph to the network's picture: area means of what is known, and the pull-push prefill.

#pragma once

#include "picture.hpp"

/// Shares and sums of weights may be rounded by this much.
constexpr double SURE = 1e-6;

/// What the network is shown of a photograph.
struct Shrunk {
    Floats picture;  // in 0..255, mean of the known pixels; zero in the hole
    Bytes hole;      // 1 = too little is known: the network fills it
    Bytes touched;   // 1 = holds any hole at all: never copied from
};

/// What the network sees: a square around the hole, three times as long as it, at least 512 px; inside the photograph.
Box window_of(const Bytes& hole);

/// Multiples of 32 in the photograph's aspect ratio, the long side about 512 px.
Size network_size(Size photo);

/// Area means of the known pixels; `hole` has a byte per pixel, 1 = fill, not all of them.
Shrunk shrink_known(const Bytes& photo, const Bytes& hole, Size size);

/// Pull-push of values with weights in 0..1, halved so often, down to one pixel when `levels` is negative.
///
/// Reference: Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.
Floats spread(const Floats& values, const Floats& weight, int levels);

/// Fills the hole of a picture smoothly from all around; known pixels stay as they are.
Floats prefill(const Shrunk& small);
