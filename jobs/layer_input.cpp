#include "jobs/layer_input.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "calibration/hessian.hpp"
#include "core/error.hpp"
#include "jobs/block_sums.hpp"
#include "jobs/not_finite.hpp"

namespace tessera::jobs {
namespace {

void scale_both_sides(Matrix<double>& lower, std::span<const float> scale) {
  for (std::size_t i = 0; i < lower.rows(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      lower(i, j) /= static_cast<double>(scale[i]) * static_cast<double>(scale[j]);
    }
  }
}

/// Why these statistics tell nothing of what @p layer multiplies; empty: they do.
std::string find_problem(const model::LinearLayer& layer,
                         const calibration::InputStatistics& statistics, std::uint64_t min_tokens) {
  const std::uint64_t count = statistics.hessian.num_tokens;
  if (count >= min_tokens) return calibration::problem_of(statistics.hessian);
  const std::string who = layer.expert
                              ? fmt::format("expert {} of block {}", *layer.expert, layer.block)
                              : fmt::format("block {}", layer.block);
  if (count == 0) return fmt::format("calibration saw no token of {}", who);
  return fmt::format("calibration saw {} tokens of {}, and quantize.ladder.min_tokens is {}", count,
                     who, min_tokens);
}

LayerInput input_of(calibration::InputStatistics statistics, std::span<const float> scale,
                    std::string problem) {
  LayerInput input;
  input.problem = std::move(problem);
  if (!input.problem.empty()) {
    input.hessian = identity(statistics.num_channels());
    input.mean.resize(statistics.num_channels());
  } else {
    const std::uint64_t num_tokens = statistics.hessian.num_tokens;
    input.mean = statistics.mean();
    input.hessian = calibration::hessian_of(std::move(statistics.hessian.sum), num_tokens);
    if (!statistics.left_sum.empty()) {
      input.left = calibration::hessian_of(std::move(statistics.left_sum), num_tokens);
    }
  }
  input.tokens = statistics.token_rows.copy();
  if (!scale.empty()) {
    if (input.problem.empty()) scale_both_sides(input.hessian, scale);
    scale_both_sides(input.left, scale);
    for (std::size_t t = 0; t < input.tokens.rows(); ++t) {
      for (std::size_t j = 0; j < scale.size(); ++j) input.tokens(t, j) /= scale[j];
    }
  }
  input.num_tokens = statistics.hessian.num_tokens - statistics.num_first;
  const auto divisor = [&](std::size_t j) {
    return scale.empty() ? 1.0 : static_cast<double>(scale[j]);
  };
  for (std::size_t i = 0; i < input.mean.size(); ++i) {
    input.mean[i] /= divisor(i);
    input.low = std::min(input.low, statistics.minimum[i] / static_cast<float>(divisor(i)));
    input.high = std::max(input.high, statistics.maximum[i] / static_cast<float>(divisor(i)));
  }
  return input;
}

}  // namespace

Matrix<double> identity(std::size_t n) {
  Matrix<double> matrix(n, n);
  for (std::size_t i = 0; i < n; ++i) matrix(i, i) = 1;
  return matrix;
}

Matrix<double> LayerInput::objective(double plain_share) const {
  Matrix<double> sum = hessian.copy();
  for (std::size_t i = 0; i < sum.rows(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      sum(i, j) = (1 - plain_share) * left(i, j) + plain_share * sum(i, j);
    }
  }
  return sum;
}

std::vector<double> LayerInput::importance(double plain_share) const {
  std::vector<double> of_channel(hessian.rows());
  for (std::size_t j = 0; j < of_channel.size(); ++j) {
    of_channel[j] = hessian(j, j);
    if (!left.empty()) of_channel[j] += (plain_share - 1) * left(j, j);
  }
  return of_channel;
}

const LayerInput& LastInput::of(const model::LinearLayer& layer) {
  const auto wanted = std::pair(layer.block, layer.input());
  if (held_ != wanted) {
    held_.reset();
    input_ = {};
    const auto slabs = slab_files(prepared_.config, prepared_.units, layer.block, prepared_.extras);
    auto statistics = load_statistics(work_, slabs, layer.input());
    std::string problem = not_finite_problem(work_, layer.block, layer.input());
    if (problem.empty()) {
      const auto least = static_cast<std::uint64_t>(prepared_.job.quantize.ladder.min_tokens);
      problem = find_problem(layer, statistics, least);
    }
    input_ = input_of(std::move(statistics), weights_.scale_of(layer.block, layer.input()),
                      std::move(problem));
    held_ = wanted;
  }
  require(input_.hessian.rows() == layer.in_features, "a layer's Hessian is as large as its input");
  return input_;
}

}  // namespace tessera::jobs
