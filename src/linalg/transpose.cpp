#include "linalg/transpose.hpp"

#include <cstring>

namespace tessera::linalg {
namespace {

constexpr std::size_t kBlock = 16;
using Row = float __attribute__((vector_size(kBlock * sizeof(float))));
using Lanes = int __attribute__((vector_size(kBlock * sizeof(int))));

// Four rounds of perfect shuffles of rows i and i + 8 bring element (i, j) to (j, i).
constexpr Lanes kLowHalves = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
constexpr Lanes kHighHalves = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

void transpose_block(MatrixView<const float> from, MatrixView<float> to) {
  Row rows[kBlock], shuffled[kBlock];
  for (std::size_t i = 0; i < kBlock; ++i) std::memcpy(&rows[i], from.row(i), sizeof(Row));
  for (int round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < kBlock / 2; ++i) {
      shuffled[2 * i] = __builtin_shuffle(rows[i], rows[i + kBlock / 2], kLowHalves);
      shuffled[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + kBlock / 2], kHighHalves);
    }
    for (std::size_t i = 0; i < kBlock; ++i) rows[i] = shuffled[i];
  }
  for (std::size_t i = 0; i < kBlock; ++i) std::memcpy(to.row(i), &rows[i], sizeof(Row));
}

}  // namespace

void transpose(MatrixView<const float> from, MatrixView<float> to) {
  require(to.rows == from.cols && to.cols == from.rows, "transpose into a matrix of another shape");
  const std::size_t full_rows = from.rows / kBlock * kBlock,
                    full_cols = from.cols / kBlock * kBlock;
  for (std::size_t i = 0; i < full_rows; i += kBlock) {
    for (std::size_t j = 0; j < full_cols; j += kBlock) {
      transpose_block(from.block(i, j, kBlock, kBlock), to.block(j, i, kBlock, kBlock));
    }
  }
  for (std::size_t i = 0; i < from.rows; ++i) {
    for (std::size_t j = i < full_rows ? full_cols : 0; j < from.cols; ++j) to(j, i) = from(i, j);
  }
}

}  // namespace tessera::linalg
