// __half of the emulated card is in cuda_runtime.h.
#pragma once
#include "tests/backend/simt/cuda_runtime.h"
