#include "jobs/layer_input.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "calibration/hessian.hpp"
#include "core/error.hpp"
#include "jobs/block_sums.hpp"

namespace tessera::jobs {
namespace {

Matrix<double> identity(std::size_t n) {
  Matrix<double> matrix(n, n);
  for (std::size_t i = 0; i < n; ++i) matrix(i, i) = 1;
  return matrix;
}

/// An expert may have seen no token: then all channels count alike.
bool is_idle(const model::LinearLayer& layer, const calibration::InputStatistics& statistics) {
  return layer.expert && statistics.hessian.num_tokens == 0;
}

LayerInput input_of(const model::LinearLayer& layer,
                    const calibration::InputStatistics& statistics, std::span<const float> scale) {
  LayerInput input;
  if (is_idle(layer, statistics)) {
    input.hessian = identity(statistics.num_channels());
    input.mean.resize(statistics.num_channels());
    input.without_tokens =
        fmt::format("calibration saw no token of expert {} of block {} (its weights were quantized "
                    "without knowing what they multiply)",
                    *layer.expert, layer.block);
  } else {
    input.hessian = calibration::hessian_of(statistics.hessian);
    input.mean = statistics.mean();
  }
  input.num_tokens = statistics.hessian.num_tokens - statistics.num_first;
  const auto divisor = [&](std::size_t j) {
    return scale.empty() ? 1.0 : static_cast<double>(scale[j]);
  };
  for (std::size_t i = 0; i < input.mean.size(); ++i) {
    if (!scale.empty()) {
      for (std::size_t j = 0; j <= i; ++j) input.hessian(i, j) /= divisor(i) * divisor(j);
    }
    input.mean[i] /= divisor(i);
    input.low = std::min(input.low, statistics.minimum[i] / static_cast<float>(divisor(i)));
    input.high = std::max(input.high, statistics.maximum[i] / static_cast<float>(divisor(i)));
  }
  return input;
}

}  // namespace

const LayerInput& LastInput::of(const model::LinearLayer& layer) {
  const auto wanted = std::pair(layer.block, layer.input());
  if (held_ != wanted) {
    held_.reset();
    input_ = {};
    const auto slabs =
        slab_files(prepared_.config, prepared_.units, layer.block, prepared_.token_sample);
    input_ = input_of(layer, load_statistics(work_, slabs, layer.input()),
                      weights_.scale_of(layer.block, layer.input()));
    held_ = wanted;
  }
  require(input_.hessian.rows() == layer.in_features, "a layer's Hessian is as large as its input");
  return input_;
}

}  // namespace tessera::jobs
