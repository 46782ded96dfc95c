#include "format/residual_tensors.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "format/index_packing.hpp"
#include "format/layer_in_turn.hpp"

namespace tessera::format {
namespace {

using residual::ResidualLayer;
using Bytes = std::span<std::byte>;
using Current = LayerInTurn<ResidualLayer>;

constexpr std::uint64_t kPossibleBits[] = {2, 3, 4, 8};
constexpr float kLargestHalf = 65504;

bool fills_words(std::uint64_t out_features, std::uint64_t bits) {
  return out_features * bits % 32 == 0;
}

bool is_half(float value) {
  return value >= 0 && std::isfinite(value) && rounded_to(StoredType::float16, value) == value;
}

bool is_permutation_of(std::span<const std::uint32_t> order, std::size_t count) {
  std::vector<bool> is_named(count, false);
  for (const std::uint32_t channel : order) {
    if (channel >= count || is_named[channel]) return false;
    is_named[channel] = true;
  }
  return order.size() == count;
}

void check(const std::string& name, const ResidualLayer& l, const ResidualSizes& s) {
  const auto demand = [&](bool ok, const char* what) {
    if (!ok) throw Bug(fmt::format("the residual of {} {}", name, what));
  };
  demand(l.out_features == s.out_features && l.in_features == s.in_features && l.bits == s.bits,
         "was announced with other sizes than it has");
  demand(l.codes.rows() == s.in_features && l.codes.cols() == s.out_features &&
             l.scale.size() == s.out_features && l.top_magnitude.size() == s.in_features &&
             l.column_norm.size() == s.in_features,
         "has arrays of other sizes than its own");
  demand(std::ranges::all_of(
             l.codes.span(),
             [&](std::uint8_t code) { return code != 0 && (unsigned{code} >> l.bits) == 0; }),
         "has a code that is not 1 to 2^bits - 1");
  demand(std::ranges::all_of(l.scale, is_half), "has a scale that is no half, or negative");
  demand(std::ranges::all_of(l.column_norm, is_half), "has a norm that is no half, or negative");
  demand(std::ranges::all_of(l.top_magnitude,
                             [](float value) { return std::isfinite(value) && value >= 0; }) &&
             std::ranges::is_sorted(l.top_magnitude, std::greater<>()),
         "has largest magnitudes that are negative, not finite, or rise");
  demand(is_permutation_of(l.static_order, s.in_features),
         "has an order that is none of its channels");
}

void fill_codes(const ResidualLayer& l, Bytes out) {
  const int bits = static_cast<int>(l.bits);
  std::vector<std::uint16_t> row(l.out_features);
  std::vector<std::uint32_t> words(packed_words(l.out_features, bits));
  const std::size_t row_bytes = words.size() * sizeof(std::uint32_t);
  for (std::size_t j = 0; j < l.in_features; ++j) {
    row.assign(l.codes.row(j), l.codes.row(j) + l.out_features);
    pack_indices(row, {}, bits, 0, words);
    std::memcpy(out.data() + j * row_bytes, words.data(), row_bytes);
  }
}

void fill_top_magnitude(const ResidualLayer& l, Bytes out) {
  std::vector<float> clamped = l.top_magnitude;
  for (float& value : clamped) value = std::min(value, kLargestHalf);
  convert_from_float(DType::f32, clamped, out.data());
}

void fill_static_order(const ResidualLayer& l, Bytes out) {
  std::memcpy(out.data(), l.static_order.data(), out.size());  // as I32: far fewer than 2^31
}

void add_layer(const std::string& layer, const ResidualSizes& sizes,
               const std::shared_ptr<Current>& current,
               std::vector<model::TensorToWrite>& tensors) {
  const auto add = [&](const char* part, DType type, std::vector<std::size_t> shape,
                       std::function<void(const ResidualLayer&, Bytes)> fill) {
    tensors.push_back(
        {layer + part,
         {type, std::move(shape)},
         [layer, sizes, current, fill = std::move(fill)](Bytes out) {
           fill(current->get(layer, [&](const ResidualLayer& l) { check(layer, l, sizes); }), out);
         }});
  };
  const auto halves = [](std::vector<float> ResidualLayer::*values) {
    return [values](const ResidualLayer& l, Bytes out) {
      convert_from_float(DType::f16, l.*values, out.data());
    };
  };
  const std::size_t outputs = sizes.out_features, inputs = sizes.in_features;
  add(kResidualCodes, DType::i32, {inputs, outputs * sizes.bits / 32}, fill_codes);
  add(kResidualScale, DType::f16, {outputs}, halves(&ResidualLayer::scale));
  add(kTopMagnitude, DType::f32, {inputs}, fill_top_magnitude);
  add(kColumnNorm, DType::f16, {inputs}, halves(&ResidualLayer::column_norm));
  add(kStaticOrder, DType::i32, {inputs}, fill_static_order);
}

}  // namespace

std::vector<std::string> residual_problems(const ResidualSizes& s) {
  if (std::ranges::find(kPossibleBits, s.bits) == std::end(kPossibleBits)) {
    return {
        fmt::format("its residual has {} bits (a residual file holds {}). Choose other "
                    "residual.bits.",
                    s.bits, fmt::join(kPossibleBits, ", "))};
  }
  if (s.out_features == 0 || s.in_features == 0) {
    return {
        fmt::format("it is [{}, {}], with nothing to store. Leave the layer out by "
                    "quantize.ignore.",
                    s.out_features, s.in_features)};
  }
  if (fills_words(s.out_features, s.bits)) return {};
  std::vector<std::uint64_t> fitting;
  std::ranges::copy_if(kPossibleBits, std::back_inserter(fitting),
                       [&](std::uint64_t bits) { return fills_words(s.out_features, bits); });
  const std::string other_bits =
      fitting.empty() ? ""
                      : fmt::format(", or choose residual.bits {}", fmt::join(fitting, " or "));
  return {
      fmt::format("its {} outputs of {} bits do not fill words of 32 bits (a residual's channel "
                  "begins at a word of its own). Leave the layer out by quantize.ignore{}.",
                  s.out_features, s.bits, other_bits)};
}

std::vector<model::TensorToWrite> residual_tensors(
    const std::map<std::string, ResidualSizes>& layers, const LoadResidual& load) {
  const auto current = std::make_shared<Current>(load);
  std::vector<model::TensorToWrite> tensors;
  for (const auto& [layer, sizes] : layers) {
    if (const auto problems = residual_problems(sizes); !problems.empty()) {
      throw InputError(fmt::format("{}: {}", layer, fmt::join(problems, " ")));
    }
    require(sizes.bits == layers.begin()->second.bits, "residuals of one file have the same bits");
    add_layer(layer, sizes, current, tensors);
  }
  return tensors;
}

}  // namespace tessera::format
