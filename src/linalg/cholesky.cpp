#include "linalg/cholesky.hpp"

#include <algorithm>
#include <limits>

#include "linalg/lower_panels.hpp"

namespace tessera::linalg {
namespace {

/// Writes columns @p panel of L^-1, reversed, into U.
template <class T>
void write_inverse_panel(const LowerPanels& l, Tile panel, Matrix<T>& u) {
  const std::size_t n = l.size();
  Matrix<double> columns(n - panel.begin, panel.size());
  for (std::size_t j = 0; j < panel.size(); ++j) columns(j, j) = 1;
  l.solve(columns, panel.begin);
  for (std::size_t i = 0; i < columns.rows(); ++i) {
    const std::size_t row = n - 1 - (panel.begin + i);
    for (std::size_t j = 0; j < std::min(panel.size(), i + 1); ++j) {
      u(row, n - 1 - (panel.begin + j)) = static_cast<T>(columns(i, j));
    }
  }
}

/// Row and column n - 1 - i of the matrix become row and column i, so that what is factored is
/// A = L L^T with the rows in reverse, and L^-1, reversed again, is U.
template <class T>
std::optional<Matrix<T>> reversed_inverse(Threads& threads, LowerPanels& reversed) {
  if (!reversed.factor(threads)) return std::nullopt;
  Matrix<T> u(reversed.size(), reversed.size());
  threads.for_each(num_tiles(reversed.size(), kInversePanel), [&](std::size_t i) {
    write_inverse_panel(reversed, tile_at(i, kInversePanel, reversed.size()), u);
  });
  return u;
}

}  // namespace

double smallest_pivot(double diagonal, std::size_t n) {
  return static_cast<double>(n) * std::numeric_limits<double>::epsilon() * diagonal;
}

std::optional<Matrix<double>> inverse_upper_factor(Threads& threads, const Matrix<double>& h) {
  require(h.rows() == h.cols(), "inverse_upper_factor: the matrix is not square");
  const std::size_t n = h.rows();
  LowerPanels reversed(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) reversed(n - 1 - j, n - 1 - i) = h(i, j);
  }
  return reversed_inverse<double>(threads, reversed);
}

std::optional<Matrix<float>> inverse_upper_factor_fp32(Threads& threads, std::size_t n,
                                                       const LowerRow& fill_row) {
  LowerPanels reversed(n);
  std::vector<double> row(n);
  for (std::size_t i = 0; i < n; ++i) {
    fill_row(i, std::span(row).first(i + 1));
    for (std::size_t j = 0; j <= i; ++j) reversed(n - 1 - j, n - 1 - i) = row[j];
  }
  return reversed_inverse<float>(threads, reversed);
}

bool solve_positive_definite(const Matrix<double>& a, Matrix<double>& b) {
  require(a.rows() == a.cols() && a.rows() == b.rows(),
          "solve_positive_definite: the shapes do not fit");
  LowerPanels l(a.rows());
  for (std::size_t i = 0; i < a.rows(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) l(i, j) = a(i, j);
  }
  Threads alone(1);
  if (!l.factor(alone)) return false;
  if (b.empty()) return true;
  l.solve(b);
  l.solve_transposed(b);
  return true;
}

}  // namespace tessera::linalg
