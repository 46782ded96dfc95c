#include "solver/aweq/scale_trial.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "linalg/gemm.hpp"
#include "solver/full_square.hpp"
#include "solver/integer/input_range.hpp"
#include "solver/integer/integer_solver.hpp"
#include "solver/integer/integer_tiles.hpp"

namespace tessera::solver {
namespace {

constexpr std::size_t kRowTile = 128;

/// As engines do it: each token's scale is its largest magnitude over 127.
void quantize_token(std::span<float> x) {
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::fabs(value));
  if (largest == 0) return;
  const float scale = largest / 127.0f;
  for (float& value : x) value = scale * round_half_even(value / scale);
}

/// With one scale for all tokens, from the extremes of the calibration set.
void quantize_static(std::span<float> x, float scale, float zero) {
  for (float& value : x) {
    value = scale * (std::clamp(round_half_even(value / scale) + zero, -128.0f, 127.0f) - zero);
  }
}

double sum_of_squares(const Matrix<float>& a) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rows(); ++i) {
    double of_row = 0;
    for (const float value : a.view().row_span(i))
      of_row += static_cast<double>(value) * static_cast<double>(value);
    sum += of_row;
  }
  return sum;
}

}  // namespace

ScaleTrial::ScaleTrial(Threads& threads, const SharedInput& input, const IntegerSettings& integers,
                       StoredType scale_type)
    : threads_(threads), input_(input), integers_(integers), scale_type_(scale_type) {
  const std::size_t n = input.minimum.size();
  for (const auto& weight : input.consumers) {
    require(weight.cols == n && input.hessian.rows == n, "consumers fit their input");
    // A tensor's scale is found over all of its rows.
    const std::size_t height = integers.effective_granularity() == Granularity::tensor
                                   ? std::max<std::size_t>(weight.rows, 1)
                                   : kRowTile;
    for (std::size_t t = 0; t < num_tiles(weight.rows, height); ++t) {
      const Tile rows = tile_at(t, height, weight.rows);
      tiles_.push_back(weight.middle_rows(rows.begin, rows.size()));
    }
  }
  if (integers.quantizes_input() && input.rows.rows > 0) return;
  hessian_ = full_square(input.hessian);
}

Matrix<float> ScaleTrial::rounded(MatrixView<const float> weight,
                                  std::span<const float> scale) const {
  Matrix<float> scaled(weight.rows, weight.cols);
  for (std::size_t i = 0; i < weight.rows; ++i) {
    for (std::size_t j = 0; j < weight.cols; ++j) scaled(i, j) = weight(i, j) * scale[j];
  }
  return round_to_nearest(scaled, integers_, scale_type_);
}

Matrix<float> ScaleTrial::quantized_input(std::span<const float> scale) const {
  Matrix<float> x(input_.rows.rows, input_.rows.cols);
  float low = 0, high = 0;
  for (std::size_t j = 0; j < x.cols(); ++j) {
    low = std::min(low, input_.minimum[j] / scale[j]);
    high = std::max(high, input_.maximum[j] / scale[j]);
  }
  const InputQuantization fixed = static_input(low, high, integers_.input_scale, scale_type_);
  for (std::size_t i = 0; i < x.rows(); ++i) {
    for (std::size_t j = 0; j < x.cols(); ++j) x(i, j) = input_.rows(i, j) / scale[j];
    const auto row = x.view().row_span(i);
    fixed.is_dynamic ? quantize_token(row)
                     : quantize_static(row, fixed.scale, static_cast<float>(fixed.zero_point));
  }
  return x;
}

double ScaleTrial::error_under_hessian(MatrixView<const float> weight,
                                       std::span<const float> scale) const {
  Matrix<float> error = rounded(weight, scale);
  for (std::size_t i = 0; i < weight.rows; ++i) {
    for (std::size_t j = 0; j < weight.cols; ++j)
      error(i, j) = error(i, j) / scale[j] - weight(i, j);
  }
  Matrix<float> product(weight.rows, weight.cols);
  linalg::gemm(1, error, linalg::Transposed::no, hessian_, linalg::Transposed::no, 0, product);
  double sum = 0;
  for (std::size_t k = 0; k < error.size(); ++k)
    sum += static_cast<double>(error.data()[k]) * product.data()[k];
  return sum;
}

double ScaleTrial::error_of_tokens(MatrixView<const float> weight, std::span<const float> scale,
                                   MatrixView<const float> quantized) const {
  Matrix<float> difference(input_.rows.rows, weight.rows);
  linalg::gemm(1, input_.rows, linalg::Transposed::no, weight, linalg::Transposed::yes, 0,
               difference);
  linalg::gemm(-1, quantized, linalg::Transposed::no, rounded(weight, scale),
               linalg::Transposed::yes, 1, difference);
  return sum_of_squares(difference) / static_cast<double>(input_.rows.rows);
}

double ScaleTrial::error(std::span<const float> scale) {
  const bool by_tokens = hessian_.empty();
  const Matrix<float> x = by_tokens ? quantized_input(scale) : Matrix<float>();
  std::vector<double> part(tiles_.size());
  threads_.for_each(tiles_.size(), [&](std::size_t t) {
    part[t] =
        by_tokens ? error_of_tokens(tiles_[t], scale, x) : error_under_hessian(tiles_[t], scale);
  });
  double sum = 0;
  for (const double value : part) sum += value;
  return sum;
}

double scaled_error(Threads& threads, const SharedInput& input, std::span<const float> s,
                    const IntegerSettings& integers, StoredType scale_type) {
  return ScaleTrial(threads, input, integers, scale_type).error(s);
}

}  // namespace tessera::solver
