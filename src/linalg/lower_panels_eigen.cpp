#include <algorithm>
#include <type_traits>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "linalg/cholesky.hpp"
#include "linalg/lower_panels.hpp"

namespace tessera::linalg {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Of constant elements where the view's are.
template <class T>
auto map(MatrixView<T> view) {
  using Elements = std::conditional_t<std::is_const_v<T>, const RowMajor, RowMajor>;
  const auto index = [](std::size_t extent) { return static_cast<Eigen::Index>(extent); };
  return Eigen::Map<Elements, Eigen::Unaligned, Eigen::OuterStride<>>(
      view.data, index(view.rows), index(view.cols), Eigen::OuterStride<>(index(view.ld)));
}

bool factor_in_place(MatrixView<double> a) {
  auto block = map(a);
  Eigen::Ref<RowMajor, 0, Eigen::OuterStride<>> reference(block);
  const Eigen::LLT<decltype(reference)> llt(reference);
  return llt.info() == Eigen::Success;
}

/// a -= b c
template <class Left>
void subtract_product(MatrixView<double> a, const Left& b, MatrixView<const double> c) {
  map(a).noalias() -= b * map(c);
}

}  // namespace

LowerPanels::LowerPanels(std::size_t n) : n_(n) {
  for (std::size_t panel = 0; panel < num_tiles(n, kColumns); ++panel) {
    const Tile columns = columns_of(panel);
    panels_.emplace_back(n - columns.begin, columns.size());
  }
}

MatrixView<double> LowerPanels::part(std::size_t panel, Tile rows) {
  return panels_[panel].view().middle_rows(rows.begin - panel * kColumns, rows.size());
}
MatrixView<const double> LowerPanels::part(std::size_t panel, Tile rows) const {
  return panels_[panel].view().middle_rows(rows.begin - panel * kColumns, rows.size());
}

bool LowerPanels::factor(Threads& threads) {
  std::vector<double> diagonal(n_);
  for (std::size_t i = 0; i < n_; ++i) diagonal[i] = (*this)(i, i);
  for (std::size_t panel = 0; panel < panels_.size(); ++panel) {
    const Tile columns = columns_of(panel);
    if (!factor_in_place(part(panel, columns))) return false;
    for (std::size_t i = columns.begin; i < columns.end; ++i) {
      const double root = (*this)(i, i);
      if (!(root * root > smallest_pivot(diagonal[i], n_))) return false;
    }
    update_behind(threads, panel);
  }
  return true;
}

void LowerPanels::update_behind(Threads& threads, std::size_t panel) {
  const auto pivots = part(panel, columns_of(panel));
  const std::size_t first = panel + 1, count = panels_.size() - first;
  threads.for_each(count, [&](std::size_t task) {
    auto rows = map(part(panel, columns_of(first + task)));
    map(pivots).triangularView<Eigen::Lower>().transpose().solveInPlace<Eigen::OnTheRight>(rows);
  });
  threads.for_each(count * count, [&](std::size_t task) {
    const std::size_t row = first + task / count, column = first + task % count;
    if (column > row) return;
    const Tile rows = columns_of(row);
    map(part(column, rows)).noalias() -=
        map(part(panel, rows)) * map(part(panel, columns_of(column))).transpose();
  });
}

void LowerPanels::solve(MatrixView<double> x, std::size_t first) const {
  require(first + x.rows == n_, "a row of the right-hand side for each row of the factor");
  for (std::size_t panel = first / kColumns; panel < panels_.size(); ++panel) {
    const Tile columns = columns_of(panel);
    const std::size_t begin = std::max(first, columns.begin), skipped = begin - columns.begin;
    const auto values = [&](Tile rows) {
      return part(panel, rows).block(0, skipped, rows.size(), columns.end - begin);
    };
    auto known = x.middle_rows(begin - first, columns.end - begin);
    auto solution = map(known);
    const auto diagonal = map(values({begin, columns.end}));
    diagonal.template triangularView<Eigen::Lower>().solveInPlace(solution);
    if (columns.end == n_) return;
    subtract_product(x.middle_rows(columns.end - first, n_ - columns.end),
                     map(values({columns.end, n_})), known);
  }
}

void LowerPanels::solve_transposed(MatrixView<double> x) const {
  require(x.rows == n_, "a row of the right-hand side for each row of the factor");
  for (std::size_t panel = panels_.size(); panel-- > 0;) {
    const Tile columns = columns_of(panel);
    const auto wanted = x.middle_rows(columns.begin, columns.size());
    if (columns.end < n_) {
      subtract_product(wanted, map(part(panel, {columns.end, n_})).transpose(),
                       x.middle_rows(columns.end, n_ - columns.end));
    }
    auto solution = map(wanted);
    const auto diagonal = map(part(panel, columns));
    diagonal.template triangularView<Eigen::Lower>().transpose().solveInPlace(solution);
  }
}

}  // namespace tessera::linalg
