#include "format/unpack_residual.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/core.h>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "model/quoted_name.hpp"

namespace tessera::format {
namespace {

using residual::ResidualLayer;

constexpr double kLargestHalf = 65504;

/// One layer on its way out of the file.
class Unpacker {
 public:
  Unpacker(const model::SafetensorsFolder& files, const std::string& layer,
           const ResidualSizes& sizes)
      : files_(files), name_(layer) {
    layer_.out_features = sizes.out_features;
    layer_.in_features = sizes.in_features;
    layer_.bits = sizes.bits;
  }

  ResidualLayer run() {
    read_codes();
    layer_.scale = read_sizes(kResidualScale, layer_.out_features);
    layer_.top_magnitude = read_sizes(kTopMagnitude, layer_.in_features);
    check_falling();
    if (files_.contains(name_ + kColumnNorm)) {
      layer_.column_norm = read_sizes(kColumnNorm, layer_.in_features);
    } else {
      compute_norms();
    }
    if (files_.contains(name_ + kStaticOrder)) read_order();
    return std::move(layer_);
  }

 private:
  [[noreturn]] void fail(const char* part, const std::string& problem) const {
    throw InputError(fmt::format("{}: tensor {}: {}. The file is damaged; make it again.",
                                 files_.origin(), model::quote_name(name_ + part), problem));
  }

  /// Bit b of a row is bit b mod 8 of its byte b / 8, since words are little-endian.
  void read_codes() {
    const std::size_t inputs = layer_.in_features, outputs = layer_.out_features;
    const std::size_t bits = layer_.bits, row_bytes = outputs * bits / 8;
    const auto stored = files_.bytes(name_ + kResidualCodes);
    require(stored.size() == inputs * row_bytes, "codes of the announced shape");
    layer_.codes = Matrix<std::uint8_t>(inputs, outputs);
    const unsigned mask = (1U << bits) - 1;
    for (std::size_t j = 0; j < inputs; ++j) {
      const auto row = stored.subspan(j * row_bytes, row_bytes);
      for (std::size_t i = 0; i < outputs; ++i) {
        const std::size_t byte = i * bits / 8, shift = i * bits % 8;
        unsigned window = std::to_integer<unsigned>(row[byte]);
        if (shift + bits > 8) window |= std::to_integer<unsigned>(row[byte + 1]) << 8;
        const unsigned code = window >> shift & mask;
        if (code == 0) {
          fail(kResidualCodes, fmt::format("the code of channel {}, output {} is 0 (1 to {} are "
                                           "used)",
                                           j, i, mask));
        }
        layer_.codes(j, i) = static_cast<std::uint8_t>(code);
      }
    }
  }

  /// Numbers that are finite and not negative.
  std::vector<float> read_sizes(const char* part, std::size_t count) const {
    std::vector<float> values(count);
    files_.read(name_ + part, values);
    const auto bad = std::ranges::find_if_not(
        values, [](float value) { return std::isfinite(value) && value >= 0; });
    if (bad != values.end()) {
      fail(part, fmt::format("element {} is {} (finite and at least 0 is expected)",
                             bad - values.begin(), *bad));
    }
    return values;
  }

  void check_falling() const {
    const auto& values = layer_.top_magnitude;
    const auto rise = std::ranges::adjacent_find(values, std::less<>());
    if (rise == values.end()) return;
    fail(kTopMagnitude,
         fmt::format("element {} is {}, above the one before it, {} (they do not rise)",
                     rise - values.begin() + 1, *(rise + 1), *rise));
  }

  void compute_norms() {
    layer_.column_norm.resize(layer_.in_features);
    for (std::size_t j = 0; j < layer_.in_features; ++j) {
      double squares = 0;
      for (std::size_t i = 0; i < layer_.out_features; ++i) {
        const double value =
            static_cast<double>(layer_.scale[i]) * (layer_.codes(j, i) - layer_.zero_code());
        squares += value * value;
      }
      const double norm = std::min(std::sqrt(squares), kLargestHalf);
      layer_.column_norm[j] = rounded_to(StoredType::float16, static_cast<float>(norm));
    }
  }

  void read_order() {
    const std::size_t count = layer_.in_features;
    layer_.static_order.resize(count);
    files_.read_bytes(name_ + kStaticOrder, std::as_writable_bytes(std::span(layer_.static_order)));
    std::vector<bool> is_named(count, false);
    for (std::size_t p = 0; p < count; ++p) {
      const std::uint32_t channel = layer_.static_order[p];
      if (channel >= count) {
        fail(kStaticOrder, fmt::format("element {} is {} (none of the {} channels)", p,
                                       static_cast<std::int32_t>(channel), count));
      }
      if (is_named[channel]) {
        fail(kStaticOrder, fmt::format("element {} is {}, which is named twice", p, channel));
      }
      is_named[channel] = true;
    }
  }

  const model::SafetensorsFolder& files_;
  const std::string& name_;
  ResidualLayer layer_;
};

}  // namespace

ResidualLayer unpack_residual(const model::SafetensorsFolder& files, const std::string& layer,
                              const ResidualSizes& sizes) {
  return Unpacker(files, layer, sizes).run();
}

}  // namespace tessera::format
