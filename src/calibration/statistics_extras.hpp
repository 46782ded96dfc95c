#pragma once
#include <cstddef>

#include "calibration/token_sample.hpp"

namespace tessera::calibration {

/// What is kept of an input beside its sums, where a job asks for it.
struct StatisticsExtras {
  TokenSample sample;       ///< tokens whose inputs are kept
  std::size_t k_chunk = 0;  ///< the second moment of what compensation of so many channels of 1024
                            ///< leaves of each token; 0: none

  bool operator==(const StatisticsExtras&) const = default;
};

}  // namespace tessera::calibration
