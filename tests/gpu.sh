#!/usr/bin/env bash
# Checks and measures every GPU of this machine: the model's greedy answer and its trace on each, and
# split between it and the CPU; `raison selftest`, part by part; then `raison bench`. Needs a driver
# and a folder made by packaging/gpu_folder.sh, and neither a compiler nor a network. All results go
# into one text file, each as soon as it is there; what tells most comes first.
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
# Answers in which no two tokens are nearly as good as each other.
readonly QUESTIONS=("How many r's are in strawberry?" "What is 12 * 13?" "What is 47 + 85 - 3?")
# Seconds for all, for one command, and for one that is quick: what takes longer is wrong.
readonly LIMIT=${RAISON_GPU_SECONDS:-450}
readonly MOST=$((LIMIT / 4)) QUICK=$((LIMIT / 8))
[[ -f $folder/raison-gpu.tar.gz ]] ||
  { echo "gpu.sh: there is no $folder/raison-gpu.tar.gz; packaging/gpu_folder.sh makes it" >&2; exit 1; }
unpacked=$(mktemp -d) || exit 1
trap 'rm -rf "$unpacked"' EXIT
tar -C "$unpacked" -xzf "$folder/raison-gpu.tar.gz" || exit 1
folder=$unpacked
raison=$folder/bin/raison

# ---- what the machine lacks
PATH=$PATH:/usr/sbin:/sbin
# Where container machines have the driver, beside the loader's own path.
for path in /usr/local/nvidia/lib64 /usr/lib64/nvidia /usr/lib/wsl/lib; do
  [[ ! -d $path ]] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$path
