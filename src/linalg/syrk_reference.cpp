#include "linalg/syrk.hpp"

namespace tessera::linalg {

void add_outer_products_reference(MatrixView<const float> x, Matrix<double>& sum) {
  require(sum.rows() == x.cols && sum.cols() == x.cols, "add_outer_products: sum is not (n, n)");
  for (std::size_t i = 0; i < x.cols; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      for (std::size_t t = 0; t < x.rows; ++t) {
        sum(i, j) += static_cast<double>(x(t, i)) * static_cast<double>(x(t, j));
      }
    }
  }
}

}  // namespace tessera::linalg
