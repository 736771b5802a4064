#!/usr/bin/env bash
# Every test of the project, in stages; each stage is timed, a failed one does not stop the others.
#
#   tests/run.sh                 everything (needs root or sudo once, for packages)
#   tests/run.sh --no-setup      leaves the system's packages alone
#   tests/run.sh --list          names the stages
#   tests/run.sh STAGE...        only these (a stage builds what it needs)
#
# Ends with a table of times, a list of all that was skipped and why, and on a line of its own
# "N passed, N failed, N skipped". Logs: build/logs/STAGE.log. The stages themselves are in
# tests/stages.sh.
set -uo pipefail

cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8  # a bare machine has none, and Java then knows no é in a path
readonly ROOT=$PWD
readonly LOGS=$ROOT/build/logs
readonly JOBS=$(nproc)
mkdir -p "$LOGS"

# shellcheck source=tests/stages.sh
source "$ROOT/tests/stages.sh"

declare -a chosen=()
setup=1
for arg in "$@"; do
  case "$arg" in
    --no-setup) setup=0 ;;
    --list) printf '%s\n' "${STAGES[@]}"; exit 0 ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "run.sh: unknown option '$arg' (try --help)" >&2; exit 2 ;;
    *)
      [[ " ${STAGES[*]} " == *" $arg "* ]] || {
        echo "run.sh: no stage '$arg'; there are: ${STAGES[*]}" >&2
        exit 2
      }
      chosen+=("$arg")
      ;;
  esac
done
((${#chosen[@]})) || chosen=("${STAGES[@]}")
((setup)) || chosen=("${chosen[@]/#setup/}")

passed=0 failed=0 skipped=0
declare -a table=() skips=() failures=()

# A stage is a function stage_NAME run in a subshell under set -e. It may call
#   count PASSED FAILED SKIPPED   to report single tests (else the stage itself counts as one), and
#   skip "reason"                 to end early, or note_skip "reason" to go on without a part.
run_stage() {
  local name=$1 start=$EPOCHSECONDS
  export STAGE_NOTES=$LOGS/$name.notes
  : >"$STAGE_NOTES"
  rm -f "$LOGS/$name.end"
  printf '%(%T)T  %s\n' -1 "$name"
  ( set -euo pipefail; "stage_${name//-/_}" ) >"$LOGS/$name.log" 2>&1
  echo "$? $((EPOCHSECONDS - start))" >"$LOGS/$name.end"
  judge "$name"
  printf '%(%T)T  %-14s %-8s %5d s\n' -1 "$name" "$result" "$seconds"
  if [[ $result == FAILED ]]; then
    printf -- '---- last lines of build/logs/%s.log\n' "$name"
    tail -n 60 "$LOGS/$name.log"
    printf -- '----\n'
  fi
}

# What a stage that has ended left behind: its result, seconds, and how much passed (p), failed (f) and
# was skipped (s), with the reasons in `why`.
judge() {
  local name=$1 rc=1 key reason a b c
  p=0 f=0 s=0 why=() seconds=0
  [[ ! -f $LOGS/$name.end ]] || read -r rc seconds <"$LOGS/$name.end"
  while IFS=$'\t' read -r key reason; do
    case "$key" in
      count) read -r a b c <<<"$reason"; ((p += a, f += b, s += c)) ;;
      skip) why+=("$name: $reason"); ((s += 1)) ;;
      listed) why+=("$name: $reason") ;;
    esac
  done <"$LOGS/$name.notes"
  if ((rc == 77)); then
    result=skipped
  elif ((rc != 0 || f > 0)); then
    result=FAILED
    ((f > 0)) || f=1
  else
    result=ok
    ((p > 0)) || p=1
  fi
}

total=$EPOCHSECONDS
for name in "${chosen[@]}"; do
  [[ $name ]] || continue
  case "$name" in
    "$BESIDE")
      set -m  # a process group of its own, which ends with this script
      run_stage "$name" &
      trap "kill -- -$! 2>/dev/null" EXIT
      set +m
      ;;
    "$ALONE") wait; run_stage "$name" ;;
    *) run_stage "$name" ;;
  esac
done
wait

for name in "${chosen[@]}"; do
  [[ $name ]] || continue
  judge "$name"
  [[ $result != FAILED ]] || failures+=("$name")
  skips+=("${why[@]}")
  ((passed += p, failed += f, skipped += s))
  table+=("$(printf '%-14s %-8s %5d s   %d passed, %d failed, %d skipped' \
    "$name" "$result" "$seconds" "$p" "$f" "$s")")
done

printf '\nStages (%d s in all):\n' $((EPOCHSECONDS - total))
printf '  %s\n' "${table[@]}"
if ((${#skips[@]})); then
  printf '\nSkipped:\n'
  printf '  %s\n' "${skips[@]}"
fi
((${#failures[@]})) && printf '\nFailed stages: %s\n' "${failures[*]}"
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0))
