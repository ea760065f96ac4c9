#!/usr/bin/env bash
# Checks the GPU path of athanor on a machine with an NVIDIA driver and without network. It needs
# bash, coreutils, tar and gzip; nvcc, PyTorch and the profilers serve the steps that name them.
#
#   ./gpu-check.sh [--out FOLDER] [--only a,b] [--skip c] [--repeat N] [--list]
#
# Every step has its own limit of time, so that a hang or a crash costs that step alone. Results
# are in FOLDER as the steps end: results.json, and a log and figures per step.
set -u -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$PWD/gpu-results
only=
skip=
repeat=1
list=
steps=$here/steps

usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0"
}
fail() {
  echo "gpu-check: $1" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --out | --only | --skip | --repeat | --steps)
      [ $# -gt 1 ] || fail "$1 needs a value"
      case $1 in
        --out) out=$2 ;;
        --only) only=$2 ;;
        --skip) skip=$2 ;;
        --repeat) repeat=$2 ;;
        --steps) steps=$2 ;;
      esac
      shift 2
      ;;
    --list)
      list=1
      shift
      ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
case $repeat in
  '' | *[!0-9]* | 0) fail "--repeat expects a whole number of at least 1 but got \"$repeat\"" ;;
esac

# The value of a line "# key: value" at the head of a step.
field() {
  sed -n "s/^# $2: //p" "$1" | head -n 1
}
# Whether a list of names, separated by commas, has a name.
has() {
  case ",$1," in *",$2,"*) return 0 ;; *) return 1 ;; esac
}

names=
for file in "$steps"/*.sh; do
  [ -e "$file" ] || fail "there are no steps in $steps"
  name=$(basename "$file" .sh)
  names="$names ${name#*-}"
  [ -z "$list" ] || printf '%-14s %4s s  %s\n' "${name#*-}" "$(field "$file" limit)" "$(field "$file" title)"
done
[ -z "$list" ] || exit 0
for name in ${only//,/ } ${skip//,/ }; do
  has "$(echo $names | tr ' ' ',')" "$name" || fail "there is no step $name; the steps are$names"
done

# The program is unpacked beside this script, or where the results go if that cannot be written.
mkdir -p "$out" || fail "cannot write $out"
out=$(cd "$out" && pwd)
kit=$here/kit
if [ ! -e "$kit/complete" ] && [ -e "$here/kit.tar.gz" ]; then
  mkdir -p "$kit" 2>/dev/null && [ -w "$kit" ] || kit=$out/kit
  mkdir -p "$kit" || fail "cannot write $kit"
  echo "unpacking to $kit"
  tar -xzf "$here/kit.tar.gz" -C "$kit" || fail "kit.tar.gz is damaged or the disk is full"
  touch "$kit/complete"
fi
export KIT=$kit
export PATH=$kit/bin:$PATH
export LD_LIBRARY_PATH=$kit/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export ATHANOR_CACHE=$out/cache

json_text() {
  printf '%s' "$1" | tr -d '\000-\010\013-\037' | sed 's/\\/\\\\/g; s/"/\\"/g' | tr '\n\t' '  '
}

results=
write_results() {
  {
    printf '{"version": 1, "date": "%s", "host": "%s",\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(json_text "$(uname -srm)")"
    printf ' "device": "%s",\n "steps": [\n%s\n]}\n' "$(json_text "$1")" "$results"
  } >"$out/results.json.tmp" && mv "$out/results.json.tmp" "$out/results.json"
}

if [ -x "$kit/bin/device" ]; then
  device=$("$kit/bin/device" 2>&1)
  code=$?
else
  device=
  code=0
fi
if [ $code -ne 0 ]; then
  write_results "$device"
  echo "no GPU to check: $device" >&2
  exit 3
fi
echo "device: ${device:-not looked at}"

# Ends with the step, or with its limit: then every process of its group is killed.
run_step() {
  local file=$1 log=$2 limit=$3
  timeout --kill-after=5 "$limit" bash "$file" >"$log" 2>&1
}

total=0
passed=0
for round in $(seq "$repeat"); do
  for file in "$steps"/*.sh; do
    name=$(basename "$file" .sh)
    name=${name#*-}
    if [ -n "$only" ] && ! has "$only" "$name"; then continue; fi
    if [ -n "$skip" ] && has "$skip" "$name"; then continue; fi
    folder=$out/$name
    [ "$repeat" -eq 1 ] || folder=$out/$name-$round
    mkdir -p "$folder"
    limit=$(field "$file" limit)
    title=$(field "$file" title)
    printf '%s: %s (at most %s s)\n' "$name" "$title" "$limit"
    export STEP_OUT=$folder
    begin=$(date +%s%N)
    run_step "$file" "$folder/log.txt" "$limit"
    code=$?
    milliseconds=$((($(date +%s%N) - begin) / 1000000))
    case $code in
      0) status=passed ;;
      77) status=skipped ;;
      124 | 137) status='timed out' ;;
      *) if [ $code -gt 128 ]; then status=crashed; else status=failed; fi ;;
    esac
    last=$(tail -n 1 "$folder/log.txt" | cut -c 1-400)
    echo "  $status in $((milliseconds / 1000)).$(printf '%03d' $((milliseconds % 1000))) s${last:+: $last}"
    [ -z "$results" ] || results="$results,
"
    results="$results  {\"step\": \"$name\", \"title\": \"$(json_text "$title")\", \"status\": \"$status\", \"code\": $code, \"seconds\": $((milliseconds / 1000)).$(printf '%03d' $((milliseconds % 1000))), \"limit\": $limit, \"folder\": \"$(basename "$folder")\", \"last\": \"$(json_text "$last")\"}"
    write_results "$device"
    total=$((total + 1))
    case $status in passed | skipped) passed=$((passed + 1)) ;; esac
  done
done
[ $total -gt 0 ] || write_results "$device"
echo "$passed of $total steps passed; results in $out/results.json"
[ $passed -eq $total ]
