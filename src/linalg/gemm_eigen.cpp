#include <Eigen/Core>

#include "linalg/gemm.hpp"
#include "linalg/gemm_shape.hpp"

namespace tessera::linalg {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMap = Eigen::Map<const RowMajor, Eigen::Unaligned, Eigen::OuterStride<>>;
using Map = Eigen::Map<RowMajor, Eigen::Unaligned, Eigen::OuterStride<>>;

template <class Mapped, class T>
Mapped map(MatrixView<T> view) {
  const auto index = [](std::size_t extent) { return static_cast<Eigen::Index>(extent); };
  return {view.data, index(view.rows), index(view.cols), Eigen::OuterStride<>(index(view.ld))};
}

}  // namespace

void gemm(float alpha, MatrixView<const float> a, Transposed trans_a, MatrixView<const float> b,
          Transposed trans_b, float beta, MatrixView<float> c) {
  const GemmShape shape = checked_shape(a, trans_a, b, trans_b, c);
  if (beta != 1) scale_in_place(beta, c);
  if (shape.m == 0 || shape.n == 0 || shape.k == 0) return;
  const auto op_a = map<ConstMap>(a);
  const auto op_b = map<ConstMap>(b);
  auto out = map<Map>(c);
  const bool flip_a = trans_a == Transposed::yes;
  const bool flip_b = trans_b == Transposed::yes;
  if (!flip_a && !flip_b) out.noalias() += alpha * op_a * op_b;
  if (!flip_a && flip_b) out.noalias() += alpha * op_a * op_b.transpose();
  if (flip_a && !flip_b) out.noalias() += alpha * op_a.transpose() * op_b;
  if (flip_a && flip_b) out.noalias() += alpha * op_a.transpose() * op_b.transpose();
}

}  // namespace tessera::linalg
