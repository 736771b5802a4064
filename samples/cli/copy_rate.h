// How fast a device copies its own memory: the ceiling that decoding is measured against.
#pragma once

#include <cstdint>
#include <string>

namespace raison::cli {

// (bytes read + bytes written) per second of copying pages within `device`'s memory, of 4 GiB in all;
// the best of several runs. 0: `device` is a split of several, or has too little memory free.
double CopyRate(const std::string& device, const std::string& backend_path, uint32_t threads);

}  // namespace raison::cli
