# title: the three slowest kernels of a training step, by ncu
# limit: 30
set -u -o pipefail
. "$KIT/libraries.sh"
command -v ncu >/dev/null || { echo 'ncu is not on the PATH'; exit 77; }
ncu --target-processes all --launch-count 40 --launch-skip 200 --csv \
  --metrics gpu__time_duration.sum,sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed \
  node "$KIT/dist/cli/main.js" bench train --device cuda --dtype bf16 --model gpt2 --context 1024 \
  --batch-size 8 --steps 1 --warmup-steps 1 --json >"$STEP_OUT/kernels.csv"
code=$?
grep gpu__time_duration "$STEP_OUT/kernels.csv" | awk -F'","' '{gsub(/[",]/, "", $NF); print $NF, $5}' |
  sort -rn | head -n 3
exit $code
