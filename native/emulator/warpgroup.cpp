// wgmma: products that a warpgroup starts and later waits for.
#include <cmath>
#include <cstring>

#include "emulator/state.h"
#include "emulator/tensor_core.h"

namespace athanor::emulator {
namespace {

/// The fields of a wgmma descriptor, in bytes.
struct Descriptor {
  uint32_t address, leading, stride;
  explicit Descriptor(uint64_t bits)
      : address(static_cast<uint32_t>(bits & 0x3fff) << 4),
        leading(static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4),
        stride(static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4) {}
};

float bf16_float(uint32_t bits) { return __uint_as_float(bits << 16); }

/// Eight elements that lie side by side in the unswizzled tile.
void load_piece(uint32_t offset, float* out, int step, Site site) {
  const unsigned char* piece = shared_arena + (offset ^ (offset >> 7 & 7) << 4);
  note_access(piece, 16, false, site, AccessKind::kAsync);
  uint16_t bits[8];
  std::memcpy(bits, piece, sizeof bits);
  for (int i = 0; i < 8; ++i) out[i * step] = bf16_float(bits[i]);
}

void load_a(float (*a)[16], const PendingProduct& product) {
  if (!product.a_in_registers) {
    const Descriptor of(product.a);
    for (uint32_t row = 0; row < 64; ++row)
      for (uint32_t k = 0; k < 16; k += 8)
        load_piece(of.address + row / 8 * of.stride + row % 8 * 128 + k * 2, &a[row][k], 1, product.site);
    return;
  }
  for (int t = 0; t < 128; ++t) {
    for (int i = 0; i < 4; ++i) {
      const int row = t / 32 * 16 + t % 32 / 4 + i % 2 * 8, column = t % 4 * 2 + i / 2 * 8;
      a[row][column] = bf16_float(product.a_registers[t][i] & 0xffffu);
      a[row][column + 1] = bf16_float(product.a_registers[t][i] >> 16);
    }
  }
}

void load_b(float (*b)[256], const PendingProduct& product) {
  const Descriptor of(product.b);
  const auto columns = static_cast<uint32_t>(product.columns);
  if (product.b_transposed) {
    for (uint32_t k = 0; k < 16; ++k)
      for (uint32_t n = 0; n < columns; n += 8)
        load_piece(of.address + n / 64 * of.leading + k / 8 * of.stride + k % 8 * 128 + n % 64 * 2, &b[k][n],
                   1, product.site);
    return;
  }
  for (uint32_t n = 0; n < columns; ++n)
    for (uint32_t k = 0; k < 16; k += 8)
      load_piece(of.address + n / 8 * of.stride + n % 8 * 128 + k * 2, &b[k][n], 256, product.site);
}

void run(const PendingProduct& product) {
  static float a[64][16], b[16][256], d[64][256];
  const int columns = product.columns;
  load_a(a, product);
  load_b(b, product);
  for (int r = 0; r < 64; ++r) {
    for (int n = 0; n < columns; ++n) d[r][n] = 0.0f;
    for (int k = 0; k < 16; ++k)
      for (int n = 0; n < columns; ++n) d[r][n] += a[r][k] * b[k][n];
  }
  for (int t = 0; t < 128; ++t) {
    float* own = product.d[t];
    for (int i = 0; i < columns / 2; ++i) {
      const float value = d[t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8][i / 4 * 8 + t % 4 * 2 + i % 2];
      own[i] = product.accumulate ? own[i] + value : value;
    }
  }
}

Warpgroup& own_group() { return machine.warpgroups[machine.current->warp_index / 4]; }

void start(void* const* arguments) {
  Warpgroup& group = own_group();
  if (!group.fenced) return fail("wgmma without a wgmma.fence after the last wait", group.site);
  const auto& first = *static_cast<WarpgroupProductArgument*>(arguments[0]);
  PendingProduct product;
  product.a_in_registers = first.a_registers != nullptr;
  product.a = first.a;
  product.b = first.b;
  product.columns = first.columns;
  product.b_transposed = first.b_transposed;
  product.accumulate = first.accumulate;
  product.group = group.open_group;
  product.site = group.site;
  for (int t = 0; t < 128; ++t) {
    const auto& own = *static_cast<WarpgroupProductArgument*>(arguments[t]);
    product.d[t] = own.d;
    if (product.a_in_registers) std::memcpy(product.a_registers[t], own.a_registers, 16);
  }
  if (!options().async_late) return run(product);
  for (int t = 0; t < 128 && !product.accumulate; ++t) std::fill_n(product.d[t], product.columns / 2, NAN);
  group.products.push_back(product);
}

}  // namespace

void warpgroup_product(WarpgroupProductArgument argument, Site site) {
  warpgroup_operation("wgmma", &argument, start, site);
}

void warpgroup_fence(Site site) {
  warpgroup_operation("wgmma.fence", nullptr, [](void* const*) { own_group().fenced = true; }, site);
}

void warpgroup_commit(Site site) {
  warpgroup_operation("wgmma.commit_group", nullptr, [](void* const*) { ++own_group().open_group; }, site);
}

void warpgroup_wait(unsigned groups_left, Site site) {
  warpgroup_operation(
      "wgmma.wait_group", &groups_left,
      [](void* const* arguments) {
        Warpgroup& group = own_group();
        group.fenced = false;
        const unsigned left = *static_cast<unsigned*>(arguments[0]);
        size_t done = 0;
        while (done < group.products.size() && group.products[done].group + left < group.open_group) {
          run(group.products[done++]);
        }
        group.products.erase(group.products.begin(), group.products.begin() + static_cast<ptrdiff_t>(done));
      },
      site);
}

void set_registers(int count, bool is_more, Site site) {
  if (count < 24 || count > 256 || count % 8 != 0) {
    return fail("setmaxnreg takes multiples of 8 from 24 to 256, not " + std::to_string(count), site);
  }
  warpgroup_operation(is_more ? "setmaxnreg.inc" : "setmaxnreg.dec", nullptr, [](void* const*) {}, site);
}

}  // namespace athanor::emulator
