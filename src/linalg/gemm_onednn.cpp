#include <oneapi/dnnl/dnnl.h>

#include "linalg/gemm.hpp"
#include "linalg/gemm_shape.hpp"

namespace tessera::linalg {
namespace {

char letter(Transposed transposed) {
  return transposed == Transposed::yes ? 'T' : 'N';
}

}  // namespace

void gemm(float alpha, MatrixView<const float> a, Transposed trans_a, MatrixView<const float> b,
          Transposed trans_b, float beta, MatrixView<float> c) {
  const GemmShape shape = checked_shape(a, trans_a, b, trans_b, c);
  if (shape.k == 0) return scale_in_place(beta, c);
  if (shape.m == 0 || shape.n == 0) return;
  const auto size = [](std::size_t extent) { return static_cast<dnnl_dim_t>(extent); };
  const dnnl_status_t status =
      dnnl_sgemm(letter(trans_a), letter(trans_b), size(shape.m), size(shape.n), size(shape.k),
                 alpha, a.data, size(a.ld), b.data, size(b.ld), beta, c.data, size(c.ld));
  require(status == dnnl_success, "dnnl_sgemm refused its arguments");
}

}  // namespace tessera::linalg
