// The emulated card as a test sees it: its memory, its driver, and ways to break it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/backend/simt/cuda_runtime.h"

namespace simt {

struct Card {
  int driver = 13000;  // CUDA version of the driver; 0: none is installed
  int devices = 1;
  int major = 9, minor = 0;
  size_t memory = size_t{4} << 30;
  int pci = 0;  // the bus that card 0 stands on; card n stands n behind
};
void Install(const Card& card);  // takes effect at once; heals a lost device
void LoseDevice();               // every later call fails, as after a kernel's illegal access

// The calling thread's card; -1: it has none.
void MakeCurrent(int card);
int Current();

// What is alive, and how many calls came from a thread without a card: a test that frees everything
// expects zeros.
struct Usage {
  size_t device_bytes = 0, host_bytes = 0;
  int streams = 0, events = 0, graphs = 0, pools = 0;
  int astray = 0;
  bool operator==(const Usage&) const = default;
};
Usage InUse();
uint64_t Launches();
// Why the last launch failed (a barrier, a write beyond an allocation); empty: none did.
std::string LastFault();

// Runs one block. False: its threads came to different barriers; `fault` says which.
bool RunBlock(const std::function<void()>& thread, unsigned threads, bool backwards,
              std::string& fault);

}  // namespace simt
