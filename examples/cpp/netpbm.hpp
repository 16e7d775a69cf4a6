// Pictures as files: PPM (P6) and PGM (P5) of 8 bits.

#pragma once

#include <string>

#include "picture.hpp"

/// Reads a PPM of three channels or a PGM of one. Throws std::runtime_error.
Bytes read_netpbm(const std::string& path, int channels);

/// Writes a PPM. Throws std::runtime_error.
void write_ppm(const std::string& path, const Bytes& picture);
