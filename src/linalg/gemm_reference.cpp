#include "linalg/gemm.hpp"
#include "linalg/gemm_shape.hpp"

namespace tessera::linalg {

void gemm_reference(float alpha, MatrixView<const float> a, Transposed trans_a,
                    MatrixView<const float> b, Transposed trans_b, float beta,
                    MatrixView<float> c) {
  const GemmShape shape = checked_shape(a, trans_a, b, trans_b, c);
  for (std::size_t i = 0; i < shape.m; ++i) {
    for (std::size_t j = 0; j < shape.n; ++j) {
      double sum = 0;
      for (std::size_t t = 0; t < shape.k; ++t) {
        const double left = trans_a == Transposed::yes ? a(t, i) : a(i, t);
        const double right = trans_b == Transposed::yes ? b(j, t) : b(t, j);
        sum += left * right;
      }
      const double before = beta == 0 ? 0 : beta * static_cast<double>(c(i, j));
      c(i, j) = static_cast<float>(alpha * sum + before);
    }
  }
}

}  // namespace tessera::linalg
