#include "solver/vptq/column_sweep.hpp"

#include <algorithm>

#include "linalg/gemm.hpp"
#include "solver/vptq/column_pass.hpp"

namespace tessera::solver {
namespace {

/// Memory for one column's proposal.
struct Proposal {
  std::vector<float> target, quantized;
  std::vector<std::uint16_t> main, residual;
  VectorAssigner::Scratch scratch;

  explicit Proposal(const RowTile& tile)
      : target(tile.rows.size()), quantized(tile.rows.size()), main(tile.main.cols()), residual(tile.main.cols()) {}
};

/// Squared distance of a vector from its target.
float distance(const float* values, const float* target, std::size_t length) {
  float sum = 0;
  for (std::size_t t = 0; t < length; ++t) sum += (values[t] - target[t]) * (values[t] - target[t]);
  return sum;
}

/// Moves the vectors of column @p q that have a nearer codebook vector; change = new - old. True when any moved.
bool improve_column(std::size_t q, float inverse_curvature, const Segment& segment,
                    const VectorAssigner& assigner, RowTile& tile, Proposal& proposal, float* change) {
  const std::size_t rows = tile.rows.size(), v = segment.vector_len;
  float* present = tile.quantized.row(q);
  const float* gradient = tile.gradient.row(q);
  for (std::size_t r = 0; r < rows; ++r) {
    proposal.target[r] = present[r] + gradient[r] * inverse_curvature;
    change[r] = 0;
  }
  const auto main = main_of(tile, segment, q), residual = residual_of(tile, segment, q);
  assigner.assign(proposal.target, std::span(proposal.main).first(main.size()),
                  std::span(proposal.residual).first(residual.size()), proposal.quantized, proposal.scratch);
  bool any_moved = false;
  for (std::size_t i = 0; i < main.size(); ++i) {
    const bool is_same = proposal.main[i] == main[i] && (residual.empty() || proposal.residual[i] == residual[i]);
    if (is_same) continue;
    const std::size_t first = i * v, length = std::min(v, rows - first);
    const float* target = proposal.target.data() + first;
    const float* offered = proposal.quantized.data() + first;
    if (!(distance(offered, target, length) < distance(present + first, target, length))) continue;
    main[i] = proposal.main[i];
    if (!residual.empty()) residual[i] = proposal.residual[i];
    for (std::size_t t = 0; t < length; ++t) {
      change[first + t] = offered[t] - present[first + t];
      present[first + t] = offered[t];
    }
    any_moved = true;
  }
  return any_moved;
}

void subtract_product(MatrixView<const float> square, MatrixView<const float> change, MatrixView<float> gradient) {
  if (square.rows == 0) return;
  linalg::gemm(-1, square, linalg::Transposed::no, change, linalg::Transposed::no, 1, gradient);
}

}  // namespace

void sweep_columns(const Matrix<float>& square, const std::vector<Segment>& segments,
                   const std::vector<VectorAssigner>& assigners, RowTile& tile) {
  const std::size_t n = square.rows(), rows = tile.rows.size();
  const auto full = square.view();
  Matrix<float> change(kPanel, rows);
  Proposal proposal(tile);
  for (std::size_t begin = 0; begin < n; begin += kPanel) {
    const std::size_t width = std::min(kPanel, n - begin), end = begin + width;
    bool any_moved = false;
    for (std::size_t c = 0; c < width; ++c) {
      const std::size_t q = begin + c;
      std::size_t s = 0;
      while (q >= segments[s].end) ++s;
      float* d = change.row(c);
      if (!improve_column(q, 1.0f / full(q, q), segments[s], assigners[s], tile, proposal, d)) continue;
      any_moved = true;
      for (std::size_t k = begin; k < end; ++k) {
        const float h = full(q, k);
        float* g = tile.gradient.row(k);
        for (std::size_t r = 0; r < rows; ++r) g[r] -= h * d[r];
      }
    }
    if (!any_moved) continue;
    const auto moved = change.view().middle_rows(0, width);
    subtract_product(full.block(0, begin, begin, width), moved, tile.gradient.view().middle_rows(0, begin));
    subtract_product(full.block(end, begin, n - end, width), moved,
                     tile.gradient.view().middle_rows(end, n - end));
  }
}

}  // namespace tessera::solver
