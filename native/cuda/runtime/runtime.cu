// cuda/memory.h and cuda/ptx.h's host side on a GPU. Memory comes from the driver's stream-ordered
// pool, which keeps what is freed and hands it out again without waiting for the kernels that
// still use it.
#include <cudaTypedefs.h>
#include <dlfcn.h>
#include <nvtx3/nvToolsExt.h>

#include <cstdlib>

#include "core/operation.h"
#include "cuda/gpu.h"
#include "cuda/graph.h"
#include "cuda/runtime/diagnosis.h"
#include "cuda/runtime/graph.h"
#include "cuda/runtime/queue_log.h"
#include "cuda/runtime/streams.h"
#include "cuda/runtime/upload.h"

namespace athanor::cuda {
namespace {

struct Device {
  DeviceFacts facts;
  std::string problem;  // empty: it can be used
  cudaStream_t stream = nullptr;
  cudaMemPool_t pool = nullptr;
  int multiprocessors = 1;
  QueueLog queued;
  Uploader uploader;
};

/// The driver's own version: the runtime does not report it when the driver is too old to start.
void ask_driver(DeviceFacts& facts) {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  facts.driver_found = library != nullptr;
  if (library == nullptr) return;
  using GetVersion = int (*)(int*);
  if (const auto get_version = reinterpret_cast<GetVersion>(dlsym(library, "cuDriverGetVersion"))) {
    get_version(&facts.driver_version);
  }
}

/// ATHANOR_CUDA_DEVICE, by which the ranks on one machine take a GPU each; beyond the last it goes
/// on with the first.
int chosen_device(int count) {
  const char* chosen = std::getenv("ATHANOR_CUDA_DEVICE");
  const int number = chosen != nullptr ? std::atoi(chosen) : 0;
  return count > 0 && number > 0 ? number % count : 0;
}

void start(Device& device) {
  DeviceFacts& facts = device.facts;
  ask_driver(facts);
  cudaRuntimeGetVersion(&facts.runtime_version);
  if (!facts.driver_found) return;
  if (const cudaError_t status = cudaGetDeviceCount(&facts.device_count); status != cudaSuccess) {
    facts.device_count = 0;
    facts.count_error = cudaGetErrorString(status);
    return;
  }
  cudaDeviceProp properties;
  const int index = chosen_device(facts.device_count);
  if (facts.device_count == 0 || cudaGetDeviceProperties(&properties, index) != cudaSuccess) return;
  facts.name = properties.name;
  facts.capability_major = properties.major;
  facts.capability_minor = properties.minor;
  device.multiprocessors = properties.multiProcessorCount;
  if (facts.capability_major < 8) return;
  cudaError_t status = cudaSetDevice(index);
  if (status == cudaSuccess) status = cudaStreamCreateWithFlags(&device.stream, cudaStreamNonBlocking);
  if (status == cudaSuccess) status = cudaMemGetInfo(&facts.free_bytes, &facts.total_bytes);
  if (status == cudaSuccess) status = cudaDeviceGetDefaultMemPool(&device.pool, index);
  uint64_t keep = UINT64_MAX;  // nothing goes back to the driver before memory is short
  if (status == cudaSuccess) {
    status = cudaMemPoolSetAttribute(device.pool, cudaMemPoolAttrReleaseThreshold, &keep);
  }
  if (status == cudaSuccess) return;
  facts.start_error = cudaGetErrorString(status);
  facts.is_out_of_memory = status == cudaErrorMemoryAllocation;
  facts.is_busy = status == cudaErrorDevicesUnavailable;
}

Device& device() {
  static Device* instance = [] {
    auto* made = new Device;
    start(*made);
    made->problem = explain(made->facts);
    return made;
  }();
  return *instance;
}

/// The device, or ERR_CUDA_UNAVAILABLE with the reason.
Device& usable_device() {
  Device& d = device();
  expect(d.problem.empty(), ErrorCode::kCudaUnavailable, d.problem);
  return d;
}

uint64_t pool_number(cudaMemPoolAttr attribute) {
  uint64_t number = 0;
  cudaMemPoolGetAttribute(usable_device().pool, attribute, &number);
  return number;
}

double gibibytes(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

}  // namespace

void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const QueueLog& queued = device().queued;
  fail_about(queued.newest(what), ErrorCode::kInternal, "the GPU answered ", cudaGetErrorName(status), ": ",
             cudaGetErrorString(status), queued.suspects());
}

void check_launch() {
  usable_device().queued.add(current_operation());
  check_cuda(cudaGetLastError(), "launch");
}

cudaStream_t current_stream() {
  const cudaStream_t exchange = exchange_stream();
  return exchange != nullptr ? exchange : usable_device().stream;
}
int multiprocessors() { return usable_device().multiprocessors; }
int compute_capability() {
  const DeviceFacts& facts = usable_device().facts;
  return facts.capability_major * 10 + facts.capability_minor;
}

void* allocate_unrecorded(size_t bytes) {
  Device& d = usable_device();
  const cudaStream_t stream = recording_memory() != nullptr ? memory_stream() : d.stream;
  void* pointer = nullptr;
  const cudaError_t status = cudaMallocAsync(&pointer, bytes == 0 ? 1 : bytes, stream);
  if (status == cudaSuccess) return pointer;
  cudaGetLastError();
  expect(status == cudaErrorMemoryAllocation, ErrorCode::kInternal, cudaGetErrorString(status));
  const MemoryStats stats = memory_stats();
  const uint64_t own = stats.allocated_bytes + stats.cached_bytes;
  size_t free_bytes = 0, total = d.facts.total_bytes;
  cudaMemGetInfo(&free_bytes, &total);
  const uint64_t others = total - free_bytes > own ? total - free_bytes - own : 0;
  fail(ErrorCode::kOutOfMemory, "asked for ", gibibytes(bytes), " GiB on ", d.facts.name, " with ",
       gibibytes(stats.allocated_bytes), " GiB in tensors, ", gibibytes(stats.cached_bytes),
       " GiB kept for reuse and ", gibibytes(others), " GiB of other programs and the driver, of ",
       gibibytes(total), " GiB; ", kMemoryRemedy);
}

void free_unrecorded(void* pointer, size_t) noexcept {
  cudaFreeAsync(pointer, recording_memory() != nullptr ? memory_stream() : device().stream);
}

void copy_to_device(void* to, const void* from, size_t bytes) {
  expect_no_recording("a copy to the GPU");
  Device& d = usable_device();
  d.uploader.copy(to, from, bytes, d.stream);
}

void copy_to_host(void* to, const void* from, size_t bytes) {
  expect_no_recording("a copy from the GPU");
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, current_stream()), "copy from the GPU");
  synchronize();
}

