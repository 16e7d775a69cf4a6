#include "netpbm.hpp"

#include <fstream>
#include <limits>
#include <stdexcept>

namespace {

/// The next number of a header, comments skipped.
int next_number(std::istream& file) {
    while ((file >> std::ws).peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    int number = 0;
    file >> number;
    return number;
}

}  // namespace

Bytes read_netpbm(const std::string& path, int channels) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + " cannot be opened");
    std::string kind(2, ' ');
    file.read(kind.data(), 2);
    Size size;
    size.width = next_number(file);
    size.height = next_number(file);
    const int white = next_number(file);
    file.get();
    if (!file || kind != (channels == 3 ? "P6" : "P5") || white != 255 || size.width < 1 || size.height < 1) {
        throw std::runtime_error(path + " is no " + (channels == 3 ? "PPM (P6)" : "PGM (P5)") + " of 8 bits");
    }
    Bytes picture(size, channels);
    file.read(reinterpret_cast<char*>(picture.values.data()), static_cast<std::streamsize>(picture.values.size()));
    if (!file) throw std::runtime_error(path + " ends too early");
    return picture;
}

void write_ppm(const std::string& path, const Bytes& picture) {
    std::ofstream file(path, std::ios::binary);
    file << "P6\n" << picture.size.width << ' ' << picture.size.height << "\n255\n";
    file.write(reinterpret_cast<const char*>(picture.values.data()),
               static_cast<std::streamsize>(picture.values.size()));
    if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}
