# How the kernels are compiled, for the addon and for the test program alike.

# Machine code for Ampere and its kin, and for Hopper with all its features; for what comes after the PTX that
# Ampere's is made from, which costs no pass of its own.
set(athanor_cuda_options $<$<COMPILE_LANGUAGE:CUDA>:-O3
  -gencode=arch=compute_80,code=[sm_80,compute_80] -gencode=arch=compute_90a,code=sm_90a>)
# The same bits as the CPU's: no fused multiply-adds but those that are spelled out.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/random.cu ${CMAKE_CURRENT_LIST_DIR}/optimizer.cu
  PROPERTIES COMPILE_OPTIONS --fmad=false)
