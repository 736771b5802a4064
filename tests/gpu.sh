#!/usr/bin/env bash
# Checks and measures every GPU of this machine: `raison selftest` on each, a model split between it
# and the CPU, then `raison bench`. Needs a driver and a folder made by packaging/gpu_folder.sh, and
# neither a compiler nor a network. All results go into one text file.
#
#   tests/gpu.sh [FOLDER [RESULTS]]    defaults: build/gpu-folder, gpu-results.txt
#   RAISON_GPU_ALL=1 tests/gpu.sh      software devices, too (slow)
#
# Exit status: 0 all is right, 1 something is wrong, 77 there is no GPU that can be used.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/build/gpu-folder}
results=${2:-gpu-results.txt}
readonly QUESTION="How many r's are in strawberry?"
raison=$folder/bin/raison
[[ -x $raison ]] || { echo "gpu.sh: there is no $raison; packaging/gpu_folder.sh makes it" >&2; exit 1; }
# The folder's own Vulkan loader where the machine has none.
if ! ldconfig -p | grep 'libvulkan\.so\.1' >/dev/null && [[ -f $folder/lib/libvulkan.so.1 ]]; then
  export RAISON_VULKAN_LOADER=$folder/lib/libvulkan.so.1
fi

wrong=0
say() { printf '%s\n' "$*" | tee -a "$results"; }
run() {  # run LABEL COMMAND...: the output goes to the results, too
  local label=$1 begin=$SECONDS rc=0
  shift
  say "## $label: ${*/$raison/raison}"
  "$@" 2>&1 | tee -a "$results"
  rc=${PIPESTATUS[0]}
  ((rc == 0)) || { wrong=1; say "WRONG: exit status $rc"; }
  say "($((SECONDS - begin)) s)"
}
tokens() {  # the greedy answer's tokens
  "$raison" run --json --temperature 0 --max-tokens 64 "$@" "$QUESTION" 2>/dev/null |
    sed -n 's/.*"event":"token".*"token":\([0-9]*\).*/\1/p' | tr '\n' ' '
}

: >"$results"
say "# GPUs, $(date -u +%F), $(uname -m), $("$raison" --version)"
"$raison" devices | tee -a "$results"
mapfile -t devices < <("$raison" devices --json | awk -F'"' -v all="${RAISON_GPU_ALL:-}" '
  $2 == "name" { name = $4 } $2 == "kind" { kind = $4 }
  $2 == "problem" && $4 == "" && name ~ /:/ && (all != "" || kind != "cpu") { print name }')
if ((${#devices[@]} == 0)); then
  say "no GPU can be used here: nothing was checked"
  exit 77
fi

expected=$(tokens --device cpu)
for device in "${devices[@]}"; do
  run "selftest" "$raison" selftest --backend "$device"
  for split in "--device $device" "--device $device=4,cpu" "--device $device=4,$device" \
    "--device $device --experts cpu"; do
    # shellcheck disable=SC2086
    got=$(tokens $split)
    if [[ -n $got && $got == "$expected" ]]; then
      say "the CPU's tokens: $split"
    else
      wrong=1
      say "WRONG: other tokens than the CPU's: $split"
      say "  cpu:  $expected"
      say "  here: $got"
    fi
  done
  run "bench" "$raison" bench --device "$device" --shape qwen2-7b --type q8_0 --prompt 512 \
    --decode 128 --depth 0,8192 --sessions 1,4,16 --repeat 1
  run "bench with the trace" "$raison" bench --device "$device" --shape v2-lite --type q4_k \
    --prompt 512 --decode 128 --repeat 3 --trace
  run "bench" "$raison" bench --device "$device" --shape r1 --layers 5 --type q4_k --prompt 512 \
    --decode 128 --repeat 1
  run "bench, experts on the CPU" "$raison" bench --device "$device" --experts cpu --shape v2-lite \
    --type q4_k --prompt 512 --decode 32 --repeat 1
done
((wrong == 0)) && say "all is right" || say "something is WRONG"
exit $wrong
