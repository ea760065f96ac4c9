# title: rates of the kernels, and their share of the measured peak
# limit: 90
set -o pipefail
. "$KIT/libraries.sh"
athanor bench kernels --device cuda --repeats 7 --json | tee "$STEP_OUT/figures.json" | tail -c 300
