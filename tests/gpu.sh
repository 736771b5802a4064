#!/usr/bin/env bash
# Checks and measures every GPU of this machine: `raison selftest` on each, a model split between it
# and the CPU, then `raison bench`. Needs a driver and a folder made by packaging/gpu_folder.sh, and
# neither a compiler nor a network. All results go into one text file.
#
#   tests/gpu.sh [FOLDER [RESULTS]]    defaults: build/gpu-folder, gpu-results.txt
#   FOLDER/gpu.sh [FOLDER [RESULTS]]   the same where there is no checkout; default: its own folder
#   RAISON_GPU_ALL=1 tests/gpu.sh      software devices, too (slow)
#   RAISON_GPU_SECONDS=N tests/gpu.sh  how long it may take; default: 450
#
# Exit status: 0 all that was run is right, 1 something is wrong, 77 there is no GPU that can be used.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$here/../build/gpu-folder
[[ ! -f $here/raison-gpu.tar.gz ]] || folder=$here
folder=${1:-$folder}
results=${2:-gpu-results.txt}
readonly QUESTION="How many r's are in strawberry?"
readonly LIMIT=${RAISON_GPU_SECONDS:-450}
[[ -f $folder/raison-gpu.tar.gz ]] ||
  { echo "gpu.sh: there is no $folder/raison-gpu.tar.gz; packaging/gpu_folder.sh makes it" >&2; exit 1; }
unpacked=$(mktemp -d) || exit 1
trap 'rm -rf "$unpacked"' EXIT
tar -C "$unpacked" -xzf "$folder/raison-gpu.tar.gz" || exit 1
folder=$unpacked
raison=$folder/bin/raison
# Where the machine's C++ run-time library is older than what this was built with, or missing.
"$raison" --version >/dev/null 2>&1 || export LD_LIBRARY_PATH=$folder/lib:$folder/lib/runtime
"$raison" --version >/dev/null || { echo "gpu.sh: raison does not start here" >&2; exit 1; }
# The folder's own Vulkan loader where the machine has none.
if ! ldconfig -p 2>/dev/null | grep 'libvulkan\.so\.1' >/dev/null && [[ -f $folder/lib/libvulkan.so.1 ]]; then
  export RAISON_VULKAN_LOADER=$folder/lib/libvulkan.so.1
fi

