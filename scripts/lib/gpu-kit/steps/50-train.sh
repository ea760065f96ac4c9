# title: training 124M in bf16 beside PyTorch, and 1.5B
# limit: 120
set -u -o pipefail
. "$KIT/libraries.sh"
common='--device cuda --dtype bf16 --context 1024 --json'
athanor bench train --model gpt2 --batch-size 16 --steps 8 --warmup-steps 3 --peer torch $common \
  >"$STEP_OUT/figures.json" ||
  athanor bench train --model gpt2 --batch-size 16 --steps 8 --warmup-steps 3 $common >"$STEP_OUT/figures.json"
code=$?
athanor bench train --model gpt2-xl --batch-size 4 --steps 4 --warmup-steps 2 $common \
  >"$STEP_OUT/large.json" || code=1
cat "$STEP_OUT/figures.json" "$STEP_OUT/large.json"
exit $code
