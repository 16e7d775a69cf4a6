// Attention upscaling: detail of the photograph, copied from where the network points, added to its enlarged fill.

#pragma once

#include "network.hpp"
#include "picture.hpp"

/// Fills the hole of a photograph in place; known pixels stay as they are.
///
/// `hole` has a byte per pixel of it, `touched` one per pixel of the network's picture: 1 = holds any hole.
void upscale(Bytes& photo, const Bytes& hole, const Bytes& touched, const NetworkOutput& output);
