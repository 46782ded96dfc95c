#pragma once
#include <cstddef>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::linalg {

/// The lower triangle of an (n, n) matrix in panels of kColumns columns, each with the rows from
/// its own first on: little more than half the memory of a square. Becomes its own Cholesky factor.
///
/// Work is shared out in blocks of fixed size: any number of threads gives the same bits.
class LowerPanels {
 public:
  /// Zeros.
  explicit LowerPanels(std::size_t n);

  std::size_t size() const { return n_; }
  /// @pre j <= i < size()
  double& operator()(std::size_t i, std::size_t j) {
    const std::size_t panel = j / kColumns;
    return panels_[panel](i - panel * kColumns, j - panel * kColumns);
  }

  /// A = L L^T in place, panel by panel (right-looking); n^3 / 3 multiplications. False when a
  /// pivot does not exceed smallest_pivot (cholesky.hpp), or is NaN; what stands here is then
  /// neither A nor L.
  bool factor(Threads& threads);

  /// x = L^-1 x, for the part of L from row and column @p first on. Sequential.
  /// @param x (n - first, any)
  void solve(MatrixView<double> x, std::size_t first = 0) const;
  /// x = L^-T x. Sequential.
  void solve_transposed(MatrixView<double> x) const;

  static constexpr std::size_t kColumns = 256;

 private:
  Tile columns_of(std::size_t panel) const { return tile_at(panel, kColumns, n_); }
  /// Rows @p rows of the matrix in panel @p panel.
  MatrixView<const double> part(std::size_t panel, Tile rows) const;
  MatrixView<double> part(std::size_t panel, Tile rows);
  void update_behind(Threads& threads, std::size_t panel);

  std::size_t n_ = 0;
  std::vector<Matrix<double>> panels_;
};

}  // namespace tessera::linalg
