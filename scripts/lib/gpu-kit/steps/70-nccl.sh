# title: two ranks of NCCL on the one GPU
# limit: 60
set -u
. "$KIT/libraries.sh"
athanor launch --help >/dev/null 2>&1 || { echo 'this build has no athanor launch'; exit 77; }
[ -n "${ATHANOR_NCCL:-}" ] || { echo 'NCCL was not found beside PyTorch'; exit 77; }
export NCCL_MULTI_RANK_GPU_ENABLE=1 NCCL_DEBUG=WARN CUDA_VISIBLE_DEVICES=0
exec athanor launch -n 2 --log-dir "$STEP_OUT/ranks" -- pretrain --data "$KIT/corpus.txt" --model tiny \
  --device cuda --steps 20 --grad-accum 2 --batch-size 8 --eval-every 0 --out "$STEP_OUT/run" --json
