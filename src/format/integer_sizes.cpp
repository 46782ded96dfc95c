#include "format/integer_sizes.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/error.hpp"

namespace tessera::format {
namespace {

using solver::IntegerLayer;
using Problems = std::vector<std::string>;

// What gptqmodel 5.6 takes, beside whole rows.
constexpr std::uint64_t kGptqGroupSizes[] = {16, 32, 64, 128, 256, 512, 1024};

bool is_channelwise(const IntegerLayer& l) {
  return l.group_size == l.in_features;
}

void check_shape(const IntegerLayer& l, Problems& problems) {
  if (l.out_features == 0 || l.in_features == 0) {
    problems.push_back(
        fmt::format("the layer is [{}, {}] (there is nothing to pack). Leave it out.",
                    l.out_features, l.in_features));
  }
  if (l.bits != 2 && l.bits != 3 && l.bits != 4 && l.bits != 8) {
    problems.push_back(
        fmt::format("bits is {} (engines know 2, 3, 4 and 8). Choose one of these.", l.bits));
  }
  if (l.group_size == 0) {
    problems.emplace_back("group_size is 0 (a scale needs columns). Choose 1 or more.");
  }
}

void check_int_quantized(const IntegerLayer& l, Problems& problems) {
  if (l.bits != 8) {
    problems.push_back(fmt::format(
        "bits is {} with quantized inputs (engines multiply 8-bit inputs by 8-bit weights only). "
        "Choose 8, or leave the inputs as they are.",
        l.bits));
  }
  if (!l.is_symmetric) {
    problems.emplace_back(
        "the weights are asymmetric and the inputs quantized (engines know symmetric int8 weights "
        "only). Make the weights symmetric.");
  }
  if (!is_channelwise(l)) {
    problems.push_back(
        fmt::format("group_size is {} of {} input columns with quantized inputs (engines know one "
                    "scale a row). Choose one scale a row.",
                    l.group_size, l.in_features));
  }
  if (l.input->is_dynamic) return;
  if (!(l.input->scale > 0) || !std::isfinite(l.input->scale)) {
    problems.push_back(fmt::format(
        "the input's scale is {} (it must be positive). Calibrate again.", l.input->scale));
  }
  if (l.input->zero_point < -128 || l.input->zero_point > 127) {
    problems.push_back(
        fmt::format("the input's zero point is {} (int8 holds -128 to 127). Calibrate again.",
                    l.input->zero_point));
  }
}

void check_pack_quantized(const IntegerLayer& l, Problems& problems) {
  if (!l.is_symmetric) {
    problems.emplace_back(
        "the weights are asymmetric (compressed-tensors fails to load packed zero points). Make "
        "them symmetric, or choose the format gptq.");
  }
  if (l.group_size != 0 && l.in_features % l.group_size != 0) {
    problems.push_back(fmt::format(
        "group_size {} does not divide the layer's {} input columns (compressed-tensors loads "
        "whole groups only). Choose a group size that divides every layer, or the format gptq.",
        l.group_size, l.in_features));
  }
}

void check_gptq(const IntegerLayer& l, Problems& problems) {
  if (l.input) {
    problems.emplace_back(
        "the inputs are quantized (GPTQ has no place for that). Choose the format "
        "compressed-tensors.");
  }
  if (l.scale_type != StoredType::float16) {
    problems.push_back(
        fmt::format("scales are {} (GPTQ's are F16). Choose output.dtype float16, or the format "
                    "compressed-tensors.",
                    name_of(dtype_of(l.scale_type))));
  }
  if (!is_channelwise(l) &&
      std::ranges::find(kGptqGroupSizes, l.group_size) == std::end(kGptqGroupSizes)) {
    problems.push_back(fmt::format(
        "group_size is {} (GPTQ's engines know {} and whole rows). Choose one of these.",
        l.group_size, fmt::join(kGptqGroupSizes, ", ")));
  }
  if (l.in_features % 32 != 0 || l.out_features % 32 != 0) {
    problems.push_back(
        fmt::format("the layer is [{}, {}] (GPTQ's engines load multiples of 32 only). Leave this "
                    "layer unquantized, or choose the format compressed-tensors.",
                    l.out_features, l.in_features));
  }
}

/// What keeps the two from sharing a config.json; empty when nothing does.
std::string difference(const IntegerScheme& a, const IntegerScheme& b) {
  if (a.bits != b.bits) return fmt::format("bits ({} and {})", a.bits, b.bits);
  if (a.group_size != b.group_size) {
    return fmt::format("group_size ({} and {})", a.group_size, b.group_size);
  }
  if (a.is_symmetric != b.is_symmetric) return "symmetry";
  if (a.scale_type != b.scale_type) return "the type of their scales";
  if (a.input.has_value() != b.input.has_value()) return "whether their inputs are quantized";
  if (a.input && a.input->is_dynamic != b.input->is_dynamic) {
    return "whether their inputs' scales are dynamic";
  }
  return "";
}

/// @p group_size is the model's; a layer whose rows have one scale fits 0, and in GPTQ any group
/// that is at least as long as its rows.
IntegerScheme scheme_of(const IntegerLayer& l, std::uint64_t group_size, IntegerFormat format) {
  const bool fits =
      is_channelwise(l) &&
      (group_size == 0 || (format == IntegerFormat::gptq && group_size >= l.in_features));
  return {.bits = l.bits,
          .group_size = fits ? group_size : l.group_size,
          .is_symmetric = l.is_symmetric,
          .scale_type = l.scale_type,
          .input = l.input};
}

/// That of the layers with several scales a row; 0 when there are none.
std::uint64_t group_size_of(const IntegerSizes& sizes) {
  for (const auto& [name, layer] : sizes) {
    if (!is_channelwise(layer)) return layer.group_size;
  }
  return 0;
}

}  // namespace

Problems integer_format_problems(const IntegerLayer& sizes, IntegerFormat format) {
  Problems problems;
  check_shape(sizes, problems);
  if (format == IntegerFormat::gptq) {
    check_gptq(sizes, problems);
  } else if (sizes.input) {
    check_int_quantized(sizes, problems);
  } else {
    check_pack_quantized(sizes, problems);
  }
  return problems;
}

bool stores_whole_zero_points(std::uint64_t bits, bool is_symmetric) {
  return bits == 3 || (bits == 2 && !is_symmetric);
}

IntegerScheme common_scheme(const IntegerSizes& sizes, IntegerFormat format) {
  require(!sizes.empty(), "a model with packed layers");
  for (const auto& [name, layer] : sizes) {
    const Problems problems = integer_format_problems(layer, format);
    if (problems.empty()) continue;
    throw InputError(fmt::format("{}: {}", name, fmt::join(problems, " ")));
  }
  const std::uint64_t group_size = group_size_of(sizes);
  const auto& [first_name, first_layer] = *sizes.begin();
  IntegerScheme scheme = scheme_of(first_layer, group_size, format);
  for (const auto& [name, layer] : sizes) {
    const IntegerScheme other = scheme_of(layer, group_size, format);
    if (const std::string what = difference(scheme, other); !what.empty()) {
      throw InputError(fmt::format(
          "{} and {} differ in {} (the format's config.json holds one scheme for all packed "
          "layers). Give all layers the same settings.",
          first_name, name, what));
    }
    if (layer.input && layer.input->zero_point != 0) scheme.input_is_symmetric = false;
  }
  return scheme;
}

}  // namespace tessera::format
