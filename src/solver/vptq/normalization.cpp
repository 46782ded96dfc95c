#include "solver/vptq/normalization.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

namespace tessera::solver {
namespace {

struct Affine {
  double scale = 1, bias = 0;
};

/// Sums run over rows in order, for all columns at once: one pass over the memory.
std::vector<Affine> mean_and_deviation(MatrixView<const float> w) {
  const double rows = static_cast<double>(w.rows);
  std::vector<double> sum(w.cols), square(w.cols);
  for (std::size_t i = 0; i < w.rows; ++i) {
    for (std::size_t j = 0; j < w.cols; ++j) sum[j] += w(i, j);
  }
  for (std::size_t i = 0; i < w.rows; ++i) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      const double d = w(i, j) - sum[j] / rows;
      square[j] += d * d;
    }
  }
  std::vector<Affine> columns(w.cols);
  for (std::size_t j = 0; j < w.cols; ++j)
    columns[j] = {std::sqrt(square[j] / rows), sum[j] / rows};
  return columns;
}

std::vector<Affine> range_and_minimum(MatrixView<const float> w) {
  std::vector<float> low(w.row(0), w.row(0) + w.cols), high = low;
  for (std::size_t i = 1; i < w.rows; ++i) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      low[j] = std::min(low[j], w(i, j));
      high[j] = std::max(high[j], w(i, j));
    }
  }
  std::vector<Affine> columns(w.cols);
  for (std::size_t j = 0; j < w.cols; ++j) {
    columns[j] = {static_cast<double>(high[j]) - low[j], static_cast<double>(low[j])};
  }
  return columns;
}

std::vector<Affine> affine_of(MatrixView<const float> weight, Normalization kind) {
  switch (kind) {
    case Normalization::none:
      return std::vector<Affine>(weight.cols);
    case Normalization::min_max:
      return range_and_minimum(weight);
    case Normalization::mean_std:
      return mean_and_deviation(weight);
  }
  throw Bug("a Normalization without a rule");
}

}  // namespace

ColumnNorm normalize_columns(MatrixView<const float> weight, Normalization kind, StoredType type) {
  require(weight.rows > 0, "a layer without outputs");
  const auto columns = affine_of(weight, kind);
  ColumnNorm norm;
  norm.scale.resize(weight.cols);
  norm.bias.resize(weight.cols);
  for (std::size_t j = 0; j < weight.cols; ++j) {
    // A spread below the column's own rounding error is none: dividing by it would make noise out
    // of nothing.
    const double tiny = 1e-7 * std::abs(columns[j].bias);
    float scale = rounded_to(type, static_cast<float>(columns[j].scale));
    if (columns[j].scale <= tiny || scale < 6.2e-5f) {
      if (columns[j].scale <= tiny) ++norm.num_constant;
      scale =
          columns[j].scale <= tiny ? 1.0f : rounded_to(type, 6.2e-5f);  // above fp16's subnormals
    }
    norm.scale[j] = scale;
    norm.bias[j] = rounded_to(type, static_cast<float>(columns[j].bias));
    if (!std::isfinite(norm.scale[j]) || !std::isfinite(norm.bias[j])) {
      throw InputError(
          fmt::format("column {} has mean {} and spread {} (outside the range of the stored type). "
                      "Set output.dtype: bfloat16.",
                      j, columns[j].bias, columns[j].scale));
    }
  }
  return norm;
}

}  // namespace tessera::solver
