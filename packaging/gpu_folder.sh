#!/usr/bin/env bash
# Makes the folder that tests/gpu.sh needs on a machine that has a card and a driver, and neither a
# compiler nor a network: gpu.sh itself and one archive of the raison command, the library, both
# plug-ins, the built-in model, a Vulkan loader and the C++ run-time library.
#
#   packaging/gpu_folder.sh [FOLDER]     default: build/gpu-folder; sm_90 code only
#   RAISON_CUDA_ARCHITECTURES="80-real;90-real" packaging/gpu_folder.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/build/gpu-folder}
tree=$root/build/gpu-tree
readonly MOST_MIB=30

cmake -S "$root" -B "$root/build/gpu" -G Ninja -DRAISON_TESTS=OFF \
  -DRAISON_PYTHON=OFF -DRAISON_TOOLS=ON -DRAISON_CUDA=ON -DRAISON_VULKAN=ON \
  -DRAISON_CUDA_ARCHITECTURES="${RAISON_CUDA_ARCHITECTURES:-90-real}"
ninja -C "$root/build/gpu" all raison_cuda_rate
rm -rf "$folder" "$tree"
cmake --install "$root/build/gpu" --prefix "$tree" --strip >/dev/null
install -s "$root/build/gpu/bin/raison-cuda-rate" "$tree/bin"
rm -rf "$tree/include" "$tree"/lib/cmake "$tree"/lib/pkgconfig
library() {  # the machine's file of that name
  ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ && !found { print $NF; found = 1 }'
}
loader=$(library libvulkan.so.1)
if [[ -n $loader ]]; then cp -L "$loader" "$tree/lib/libvulkan.so.1"; fi
# Used where the machine's own is older or missing (gpu.sh).
mkdir "$tree/lib/runtime"
for name in libstdc++.so.6 libgcc_s.so.1; do cp -L "$(library $name)" "$tree/lib/runtime/$name"; done
mkdir -p "$folder"
tar -C "$tree" -c . | gzip -9 >"$folder/raison-gpu.tar.gz"
cp "$root/tests/gpu.sh" "$folder"
size=$(du -sm "$folder" | cut -f1)
echo "$folder: $size MiB"
((size <= MOST_MIB)) || { echo "gpu_folder.sh: more than $MOST_MIB MiB" >&2; exit 1; }
