#include "format/check_integer_layer.hpp"

#include <cmath>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::format {
namespace {

using solver::IntegerLayer;

[[noreturn]] void fail(const std::string& name, const std::string& problem) {
  throw Bug(fmt::format("{} {}", name, problem));
}

bool have_same_sizes(const IntegerLayer& a, const IntegerLayer& b) {
  return a.out_features == b.out_features && a.in_features == b.in_features && a.bits == b.bits &&
         a.group_size == b.group_size && a.is_symmetric == b.is_symmetric &&
         a.scale_type == b.scale_type && a.input == b.input && a.has_bias == b.has_bias;
}

template <class T>
void check_extent(const std::string& name, const char* what, const Matrix<T>& matrix,
                  std::uint64_t rows, std::uint64_t cols) {
  if (matrix.rows() == rows && matrix.cols() == cols) return;
  fail(name, fmt::format("has {} of [{}, {}], not [{}, {}]", what, matrix.rows(), matrix.cols(),
                         rows, cols));
}

void check_codes(const std::string& name, const IntegerLayer& l) {
  const unsigned max_code = (1u << l.bits) - 1;
  for (std::size_t i = 0; i < l.codes.size(); ++i) {
    if (l.codes.span()[i] <= max_code) continue;
    fail(name, fmt::format("has the code {} at row {}, column {} (beyond {} bits)",
                           l.codes.span()[i], i / l.in_features, i % l.in_features, l.bits));
  }
}

bool is_scale(float value, StoredType type) {
  return value > 0 && std::isfinite(value) && rounded_to(type, value) == value;
}

void check_scales(const std::string& name, const IntegerLayer& l) {
  for (std::size_t i = 0; i < l.scale.size(); ++i) {
    if (is_scale(l.scale.span()[i], l.scale_type)) continue;
    fail(name,
         fmt::format("has the scale {} at row {}, group {} (not a positive {})", l.scale.span()[i],
                     i / l.num_groups(), i % l.num_groups(), name_of(dtype_of(l.scale_type))));
  }
  if (l.input && !l.input->is_dynamic && !is_scale(l.input->scale, l.scale_type)) {
    fail(name, fmt::format("has the input scale {} (not a positive {})", l.input->scale,
                           name_of(dtype_of(l.scale_type))));
  }
}

/// Where zero points are stored less one, 0 would become the largest.
void check_zero_points(const std::string& name, const IntegerLayer& l, IntegerFormat format) {
  const unsigned middle = 1u << (l.bits - 1);
  const bool less_one =
      format == IntegerFormat::gptq && !stores_whole_zero_points(l.bits, l.is_symmetric);
  const unsigned low = l.is_symmetric ? middle : less_one ? 1 : 0;
  const unsigned high = l.is_symmetric ? middle : 2 * middle - 1;
  for (std::size_t i = 0; i < l.zero_point.size(); ++i) {
    const unsigned zero = l.zero_point.span()[i];
    if (zero >= low && zero <= high) continue;
    fail(name, fmt::format("has the zero point {} at row {}, group {} (the format holds {} to {})",
                           zero, i / l.num_groups(), i % l.num_groups(), low, high));
  }
}

void check_bias(const std::string& name, const IntegerLayer& l) {
  if (l.bias.size() != (l.has_bias ? l.out_features : 0)) {
    fail(name, fmt::format("has a bias of {} numbers, not {}", l.bias.size(),
                           l.has_bias ? l.out_features : 0));
  }
  for (std::size_t i = 0; i < l.bias.size(); ++i) {
    if (std::isfinite(rounded_to(l.scale_type, l.bias[i]))) continue;
    fail(name, fmt::format("has the bias {} at row {} (no finite {})", l.bias[i], i,
                           name_of(dtype_of(l.scale_type))));
  }
}

}  // namespace

void check_integer_layer(const std::string& name, const IntegerLayer& layer,
                         const IntegerLayer& announced, IntegerFormat format) {
  if (!have_same_sizes(layer, announced)) fail(name, "was announced with other sizes than it has");
  check_extent(name, "codes", layer.codes, layer.out_features, layer.in_features);
  check_extent(name, "scales", layer.scale, layer.out_features, layer.num_groups());
  check_extent(name, "zero points", layer.zero_point, layer.out_features, layer.num_groups());
  check_codes(name, layer);
  check_scales(name, layer);
  check_zero_points(name, layer, format);
  check_bias(name, layer);
}

}  // namespace tessera::format
