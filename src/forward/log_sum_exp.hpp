#pragma once
#include <cmath>
#include <limits>
#include <span>

#include "linalg/vector_math.hpp"

namespace tessera::forward {

/// log(sum(exp(logits))) of a row that comes in panels, kept as a maximum and a sum beside it:
/// fp32 exponentials, summed in fp64.
struct LogSumExp {
  double maximum = -std::numeric_limits<double>::infinity();
  double sum = 0;

  /// Makes exp(logits - maximum) of @p logits. Returns what sums of earlier panels have to be
  /// multiplied by, since their maximum was another.
  double add(std::span<float> logits) {
    double factor = 1;
    const double largest = static_cast<double>(linalg::largest(logits));
    if (largest > maximum) {
      factor = std::exp(maximum - largest);
      sum *= factor;
      maximum = largest;
    }
    sum += linalg::exp_and_sum(logits, static_cast<float>(maximum));
    return factor;
  }
  double log() const { return maximum + std::log(sum); }
};

}  // namespace tessera::forward
