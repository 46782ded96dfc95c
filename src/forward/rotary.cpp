#include "forward/rotary.hpp"

#include <cmath>
#include <numbers>

#include "linalg/vector_math.hpp"

namespace tessera::forward {
namespace {

/// Llama 3.1's rule: waves longer than the original context / low_freq_factor are stretched, those
/// shorter than context / high_freq_factor stay.
double llama3_scaled(double frequency, const model::RopeScaling& scaling) {
  const double waves = scaling.original_max_positions * frequency / (2 * std::numbers::pi);
  if (waves < scaling.low_freq_factor) return frequency / scaling.factor;
  if (waves > scaling.high_freq_factor) return frequency;
  const double keep =
      (waves - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1 - keep) * frequency / scaling.factor + keep * frequency;
}

}  // namespace

std::vector<double> rotary_frequencies(const model::ModelConfig& config) {
  const model::RopeScaling& scaling = config.rope_scaling;
  std::vector<double> frequencies(config.head_dim / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double share = static_cast<double>(2 * i) / static_cast<double>(config.head_dim);
    double frequency = std::pow(config.rope_theta, -share);
    if (scaling.kind == model::RopeScaling::Kind::linear) frequency /= scaling.factor;
    if (scaling.kind == model::RopeScaling::Kind::llama3)
      frequency = llama3_scaled(frequency, scaling);
    frequencies[i] = frequency;
  }
  return frequencies;
}

RotaryTable::RotaryTable(const model::ModelConfig& config, std::size_t max_length)
    : cos_(max_length, config.head_dim / 2), sin_(max_length, config.head_dim / 2) {
  const std::vector<double> frequencies = rotary_frequencies(config);
  for (std::size_t position = 0; position < max_length; ++position) {
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
      // Models are trained and served with frequency and angle rounded to fp32; far out in the text
      // that shows.
      const float angle = static_cast<float>(position) * static_cast<float>(frequencies[i]);
      cos_(position, i) = static_cast<float>(std::cos(static_cast<double>(angle)));
      sin_(position, i) = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
}

void RotaryTable::rotate(std::span<float> head, std::size_t position) const {
  const std::size_t half = cos_.cols();
  linalg::rotate_halves(head, {cos_.row(position), half}, {sin_.row(position), half});
}

}  // namespace tessera::forward
