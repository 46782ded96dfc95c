#include "forward/norm.hpp"

#include <cmath>

#include "linalg/vector_math.hpp"

namespace tessera::forward {

NormWeights load_norm(const model::TensorSource& source, const model::NormNames& names,
                      std::size_t size) {
  NormWeights norm;
  norm.weight = source.read_vector(names.weight, size);
  if (!names.bias.empty()) norm.bias = source.read_vector(names.bias, size);
  return norm;
}

void rms_norm(std::span<const float> x, std::span<const float> weight, double epsilon,
              std::span<float> out) {
  const double mean = linalg::sum_of_squares(x) / static_cast<double>(x.size());
  linalg::scale_by(x, static_cast<float>(1 / std::sqrt(mean + epsilon)), weight, out);
}

void layer_norm(std::span<const float> x, const NormWeights& norm, double epsilon,
                std::span<float> out) {
  const auto count = static_cast<double>(x.size());
  linalg::subtract(x, static_cast<float>(linalg::sum(x) / count), out);
  const double variance = linalg::sum_of_squares(out) / count;
  linalg::scale_by(out, static_cast<float>(1 / std::sqrt(variance + epsilon)), norm.weight, out);
  linalg::add(norm.bias, out);
}

void normalize_rows(const model::ModelConfig& config, const NormWeights& norm,
                    MatrixView<const float> x, MatrixView<float> out) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    if (config.norm == model::NormKind::layer) {
      layer_norm(x.row_span(i), norm, config.norm_epsilon, out.row_span(i));
    } else {
      rms_norm(x.row_span(i), norm.weight, config.norm_epsilon, out.row_span(i));
    }
  }
}

}  // namespace tessera::forward
