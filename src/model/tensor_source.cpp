#include "model/tensor_source.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "core/error.hpp"
#include "model/quoted_name.hpp"

namespace tessera::model {
namespace {

void check_shape(const TensorSource& source, std::string_view name,
                 const std::vector<std::size_t>& expected) {
  const TensorInfo info = source.info(name);
  if (info.shape == expected) return;
  throw InputError(
      fmt::format("{}: tensor {} is {} (its config.json asks for [{}]). Weights and "
                  "config.json do not belong together.",
                  source.origin(), quote_name(name), info.to_text(), fmt::join(expected, ", ")));
}

/// @p cols is the length of a row, 0 for a vector; @p first_row the number of the first.
void check_finite(const TensorSource& source, std::string_view name, std::span<const float> values,
                  std::size_t cols, std::size_t first_row = 0) {
  const std::size_t bad = first_not_finite(values);
  if (bad == values.size()) return;
  const std::string place =
      cols == 0 ? fmt::format("element {}", bad)
                : fmt::format("row {}, column {}", first_row + bad / cols, bad % cols);
  throw InputError(fmt::format(
      "{}: tensor {} holds {} at {} (weights must be finite). The model is "
      "damaged; fetch or train it again.",
      source.origin(), quote_name(name), std::isnan(values[bad]) ? "NaN" : "infinity", place));
}

}  // namespace

std::size_t TensorInfo::count() const {
  std::size_t count = 1;
  for (const std::size_t extent : shape) count *= extent;
  return count;
}

std::string TensorInfo::to_text() const {
  return fmt::format("{} [{}]", name_of(dtype), fmt::join(shape, ", "));
}

std::size_t first_not_finite(std::span<const float> values) {
  // A tile is judged as a whole, without a branch for each value, so that the loop vectorizes.
  constexpr std::size_t kTile = 1024;
  constexpr std::uint32_t kExponent = 0x7F800000u;
  for (std::size_t begin = 0; begin < values.size(); begin += kTile) {
    const auto tile = values.subspan(begin, std::min(kTile, values.size() - begin));
    std::uint32_t bad = 0;
    for (const float value : tile) {
      bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & kExponent) ==
                                        kExponent);
    }
    if (bad == 0) continue;
    const auto found = std::ranges::find_if(tile, [](float v) { return !std::isfinite(v); });
    return begin + static_cast<std::size_t>(found - tile.begin());
  }
  return values.size();
}

Matrix<float> TensorSource::read_matrix(std::string_view name, std::size_t rows,
                                        std::size_t cols) const {
  check_shape(*this, name, {rows, cols});
  Matrix<float> matrix(rows, cols);
  read(name, matrix.span());
  check_finite(*this, name, matrix.span(), cols);
  return matrix;
}

Matrix<float> TensorSource::read_matrix_rows(std::string_view name, std::size_t rows,
                                             std::size_t cols, Tile wanted) const {
  require(wanted.end <= rows, "the rows asked for are the matrix's");
  check_shape(*this, name, {rows, cols});
  Matrix<float> matrix(wanted.size(), cols);
  read_rows(name, wanted, matrix.span());
  check_finite(*this, name, matrix.span(), cols, wanted.begin);
  return matrix;
}

void TensorSource::read_rows(std::string_view name, Tile rows, std::span<float> out) const {
  const TensorInfo found = info(name);
  require(found.shape.size() == 2 && rows.end <= found.shape[0] &&
              out.size() == rows.size() * found.shape[1],
          "rows of a matrix are read into a span of their own size");
  std::vector<float> all(found.count());
  read(name, all);
  const auto begin = static_cast<std::ptrdiff_t>(rows.begin * found.shape[1]);
  std::copy_n(all.begin() + begin, out.size(), out.begin());
}

std::vector<float> TensorSource::read_vector(std::string_view name, std::size_t size) const {
  check_shape(*this, name, {size});
  std::vector<float> values(size);
  read(name, values);
  check_finite(*this, name, values, 0);
  return values;
}

}  // namespace tessera::model
