#include "residual/compensation_error.hpp"

#include "core/error.hpp"
#include "linalg/gemm.hpp"

namespace tessera::residual {
namespace {

using linalg::Transposed;

constexpr std::size_t kRowTile = 64;    // outputs
constexpr std::size_t kTokenTile = 32;  // tokens whose channels are chosen

/// The chosen channels of every token, the others zero; fills in the recall.
Matrix<float> kept_tokens(Threads& threads, const std::string& name, const ResidualLayer& residual,
                          MatrixView<const float> tokens, CompensationPoint& point) {
  const std::size_t n = tokens.cols;
  const ChannelFacts facts{residual.top_magnitude, residual.column_norm, residual.static_order};
  const ChannelSelector selector(point.rule, n, point.k_chunk, facts, name);
  const ChannelSelector largest(SelectionRule::global, n, point.k_chunk, {});
  Matrix<float> kept(tokens.rows, n);
  std::vector<std::size_t> found(num_tiles(tokens.rows, kTokenTile));
  threads.for_each(found.size(), [&](std::size_t task) {
    const Tile rows = tile_at(task, kTokenTile, tokens.rows);
    std::vector<std::uint8_t> chosen(n), wanted(n);
    for (std::size_t t = rows.begin; t < rows.end; ++t) {
      selector.select(tokens.row_span(t), t, chosen);
      largest.select(tokens.row_span(t), t, wanted);
      for (std::size_t j = 0; j < n; ++j) {
        kept(t, j) = chosen[j] != 0 ? tokens(t, j) : 0.0F;
        found[task] += static_cast<std::size_t>(chosen[j] & wanted[j]);
      }
    }
  });
  std::size_t total = 0;
  for (const std::size_t of_task : found) total += of_task;
  const std::size_t asked = selector.num_selected() * tokens.rows;
  point.recall = asked == 0 ? 1.0 : static_cast<double>(total) / static_cast<double>(asked);
  return kept;
}

double sum_of_squares(const Matrix<float>& values) {
  double sum = 0;
  for (const float value : values.span())
    sum += static_cast<double>(value) * static_cast<double>(value);
  return sum;
}

Matrix<float> product(MatrixView<const float> x, MatrixView<const float> w) {
  Matrix<float> y(x.rows, w.rows);
  linalg::gemm(1, x, Transposed::no, w, Transposed::yes, 0, y);
  return y;
}

Matrix<float> difference(MatrixView<const float> a, MatrixView<const float> b) {
  Matrix<float> out(a.rows, a.cols);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.cols; ++j) out(i, j) = a(i, j) - b(i, j);
  }
  return out;
}

}  // namespace

void measure_compensation(Threads& threads, const std::string& name, MatrixView<const float> weight,
                          MatrixView<const float> quantized, const ResidualLayer& residual,
                          MatrixView<const float> tokens, std::span<CompensationPoint> points) {
  require(weight.cols == tokens.cols, "tokens are inputs of the layer");
  std::vector<Matrix<float>> kept;
  for (CompensationPoint& point : points) {
    kept.push_back(kept_tokens(threads, name, residual, tokens, point));
  }
  const Matrix<float> decoded = dequantize(residual);
  const std::size_t tiles = num_tiles(weight.rows, kRowTile);
  Matrix<double> errors(tiles, points.size());
  std::vector<double> sizes(tiles);
  threads.for_each(tiles, [&](std::size_t task) {
    const Tile rows = tile_at(task, kRowTile, weight.rows);
    const auto of_tile = [&](MatrixView<const float> m) {
      return m.middle_rows(rows.begin, rows.size());
    };
    sizes[task] = sum_of_squares(product(tokens, of_tile(weight)));
    const Matrix<float> lost = product(tokens, difference(of_tile(weight), of_tile(quantized)));
    for (std::size_t p = 0; p < points.size(); ++p) {
      Matrix<float> left = lost.copy();
      linalg::gemm(-1, kept[p], Transposed::no, of_tile(decoded), Transposed::yes, 1, left);
      errors(task, p) = sum_of_squares(left);
    }
  });
  double size = 0;
  for (const double of_tile : sizes) size += of_tile;
  for (std::size_t p = 0; p < points.size(); ++p) {
    double error = 0;
    for (std::size_t t = 0; t < tiles; ++t) error += errors(t, p);
    points[p].error = size > 0 ? error / size : 0.0;
  }
}

}  // namespace tessera::residual
