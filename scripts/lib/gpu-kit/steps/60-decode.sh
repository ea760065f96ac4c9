# title: decoding one and 64 sequences, and rollouts and updates of PPO
# limit: 60
set -u
. "$KIT/libraries.sh"
code=0
for batch in 1 64; do
  athanor bench generate --device cuda --dtype bf16 --model gpt2 --batch-size $batch --repeats 3 --json \
    >"$STEP_OUT/batch-$batch.json" || code=1
done
athanor bench ppo --device cuda --dtype bf16 --model gpt2 --iterations 1 --json >"$STEP_OUT/ppo.json" || code=1
cat "$STEP_OUT"/*.json
exit $code