void copy_on_device(void* to, const void* from, size_t bytes) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, current_stream()), "copy on the GPU");
}

void fill_zero(void* pointer, size_t bytes) {
  check_cuda(cudaMemsetAsync(pointer, 0, bytes, current_stream()), "fill");
}

void synchronize() {
  expect_no_recording("a wait for the GPU");
  Device& d = usable_device();
  check_cuda(cudaStreamSynchronize(d.stream), "synchronise");
  d.queued.clear();
}

void begin_range(const char* name) noexcept { nvtxRangePushA(name); }
void end_range() noexcept { nvtxRangePop(); }

MemoryStats memory_stats() {
  const uint64_t used = pool_number(cudaMemPoolAttrUsedMemCurrent);
  return {used, pool_number(cudaMemPoolAttrUsedMemHigh),
          pool_number(cudaMemPoolAttrReservedMemCurrent) - used, usable_device().facts.total_bytes};
}

DeviceStatus device_status() {
  const Device& d = device();
  if (!d.problem.empty()) return {false, d.problem};
  return {true, d.facts.name};
}

TensorMap make_tensor_map(const void* base, uint64_t columns, uint64_t rows, uint64_t stride_bytes,
                          uint32_t box_rows) {
  static const auto encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found;
    check_cuda(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault,
                                                &found),
               "tensor map");
    return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function);
  }();
  CUtensorMap map;
  const cuuint64_t sizes[2] = {columns, rows}, strides[1] = {stride_bytes};
  const cuuint32_t box[2] = {64, box_rows}, steps[2] = {1, 1};
  const CUresult status =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void*>(base), sizes, strides, box, steps,
             CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  expect(status == CUDA_SUCCESS, ErrorCode::kInternal, "the driver answered ", static_cast<int>(status));
  return map;
}

}  // namespace athanor::cuda
