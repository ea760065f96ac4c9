# title: every inline instruction against the host, clocks and copy bandwidth
# limit: 60
set -u
nvidia-smi -q -d CLOCK,POWER,TEMPERATURE 2>/dev/null | head -60
node "$KIT/peaks.mjs" >"$STEP_OUT/figures.json" || cat "$STEP_OUT/figures.json"
exec athanor_test_gpu instruction_
