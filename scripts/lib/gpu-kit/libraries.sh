# cuBLASLt and NCCL are where PyTorch's wheels put them.
site=$(python3 -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))' 2>/dev/null)
find_library() {
  find "$site/nvidia" -name "$1" 2>/dev/null | sort | tail -n 1
}
if [ -n "$site" ]; then
  cublaslt=$(find_library 'libcublasLt.so.*')
  nccl=$(find_library 'libnccl.so.*')
  [ -z "$cublaslt" ] || export ATHANOR_CUBLASLT=${ATHANOR_CUBLASLT:-$cublaslt}
  [ -z "$nccl" ] || export ATHANOR_NCCL=${ATHANOR_NCCL:-$nccl}
fi