done
# A C++ run-time library that is as new as the one that this was built with.
"$raison" --version >/dev/null 2>&1 ||
  export LD_LIBRARY_PATH=$folder/lib:$folder/lib/runtime${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
"$raison" --version >/dev/null || { echo "gpu.sh: raison does not start here" >&2; exit 1; }
# Compiled shaders are kept from one command to the next, wherever the home folder is.
export XDG_CACHE_HOME=$unpacked/cache
loads() { [[ -z $(LD_PRELOAD=$1 /bin/true 2>&1) ]]; }  # the loader finds that library and all it needs
loads libvulkan.so.1 || export RAISON_VULKAN_LOADER=$folder/lib/libvulkan.so.1
# Vulkan's loader finds NVIDIA's driver by a manifest. Often only the libraries are there; and where
# those of X11 are not, GLX's, which a manifest names as a rule, does not load: EGL's does the same.
vulkan_driver=
if loads libGLX_nvidia.so.0; then
  grep -qsi nvidia /{etc,etc/xdg,usr/share,usr/local/share}/vulkan/icd.d/*.json ||
    vulkan_driver=libGLX_nvidia.so.0
elif loads libEGL_nvidia.so.0; then
  vulkan_driver=libEGL_nvidia.so.0
fi
if [[ -n $vulkan_driver && -z ${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-} ]]; then
  export VK_DRIVER_FILES=$unpacked/nvidia_icd.json VK_ICD_FILENAMES=$unpacked/nvidia_icd.json
  printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3.0"}}\n' \
    "$vulkan_driver" >"$VK_DRIVER_FILES"
fi
# Where cuBLAS may be, besides the places that the library knows: nvcc's toolkit, python3's packages.
if [[ -z ${CUDA_HOME:-} ]] && nvcc=$(command -v nvcc); then
  CUDA_HOME=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
  export CUDA_HOME
fi
if [[ -z ${VIRTUAL_ENV:-} ]] && command -v python3 >/dev/null; then
  VIRTUAL_ENV=$(timeout 20 python3 -c 'import sys; print(sys.prefix)')
  export VIRTUAL_ENV
fi

# ---- words
faults=() late=()
declare -A hangs  # by device
say() { printf '%s\n' "$*" | tee -a "$results"; }
wrong() { faults+=("$*"); say "WRONG: $*"; }
left() { echo $((LIMIT - SECONDS)); }
# run DEVICE SECONDS COMMAND...: for so long at most. What it prints goes to the results; its standard
# output to the file $output instead, where that is set. Returns 0, 1: it failed, 2: it did not end.
run() {
  local device=$1 most=$2 last=0 begin=$SECONDS rc label
  shift 2
  label=${*//"$folder/bin/"/}
  say "## $label"
  if ((${hangs[$device]:-0} > 1)); then
    say "not run: $device hung twice"
    return 2
  fi
  if (($(left) < 5)); then
    late+=("$label")
    say "not run: the $LIMIT s are over"
    return 2
  fi
  if (($(left) <= most)); then most=$(left) last=1; fi
  timeout --signal=INT --kill-after=5 "$most" "$@" 2>&1 >"${output:-/dev/stdout}" | tee -a "$results"
  rc=${PIPESTATUS[0]}
  say "($((SECONDS - begin)) s)"
  if ((rc == 0)); then return 0; fi
  if ((SECONDS - begin < most)); then
    wrong "exit status $rc: $label"
    return 1
  elif ((last)); then
    late+=("$label")
    say "not finished: the $LIMIT s are over"
  elif ((rc == 137)); then  # it did not even hear Ctrl-C
    hangs[$device]=$((${hangs[$device]:-0} + 1))
    wrong "it hangs, was killed after $most s: $label"
  else
    wrong "too slow, not done after $most s: $label"
  fi
  return 2
}
# The greedy answers' trace, a line a token: its number, log-probability, entropy, layer:expert, ...
trace() {  # trace FILE DEVICE OPTIONS...: returns what run does
  local output=$1.json rc=0 question
  : >"$1.all"
  for question in "${QUESTIONS[@]}"; do
    run "$2" $QUICK "$raison" run --json --temperature 0 --max-tokens 48 --trace-experts "${@:3}" "$question" ||
      { rc=$?; break; }
    cat "$output" >>"$1.all"
  done
  sed -n 's/.*"event":"token".*"token":\([0-9]*\),.*"logprob":\([^,]*\),"entropy":\([^,]*\),.*"experts":\[\(.*\)\].*/\1 \2 \3 \4/p' "$1.all" |
    sed 's/{"layer":\([0-9]*\),"expert":\([0-9]*\),[^}]*},*/\1:\2 /g' >"$1"
  return $rc
}
# Tokens must be the CPU's, and the rest as near as core/model/end_to_end/limits.h wants a trained
# model's: log-probabilities and entropies on average, and few experts otherwise.
compare() {  # compare FILE FILE: what differs, or how far the numbers are apart
  awk '
    function apart(a, b) { return a < b ? b - a : a - b }
    NR == FNR { want[FNR] = $0; lines = FNR; next }
    {
      split(want[FNR], w)
      if ($1 != w[1]) { print "token " FNR " is " $1 ", the CPU has " w[1]; bad = 1; exit }
      logprob += apart($2, w[2])
      entropy += apart($3, w[3])
      for (i = 4; i <= NF; ++i) { ++all; others += index(want[FNR] " ", " " $i " ") == 0 }
      seen = FNR
    }
    END {
      if (bad) exit 1
      if (lines == 0 || seen != lines) { print seen + 0 " tokens, the CPU has " lines + 0; exit 1 }
      printf "on average log-probabilities are %.4f off (0.0092), entropies %.4f (0.012); %d of %d experts are others (2.8 %%)\n", \
        logprob / seen, entropy / seen, others, all
      exit !(logprob / seen <= 0.0092 && entropy / seen <= 0.012 && all > 0 && others <= 0.028 * all)
    }' "$1" "$2"
}
bench() {  # bench DEVICE SHAPE TYPE ARGUMENTS...: DEVICE may be a split, which begins with one
  run "${1%%[=,]*}" $MOST "$raison" bench --device "$1" --shape "$2" --type "$3" \
    --prompt 512 --decode 128 "${@:4}"
}
# What the splits of a model reach beside the best device alone, of the lines of $results.
splits() {
  awk '
    /^## / { name = shape = prompt = "" }
    /^## raison bench / {
      for (i = 4; i < NF; ++i) {
        if ($i == "--device") name = $(i + 1)
        if ($i == "--experts") name = name " with experts on " $(i + 1)
        if ($i == "--shape") shape = $(i + 1)
      }
    }
    name == "" || $4 != "at" || $6 != 0 { next }
    $1 == "prompt" { prompt = $7 }
    $1 == "decode" && $7 == 1 {
      told = sprintf("%s: prompt %.1f, decode %.1f tokens/s", name, prompt, $9)
      if (name ~ /[, ]/) { splits[++count] = shape " on " told; of[count] = shape }
      else if ($9 > rate[shape] + 0) { rate[shape] = $9; best[shape] = told }
    }
    END {
      for (i = 1; i <= count; ++i) {
        alone = of[i] in best ? best[of[i]] : "not measured"
        print splits[i] "; the best device alone, " alone
      }
    }' "$results"
}

