#!/usr/bin/env bash
# Makes the SPIR-V of shaders that Debian 12's glslc cannot compile. Needs a newer one (shaderc v2023.8
# did it; the Rust crate shaderc 0.10 with its feature build-from-source leaves one in out/bin):
#   GLSLC=/path/to/glslc core/backend/vulkan/shaders/prebuilt.sh
# Commit what it writes. A test compares the hash of the sources, in this order, with the shaders'.
set -euo pipefail
cd "$(dirname "$0")"
sources=(matmul_tiles.comp common.glsl octet.glsl blocks.glsl)
"${GLSLC:?names a newer glslc}" -DMATRIX -O -Werror --target-env=vulkan1.2 \
  -o prebuilt/matmul_tiles_matrix.spv matmul_tiles.comp
cat "${sources[@]}" | sha256sum | cut -d' ' -f1 >prebuilt/matmul_tiles_matrix.sha256
