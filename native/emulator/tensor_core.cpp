#include "emulator/tensor_core.h"

#include <cstring>

#include "emulator/state.h"

namespace athanor::emulator {
namespace {

float low_half(uint32_t pair) { return __uint_as_float(pair << 16); }
float high_half(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

/// Puts the four registers of a lane into their places in a 16 x 16 fragment.
void place_a(float (*a)[16], int first_row, int lane, const uint32_t* registers) {
  for (int i = 0; i < 4; ++i) {
    const int row = first_row + lane / 4 + i % 2 * 8, column = lane % 4 * 2 + i / 2 * 8;
    a[row][column] = low_half(registers[i]);
    a[row][column + 1] = high_half(registers[i]);
  }
}

}  // namespace

void run_matrix_product(uint32_t, void* const* arguments) {
  ++stats().matrix_products;
  float a[16][16], b[16][8], d[16][8] = {};
  for (int lane = 0; lane < 32; ++lane) {
    const auto& own = *static_cast<MatrixProductArgument*>(arguments[lane]);
    place_a(a, 0, lane, own.a);
    for (int i = 0; i < 2; ++i) {
      const int k = lane % 4 * 2 + i * 8;
      b[k][lane / 4] = low_half(own.b[i]);
      b[k + 1][lane / 4] = high_half(own.b[i]);
    }
  }
  for (int i = 0; i < 16; ++i)
    for (int k = 0; k < 16; ++k)
      for (int j = 0; j < 8; ++j) d[i][j] += a[i][k] * b[k][j];
  for (int lane = 0; lane < 32; ++lane) {
    float* own = static_cast<MatrixProductArgument*>(arguments[lane])->d;
    for (int i = 0; i < 4; ++i) own[i] += d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

void run_matrix_load(uint32_t, void* const* arguments) {
  ++stats().matrix_loads;
  const auto& first = *static_cast<MatrixLoadArgument*>(arguments[0]);
  for (int m = 0; m < first.matrices; ++m) {
    const unsigned char* rows[8];
    unsigned banks_used = 0;
    for (int i = 0; i < 8; ++i) {
      rows[i] = static_cast<MatrixLoadArgument*>(arguments[8 * m + i])->row;
      const unsigned banks = 1u << (shared_offset(rows[i]) / 16 % 8);
      stats().bank_conflicts += (banks_used & banks) != 0;
      banks_used |= banks;
    }
    for (int lane = 0; lane < 32; ++lane) {
      const int i = lane / 4, c = lane % 4 * 2;
      uint16_t pair[2];
      for (int e = 0; e < 2; ++e) {
        const unsigned char* source = first.transposed ? rows[c + e] + i * 2 : rows[i] + (c + e) * 2;
        std::memcpy(&pair[e], source, 2);
      }
      static_cast<MatrixLoadArgument*>(arguments[lane])->registers[m] =
          pair[0] | static_cast<uint32_t>(pair[1]) << 16;
    }
  }
}

void matrix_load(uint32_t* registers, const void* row, int matrices, bool transposed, Site site) {
  MatrixLoadArgument argument{registers, static_cast<const unsigned char*>(row), matrices, transposed};
  if (static_cast<int>(self->lane) < 8 * matrices) {
    check_shared(row, 16, 16, "a row of ldmatrix", site);
    note_access(row, 16, false, site);
  }
  warp_operation(WarpKind::kMatrixLoad, "ldmatrix", 0xffffffffu, &argument, run_matrix_load, true, site);
}

}  // namespace athanor::emulator
