#pragma once
#include <cstddef>
#include <span>

namespace tessera::calibration {

/// Where the rows of a batch of inputs stand in the calibration set: whole samples from @p
/// first_sample on, of @p length tokens.
struct BatchPlace {
  std::size_t first_sample = 0;
  std::size_t length = 0;  ///< 0: not known, as where no sample matters
  /// The tokens of the batch that the rows are of, rising, where they are some only: an expert's.
  std::span<const std::size_t> tokens = {};
};

/// Tokens whose whole input is kept beside the sums, so that what happens to single tokens (8-bit
/// inputs) can be tried out. Fixed by the sizes of the calibration set alone: spread over the
/// samples, at places drawn by number, never a sample's first token, which many models use as a
/// sink.
struct TokenSample {
  std::size_t num_rows = 0;     ///< 0: none are kept
  std::size_t num_samples = 0;  ///< of the calibration set
  std::size_t length = 0;       ///< tokens a sample

  std::size_t sample_of(std::size_t row) const { return row * num_samples / num_rows; }
  std::size_t position_of(std::size_t row) const;

  bool operator==(const TokenSample&) const = default;
};

/// At most @p max_rows rows, fewer where there are fewer tokens.
TokenSample sample_tokens(std::size_t max_rows, std::size_t num_samples, std::size_t length);

}  // namespace tessera::calibration