# ---- the devices
: >"$results"
say "# GPUs, $(date -u +%F), $(uname -m), $("$raison" --version)"
# What a card's figures depend on besides.
! command -v nvidia-smi >/dev/null ||
  timeout --kill-after=5 $QUICK nvidia-smi --format=csv --query-gpu=name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,ecc.mode.current,mig.mode.current \
    2>&1 | tee -a "$results" || say "nvidia-smi fails, or hangs"
[[ ${VK_DRIVER_FILES:-} != "$unpacked"/* ]] ||
  say "Vulkan: $vulkan_driver is there, and no manifest that can be used: named by one of ours"
list_devices() {  # for people, and into a file
  run all $QUICK "$raison" devices && output=$unpacked/devices run all $QUICK "$raison" devices --json
}
if ! list_devices; then
  say "once more, without Vulkan"
  export RAISON_VULKAN_LOADER=none
  list_devices || { say "the devices cannot be listed: nothing was checked"; exit 1; }
fi
names=$(awk -F'"' -v all="${RAISON_GPU_ALL:-}" '
  $2 == "name" { name = $4 } $2 == "kind" { kind = $4 }
  $2 == "problem" && $4 == "" && name ~ /:/ && (all != "" || kind != "cpu") { printf "%s ", name }' \
  "$unpacked/devices")
read -r -a devices <<<"$names"
none=""
[[ " $names" == *" cuda:"* ]] || none="no GPU was found through CUDA: it was not checked"
[[ " $names" == *" vulkan:"* ]] || none+="${none:+; }no GPU was found through Vulkan: it was not checked"
[[ -z $none ]] || say "$none"
# What Vulkan's loader says of it.
[[ $none != *Vulkan* ]] || VK_LOADER_DEBUG=error,warn,driver run all $QUICK "$raison" devices
if ((${#devices[@]} == 0)); then
  say "no GPU can be used here: nothing was checked"
  exit 77
fi

# ---- right?
if trace "$unpacked/cpu" cpu --device cpu; then
  for device in "${devices[@]}"; do
    for split in "--device $device" "--device $device=4,cpu" "--device $device=4,$device" \
      "--device $device --experts own=8,cpu"; do
      # shellcheck disable=SC2086
      trace "$unpacked/here" "$device" $split
      # What fails without a token has said why.
      if (($? > 1)) || [[ ! -s $unpacked/here ]]; then continue; fi
      if verdict=$(compare "$unpacked/cpu" "$unpacked/here"); then
        say "the CPU's tokens and trace: $verdict"
      else
        wrong "not the CPU's tokens and trace: $split: $verdict"
      fi
    done
  done
fi
parts=$("$raison" selftest --list) || wrong "the parts of the selftest cannot be listed"
for device in "${devices[@]}"; do
  # One process each: what fails may take its device with it.
  for part in $parts; do
    run "$device" $MOST "$raison" selftest --backend "$device" --op "$part"
  done
done

# ---- how fast?
for device in "${devices[@]}"; do
  bench "$device" qwen2-7b q8_0 --depth 0,8192 --repeat 1
  bench "$device" v2-lite q4_k --repeat 3 --trace
done
for device in "${devices[@]}"; do
  [[ $device == cuda:* ]] || continue
  # Dense products: cuBLAS's own bf16 rate (the machine's; "not measured" where it has none), and ours.
  run "$device" $MOST "$folder/bin/raison-cuda-rate" "$folder/lib/libraison-cuda.so"
  # The kit's products are small: this takes them to cuBLAS, too.
  run "$device" $MOST env RAISON_CUBLAS_LEAST=0 "$raison" selftest --backend "$device" --op matmul
done
# What splits cost: the first device's tell.
bench "${devices[0]}=14,${devices[0]}" qwen2-7b q8_0 --repeat 1
bench "${devices[0]}=24,cpu" qwen2-7b q8_0 --repeat 1
bench "${devices[0]}" v2-lite q4_k --experts cpu --repeat 1
for device in "${devices[@]}"; do
  bench "$device" r1 q4_k --layers 5 --repeat 1
  bench "$device" qwen2-7b q8_0 --depth 0,8192 --sessions 4,16 --repeat 1
done

# ---- in short
say "# In short"
splits | tee -a "$results"
[[ -z $none ]] || say "$none"
for label in ${late[@]+"${late[@]}"}; do say "not finished in $LIMIT s: $label"; done
((${#late[@]} == 0)) || say "RAISON_GPU_SECONDS=$((LIMIT * 3)) gives it more time"
for what in ${faults[@]+"${faults[@]}"}; do say "WRONG: $what"; done
((${#faults[@]} == 0)) || exit 1
say "all that was run is right"
