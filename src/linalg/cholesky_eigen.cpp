#include <algorithm>
#include <limits>
#include <vector>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "linalg/cholesky.hpp"

namespace tessera::linalg {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Map = Eigen::Map<RowMajor, Eigen::Unaligned, Eigen::OuterStride<>>;

constexpr std::size_t kFactorPanel = 256;  // columns factored at a time
constexpr std::size_t kUpdateTile = 256;   // rows and columns of one task of the update

Map map(MatrixView<double> view) {
  const auto index = [](std::size_t extent) { return static_cast<Eigen::Index>(extent); };
  return {view.data, index(view.rows), index(view.cols), Eigen::OuterStride<>(index(view.ld))};
}

bool factor_in_place(MatrixView<double> a) {
  Map block = map(a);
  Eigen::Ref<RowMajor, 0, Eigen::OuterStride<>> reference(block);
  const Eigen::LLT<decltype(reference)> llt(reference);
  return llt.info() == Eigen::Success;
}

std::vector<Tile> tiles_from(std::size_t begin, std::size_t end, std::size_t extent) {
  std::vector<Tile> tiles;
  for (; begin < end; begin += extent) tiles.push_back({begin, std::min(end, begin + extent)});
  return tiles;
}

/// Cholesky factorization of the lower triangle, panel by panel (right-looking): A = L L^T.
/// The upper triangle holds intermediate values afterwards.
bool lower_factor(Threads& threads, Matrix<double>& a) {
  const std::size_t n = a.rows();
  std::vector<double> diagonal(n);
  for (std::size_t i = 0; i < n; ++i) diagonal[i] = a(i, i);
  for (const Tile panel : tiles_from(0, n, kFactorPanel)) {
    const auto pivots = a.view().block(panel.begin, panel.begin, panel.size(), panel.size());
    if (!factor_in_place(pivots)) return false;
    for (std::size_t i = panel.begin; i < panel.end; ++i) {
      if (!(a(i, i) * a(i, i) > smallest_pivot(diagonal[i], n))) return false;
    }
    const auto below = tiles_from(panel.end, n, kUpdateTile);
    const auto part = [&](Tile rows) {
      return map(a.view().block(rows.begin, panel.begin, rows.size(), panel.size()));
    };
    threads.for_each(below.size(), [&](std::size_t i) {
      Map rows = part(below[i]);
      map(pivots).triangularView<Eigen::Lower>().transpose().solveInPlace<Eigen::OnTheRight>(rows);
    });
    threads.for_each(below.size() * below.size(), [&](std::size_t task) {
      const Tile rows = below[task / below.size()], cols = below[task % below.size()];
      if (cols.begin > rows.begin) return;
      map(a.view().block(rows.begin, cols.begin, rows.size(), cols.size())).noalias() -=
          part(rows) * part(cols).transpose();
    });
  }
  return true;
}

/// Row and column n - 1 - i become row and column i.
void reverse_lower(const Matrix<double>& h, Matrix<double>& a) {
  const std::size_t n = h.rows();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) a(n - 1 - j, n - 1 - i) = h(i, j);
  }
}

/// Writes columns @p panel of L^-1, reversed, into U.
void write_inverse_panel(Matrix<double>& l, Tile panel, Matrix<double>& u) {
  const std::size_t n = l.rows();
  const std::size_t height = n - panel.begin;
  Matrix<double> columns(height, panel.size());
  for (std::size_t j = 0; j < panel.size(); ++j) columns(j, j) = 1;
  Map solution = map(columns.view());
  map(l.view().block(panel.begin, panel.begin, height, height))
      .triangularView<Eigen::Lower>()
      .solveInPlace(solution);
  for (std::size_t i = 0; i < height; ++i) {
    const std::size_t row = n - 1 - (panel.begin + i);
    for (std::size_t j = 0; j < std::min(panel.size(), i + 1); ++j) {
      u(row, n - 1 - (panel.begin + j)) = columns(i, j);
    }
  }
}

}  // namespace

double smallest_pivot(double diagonal, std::size_t n) {
  return static_cast<double>(n) * std::numeric_limits<double>::epsilon() * diagonal;
}

std::optional<Matrix<double>> inverse_upper_factor(Threads& threads, const Matrix<double>& h) {
  require(h.rows() == h.cols(), "inverse_upper_factor: the matrix is not square");
  const std::size_t n = h.rows();
  Matrix<double> l(n, n);
  reverse_lower(h, l);
  if (!lower_factor(threads, l)) return std::nullopt;
  Matrix<double> u(n, n);
  const auto panels = tiles_from(0, n, kInversePanel);
  threads.for_each(panels.size(), [&](std::size_t i) { write_inverse_panel(l, panels[i], u); });
  return u;
}

std::optional<Matrix<double>> inverse_upper_factor(const Matrix<double>& h) {
  Threads alone(1);
  return inverse_upper_factor(alone, h);
}

bool solve_positive_definite(const Matrix<double>& a, Matrix<double>& b) {
  require(a.rows() == a.cols() && a.rows() == b.rows(),
          "solve_positive_definite: the shapes do not fit");
  Matrix<double> l = a.copy();
  Threads alone(1);
  if (!lower_factor(alone, l)) return false;
  if (b.empty()) return true;
  const auto lower = map(l).triangularView<Eigen::Lower>();
  Map x = map(b);
  lower.solveInPlace(x);
  lower.transpose().solveInPlace(x);
  return true;
}

}  // namespace tessera::linalg