wrong=0 late=0
say() { printf '%s\n' "$*" | tee -a "$results"; }
left() { echo $((LIMIT - SECONDS)); }
run() {  # run LABEL COMMAND...: the output goes to the results, too
  local label=$1 begin=$SECONDS rc=0
  shift
  say "## $label: ${*/$raison/raison}"
  if (($(left) < 5)); then
    late=1
    say "not run: the $LIMIT s are over"
    return
  fi
  timeout --signal=INT --kill-after=5 "$(left)" "$@" 2>&1 | tee -a "$results"
  rc=${PIPESTATUS[0]}
  if ((rc == 124 || rc == 137)); then
    late=1
    say "not finished: the $LIMIT s are over"
  elif ((rc != 0)); then
    wrong=1
    say "WRONG: exit status $rc"
  fi
  say "($((SECONDS - begin)) s)"
}
# The greedy answer's trace, a line a token: its number, log-probability, entropy, layer:expert, ...
trace() {
  "$raison" run --json --temperature 0 --max-tokens 64 --trace-experts "$@" "$QUESTION" 2>/dev/null |
    sed -n 's/.*"event":"token".*"token":\([0-9]*\),.*"logprob":\([^,]*\),"entropy":\([^,}]*\)\(.*\)/\1 \2 \3 \4/p' |
    sed 's/{"layer":\([0-9]*\),"expert":\([0-9]*\),[^}]*}/ \1:\2 /g; s/[^-+0-9.:e ]//g; s/  */ /g'
}
# Tokens must be the CPU's, log-probabilities and entropies close, and of the experts, whose scores may
# be as good as equal, at least 98 of 100.
compare() {  # compare FILE FILE: what differs, or how many experts are the same
  awk '
    function apart(a, b) { d = a - b; if (d < 0) d = -d; m = b < 0 ? -b : b; return d > 0.05 + 0.005 * m }
    NR == FNR { want[FNR] = $0; lines = FNR; next }
    {
      split(want[FNR], w)
      if ($1 != w[1]) { print "token " FNR " is " $1 ", the CPU has " w[1]; bad = 1; exit }
      if (apart($2, w[2])) { print "token " FNR ": log-probability " $2 ", the CPU has " w[2]; bad = 1; exit }
      if (apart($3, w[3])) { print "token " FNR ": entropy " $3 ", the CPU has " w[3]; bad = 1; exit }
      for (i = 4; i <= NF; ++i) { ++all; same += index(want[FNR] " ", " " $i " ") > 0 }
      seen = FNR
    }
    END {
      if (bad) exit 1
      if (lines == 0 || seen != lines) { print seen + 0 " tokens, the CPU has " lines + 0; exit 1 }
      if (all == 0 || same < 0.98 * all) { print same + 0 " of " all + 0 " experts are the CPU'"'"'s"; exit 1 }
      print same " of " all " experts alike"
    }' "$1" "$2"
}

: >"$results"
say "# GPUs, $(date -u +%F), $(uname -m), $("$raison" --version)"
"$raison" devices | tee -a "$results"
# What a card's figures depend on besides.
! command -v nvidia-smi >/dev/null ||
  nvidia-smi --format=csv --query-gpu=name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,ecc.mode.current,mig.mode.current \
    2>&1 | tee -a "$results"
names=$("$raison" devices --json | awk -F'"' -v all="${RAISON_GPU_ALL:-}" '
  $2 == "name" { name = $4 } $2 == "kind" { kind = $4 }
  $2 == "problem" && $4 == "" && name ~ /:/ && (all != "" || kind != "cpu") { printf "%s ", name }') ||
  { say "WRONG: the devices cannot be listed"; exit 1; }
read -r -a devices <<<"$names"
if ((${#devices[@]} == 0)); then
  say "no GPU can be used here: nothing was checked"
  exit 77
fi

# What is quick and tells most comes first, on every device; then what may not end in time.
trace --device cpu >"$unpacked/cpu"
for device in "${devices[@]}"; do
  for split in "--device $device" "--device $device=4,cpu" "--device $device=4,$device" \
    "--device $device --experts cpu"; do
    # shellcheck disable=SC2086
    trace $split >"$unpacked/here"
    if verdict=$(compare "$unpacked/cpu" "$unpacked/here"); then
      say "the CPU's tokens and trace ($verdict): $split"
    else
      wrong=1
      say "WRONG: $split: $verdict"
    fi
  done
done
bench() {  # bench LABEL DEVICE ARGUMENTS...
  run "bench${1:+, $1}" "$raison" bench --device "$2" --prompt 512 --decode 128 "${@:3}"
}
for device in "${devices[@]}"; do
  run "selftest" "$raison" selftest --backend "$device"
  bench "" "$device" --shape qwen2-7b --type q8_0 --depth 0,8192 --repeat 1
  bench "with the trace" "$device" --shape v2-lite --type q4_k --repeat 3 --trace
done
# Dense products: cuBLAS's own bf16 rate (the machine's; "not measured" where it has none), and ours.
if [[ " ${devices[*]}" == *" cuda:"* ]]; then
  run "products" "$folder/bin/raison-cuda-rate" "$folder/lib/libraison-cuda.so"
fi
for device in "${devices[@]}"; do
  # The kit's products are small: this takes them to cuBLAS, too.
  [[ $device != cuda:* ]] ||
    run "selftest of matmul with cuBLAS" env RAISON_CUBLAS_LEAST=0 "$raison" selftest \
      --backend "$device" --op matmul
  bench "" "$device" --shape r1 --layers 5 --type q4_k --repeat 1
  bench "sessions together" "$device" --shape qwen2-7b --type q8_0 --sessions 4,16 --repeat 1
  # Beside the first and the v2-lite line above: what a split costs.
  bench "split in two on one card" "$device=14,$device" --shape qwen2-7b --type q8_0 --repeat 1
  run "bench, the last layers on the CPU" "$raison" bench --device "$device=24,cpu" \
    --shape qwen2-7b --type q8_0 --prompt 64 --decode 32 --repeat 1
  run "bench, experts on the CPU" "$raison" bench --device "$device" --experts cpu --shape v2-lite \
    --type q4_k --prompt 512 --decode 32 --repeat 1
done
for device in "${devices[@]}"; do
  bench "sessions together, deep" "$device" --shape qwen2-7b --type q8_0 --depth 8192 \
    --sessions 4,16 --repeat 1
done
((late == 0)) || say "not all was run: RAISON_GPU_SECONDS=$((LIMIT * 3)) gives it more time"
((wrong == 0)) && say "all that was run is right" || say "something is WRONG"
exit $wrong
