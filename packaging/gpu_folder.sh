#!/usr/bin/env bash
# Makes the folder that tests/gpu.sh needs on a machine that has a card and a driver, and neither a
# compiler nor a network: the raison command, the library, both plug-ins, the built-in model and a
# Vulkan loader.
#
#   packaging/gpu_folder.sh [FOLDER]     default: build/gpu-folder; sm_90 code only
#   RAISON_CUDA_ARCHITECTURES="80-real;90-real" packaging/gpu_folder.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/build/gpu-folder}
readonly MOST_MIB=30

cmake -S "$root" -B "$root/build/gpu" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRAISON_TESTS=OFF \
  -DRAISON_PYTHON=OFF -DRAISON_TOOLS=ON -DRAISON_CUDA=ON -DRAISON_VULKAN=ON \
  -DRAISON_CUDA_ARCHITECTURES="${RAISON_CUDA_ARCHITECTURES:-90-real}"
ninja -C "$root/build/gpu" all raison_cuda_rate
rm -rf "$folder"
cmake --install "$root/build/gpu" --prefix "$folder" --strip >/dev/null
install -s "$root/build/gpu/bin/raison-cuda-rate" "$folder/bin"
rm -rf "$folder/include" "$folder"/lib/cmake "$folder"/lib/pkgconfig
loader=$(ldconfig -p | awk '/libvulkan\.so\.1 .*x86-64/ { print $NF; exit }')
if [[ -n $loader ]]; then cp -L "$loader" "$folder/lib/libvulkan.so.1"; fi
size=$(du -sm "$folder" | cut -f1)
echo "$folder: $size MiB"
((size <= MOST_MIB)) || { echo "gpu_folder.sh: more than $MOST_MIB MiB" >&2; exit 1; }
