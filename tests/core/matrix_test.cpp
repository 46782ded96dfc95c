#include "core/matrix.hpp"

#include <cstdint>
#include <utility>

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(Matrix, EmptyOnesHoldNothing) {
  EXPECT_TRUE(Matrix<float>().empty());
  const Matrix<float> no_rows(0, 5);
  EXPECT_EQ(no_rows.size(), 0u);
  EXPECT_EQ(no_rows.cols(), 5u);
  EXPECT_TRUE(no_rows.span().empty());
  EXPECT_TRUE(no_rows.copy().empty());
}

TEST(Matrix, BeginsAsZerosOnAnAlignedAddress) {
  const Matrix<double> matrix(3, 5);
  for (const double value : matrix.span()) EXPECT_EQ(value, 0.0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrix.data()) % 64, 0u);
}

TEST(Matrix, IsRowMajor) {
  Matrix<int> matrix(2, 3);
  matrix(1, 2) = 7;
  EXPECT_EQ(matrix.data()[5], 7);
  EXPECT_EQ(matrix.row(1)[2], 7);
  EXPECT_EQ(std::as_const(matrix)(1, 2), 7);
}

TEST(Matrix, CopiesAreApartAndMovesTakeAll) {
  Matrix<int> matrix(2, 2);
  Matrix<int> copy = matrix.copy();
  copy(0, 0) = 1;
  EXPECT_EQ(matrix(0, 0), 0);
  const int* data = copy.data();
  const Matrix<int> moved = std::move(copy);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved(0, 0), 1);
}

TEST(MatrixView, BlocksSeeTheSameElements) {
  Matrix<int> matrix(4, 5);
  for (int k = 0; k < 20; ++k) matrix.data()[k] = k;
  const MatrixView<int> block = matrix.view().block(1, 2, 2, 3);
  EXPECT_EQ(block.rows, 2u);
  EXPECT_EQ(block.ld, 5u);
  EXPECT_FALSE(block.is_contiguous());
  EXPECT_EQ(block(0, 0), 7);
  EXPECT_EQ(block(1, 2), 14);
  block(1, 2) = -1;
  EXPECT_EQ(matrix(2, 4), -1);
  EXPECT_EQ(block.row_span(1).size(), 3u);

  const MatrixView<const int> rows = matrix.view().middle_rows(3, 1);  // mutable becomes constant
  EXPECT_TRUE(rows.is_contiguous());
  EXPECT_EQ(rows(0, 4), 19);
}

TEST(MatrixView, BlocksMayBeEmpty) {
  Matrix<int> matrix(2, 2);
  EXPECT_EQ(matrix.view().block(0, 0, 0, 2).rows, 0u);
  EXPECT_EQ(matrix.view().middle_rows(0, 2).rows, 2u);
}

#ifdef TESSERA_DEBUG_CHECKS
TEST(MatrixView, DebugBuildsCheckIndices) {
  Matrix<int> matrix(2, 3);
  EXPECT_THROW(matrix(2, 0), Bug);
  EXPECT_THROW(matrix(0, 3), Bug);
  EXPECT_THROW(matrix.row(2), Bug);
  EXPECT_THROW(matrix.view().block(1, 0, 2, 1), Bug);
}
#endif

}  // namespace
}  // namespace tessera
