#include "format/unpack_integer_layer.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/unpack_layer.hpp"
#include "model/quoted_name.hpp"

namespace tessera::format {
namespace {

using model::SafetensorsFolder;
using solver::IntegerLayer;
using Words = std::vector<std::uint32_t>;

/// Reads the parts of one layer; what it throws begins with folder and tensor.
class Parts {
 public:
  Parts(const SafetensorsFolder& files, const std::string& layer) : files_(files), layer_(layer) {}

  template <class Value>
  std::vector<Value> integers(const char* part) const {
    std::vector<Value> values(files_.info(name(part)).count());
    files_.read_bytes(name(part), std::as_writable_bytes(std::span(values)));
    return values;
  }
  std::vector<float> floats(const char* part, std::size_t size) const {
    std::vector<float> values(size);
    files_.read(name(part), values);
    if (const std::size_t bad = model::first_not_finite(values); bad < size) {
      fail(part, fmt::format("element {} is {} (not finite)", bad, values[bad]));
    }
    return values;
  }
  std::vector<float> scales(const char* part, std::size_t size) const {
    std::vector<float> values = floats(part, size);
    for (std::size_t i = 0; i < size; ++i) {
      if (values[i] > 0) continue;
      fail(part, fmt::format("element {} is {} (a scale is positive)", i, values[i]));
    }
    return values;
  }
  [[noreturn]] void fail(const char* part, const std::string& problem) const {
    throw InputError(fmt::format("{}: {}: {}. The folder is damaged; make it again.",
                                 files_.origin(), model::quote_name(name(part)), problem));
  }

 private:
  std::string name(const char* part) const { return layer_ + "." + part; }

  const SafetensorsFolder& files_;
  const std::string& layer_;
};

/// Unpacks streams of @p count numbers each; the words of one stream lie @p stride apart.
class Streams {
 public:
  Streams(const Parts& parts, const char* part, std::size_t count, std::uint64_t bits)
      : parts_(parts),
        part_(part),
        packed_(parts.integers<std::uint32_t>(part)),
        bits_(static_cast<int>(bits)),
        last_bits_(count * bits % 32),
        words_((count * bits + 31) / 32 + 1),  // the last stays zero
        values_(count) {}

  /// The stream that begins at word @p first.
  const Words& read(std::size_t first, std::size_t stride) {
    const std::size_t num_words = words_.size() - 1;
    for (std::size_t w = 0; w < num_words; ++w) words_[w] = packed_[first + w * stride];
    if (last_bits_ != 0 && (words_[num_words - 1] >> last_bits_) != 0) {
      parts_.fail(part_, fmt::format("word {} has bits set after the last number of its stream",
                                     first + (num_words - 1) * stride));
    }
    unpack_row(words_, bits_, values_);
    return values_;
  }
  std::size_t num_words() const { return words_.size() - 1; }

 private:
  const Parts& parts_;
  const char* part_;
  Words packed_;
  int bits_;
  std::size_t last_bits_;
  Words words_;
  Words values_;
};

void put_codes(const Words& values, std::uint8_t* row) {
  std::ranges::transform(values, row, [](std::uint32_t v) { return static_cast<std::uint8_t>(v); });
}

void set_middle_zero_points(IntegerLayer& l) {
  std::ranges::fill(l.zero_point.span(), static_cast<std::uint8_t>(1u << (l.bits - 1)));
}

void read_int_quantized(const Parts& parts, IntegerLayer& l) {
  const auto codes = parts.integers<std::int8_t>("weight");
  std::ranges::transform(codes, l.codes.data(),
                         [](std::int8_t q) { return static_cast<std::uint8_t>(q + 128); });
  std::ranges::copy(parts.scales("weight_scale", l.scale.size()), l.scale.data());
  set_middle_zero_points(l);
}

void read_pack_quantized(const Parts& parts, IntegerLayer& l) {
  Streams rows(parts, "weight_packed", l.in_features, l.bits);
  for (std::size_t i = 0; i < l.out_features; ++i) {
    put_codes(rows.read(i * rows.num_words(), 1), l.codes.row(i));
  }
  std::ranges::copy(parts.scales("weight_scale", l.scale.size()), l.scale.data());
  set_middle_zero_points(l);
}

/// @p less is what the file holds less than the zero point.
void read_zero_points(const Parts& parts, std::uint32_t less, IntegerLayer& l) {
  Streams rows(parts, "qzeros", l.out_features, l.bits);
  const std::uint32_t middle = 1u << (l.bits - 1);
  for (std::size_t g = 0; g < l.num_groups(); ++g) {
    const Words& stored = rows.read(g * rows.num_words(), 1);
    for (std::size_t i = 0; i < l.out_features; ++i) {
      const std::uint32_t zero = stored[i] + less;
      if (zero >= 2 * middle) {
        parts.fail("qzeros", fmt::format("the zero point of output {}, group {} is {} (beyond {} "
                                         "bits; readers disagree about what that means)",
                                         i, g, zero, l.bits));
      }
      if (l.is_symmetric && zero != middle) {
        parts.fail("qzeros", fmt::format("the zero point of output {}, group {} is {} (config.json "
                                         "says sym, which makes it {})",
                                         i, g, zero, middle));
      }
      l.zero_point(i, g) = static_cast<std::uint8_t>(zero);
    }
  }
}

void check_g_idx(const Parts& parts, const IntegerLayer& l) {
  const auto g_idx = parts.integers<std::int32_t>("g_idx");
  for (std::size_t j = 0; j < g_idx.size(); ++j) {
    const std::size_t wanted = j / l.group_size;
    if (g_idx[j] >= 0 && static_cast<std::size_t>(g_idx[j]) == wanted) continue;
    parts.fail("g_idx", fmt::format("element {} is {}, not {} (without activation order, "
                                    "neighbouring columns share a group)",
                                    j, g_idx[j], wanted));
  }
}

void read_gptq(const Parts& parts, std::uint32_t less, IntegerLayer& l) {
  check_g_idx(parts, l);
  Streams columns(parts, "qweight", l.in_features, l.bits);
  for (std::size_t i = 0; i < l.out_features; ++i) {
    put_codes(columns.read(i, l.out_features), l.codes.row(i));
  }
  read_zero_points(parts, less, l);
  const auto scales = parts.scales("scales", l.scale.size());
  for (std::size_t k = 0; k < scales.size(); ++k) {
    l.scale(k % l.out_features, k / l.out_features) = scales[k];
  }
}

}  // namespace

IntegerLayer unpack_integer_layer(const SafetensorsFolder& files, const std::string& name,
                                  const IntegerLayer& sizes, IntegerFileConfig::Layout layout,
                                  bool has_whole_zero_points) {
  const Parts parts(files, name);
  IntegerLayer l = sizes_of(sizes);
  l.codes = Matrix<std::uint8_t>(l.out_features, l.in_features);
  l.scale = Matrix<float>(l.out_features, l.num_groups());
  l.zero_point = Matrix<std::uint8_t>(l.out_features, l.num_groups());
  switch (layout) {
    case IntegerFileConfig::Layout::int_quantized:
      read_int_quantized(parts, l);
      break;
    case IntegerFileConfig::Layout::pack_quantized:
      read_pack_quantized(parts, l);
      break;
    case IntegerFileConfig::Layout::gptq:
      read_gptq(parts, has_whole_zero_points ? 0 : 1, l);
      break;
  }
  if (l.has_bias) l.bias = parts.floats("bias", l.out_features);
  return l;
}

}  // namespace tessera::format
