#pragma once
#include <cstdint>
#include <vector>

#include "core/matrix.hpp"

namespace tessera::residual {

/// Channels are chosen within chunks of this many neighbours (qdec.md section 2).
inline constexpr std::size_t kChunk = 1024;

/// What a quantized layer lost, W - W^, as integers of few bits that are fetched channel by channel
/// (DecDEC, arXiv 2412.20185, section 4.2). M outputs, N inputs, P = 2^(bits-1) - 1:
///
///     residual(i, j) = scale(i) * (code(j, i) - 2^(bits-1))        codes 1 ... 2^bits - 1
///
/// A row of zeros has scale 0. Scales survive a round trip through halves.
struct ResidualLayer {
  std::uint64_t out_features = 0;
  std::uint64_t in_features = 0;
  std::uint64_t bits = 0;      ///< of a code: 2, 3, 4 or 8
  Matrix<std::uint8_t> codes;  ///< (N, M): a channel's codes are neighbours, as they are fetched
  std::vector<float> scale;    ///< (M)
  std::vector<float> top_magnitude;  ///< (N), not rising: the buckets' borders by the number of
                                     ///< channels (bucket_borders.hpp)
  std::vector<float> column_norm;    ///< (N): norm of each channel's residual, as decoded; a half
  std::vector<std::uint32_t> static_order;  ///< (N): channels by their mean x_j^2, largest first

  int zero_code() const { return 1 << (bits - 1); }
};

/// (M, N) in fp32: one subtraction of integers, one product.
Matrix<float> dequantize(const ResidualLayer& layer);

/// Bytes of the codes that one channel's fetch moves.
std::uint64_t bytes_per_channel(const ResidualLayer& layer);

template <class Archive>
void archive(Archive& a, ResidualLayer& l) {
  a("out_features", l.out_features);
  a("in_features", l.in_features);
  a("bits", l.bits);
  a("codes", l.codes);
  a("scale", l.scale);
  a("top_magnitude", l.top_magnitude);
  a("column_norm", l.column_norm);
  a("static_order", l.static_order);
}

}  // namespace tessera::residual
