// Copies that land later: cp.async, and bulk and tensor copies that complete on an mbarrier.
#pragma once

#include "emulator/runtime.h"

namespace athanor::emulator {

void async_copy(void* to, const void* from, unsigned bytes, unsigned source_bytes, Site site);
void async_commit();
void async_wait(unsigned groups_left);

void mbarrier_init(uint64_t* barrier, unsigned count, Site site);
void mbarrier_arrive(uint64_t* barrier, Site site);
void mbarrier_expect(uint64_t* barrier, unsigned bytes, Site site);
void mbarrier_wait(uint64_t* barrier, unsigned parity, Site site);

/// A two-dimensional bf16 array and the box that one copy takes; rows of 64 elements
/// land 128-byte swizzled.
struct TensorView {
  const unsigned char* base;
  uint64_t columns, rows, stride_bytes;
  unsigned box_columns, box_rows;
};

/// One bulk copy: flat bytes, or a box of a tensor where `view` has a base.
struct BulkCopy {
  void* to;
  const void* from;
  unsigned bytes;
  uint64_t* barrier;
  TensorView view;
  int column, row;
};
void bulk_copy(const BulkCopy& copy, Site site);

}  // namespace athanor::emulator
