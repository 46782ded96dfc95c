#include "calibration/flat_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace tessera::calibration {
namespace {

std::size_t triangle(std::size_t rows) {
  return rows * (rows + 1) / 2;
}

/// Numbers of the triangles.
std::size_t num_squares(const FlatShape& shape) {
  return (shape.has_left ? 2 : 1) * triangle(shape.num_channels);
}

/// Numbers that joining adds; of those behind them it takes the larger.
std::size_t num_added(const FlatShape& shape) {
  return num_squares(shape) + (2 + shape.num_rows) * shape.num_channels + 2;
}

FlatShape shape_of(const InputStatistics& statistics) {
  return {statistics.num_channels(), statistics.extras};
}

/// The row of a lower triangle that holds number @p index.
std::size_t row_of(std::size_t index) {
  auto row = static_cast<std::size_t>((std::sqrt(8.0 * static_cast<double>(index) + 1.0) - 1) / 2);
  while (triangle(row + 1) <= index) ++row;  // the root of a large number may be off by one
  while (triangle(row) > index) --row;
  return row;
}

/// Calls visit(first flat index, its numbers, count) for each row of the triangle that stands from
/// @p at on in the flat row and overlaps [begin, end).
template <class Square, class Visit>
void for_each_row(Square& square, std::size_t at, std::size_t begin, std::size_t end,
                  Visit&& visit) {
  const std::size_t n = square.rows();
  if (end <= at || begin >= at + triangle(n)) return;
  for (std::size_t row = begin > at ? row_of(begin - at) : 0; row < n; ++row) {
    if (at + triangle(row) >= end) return;
    visit(at + triangle(row), square.row(row), row + 1);
  }
}

/// The part of a run at [at, at + count) that lies in [begin, end): from, to.
struct Overlap {
  std::size_t from, to;
  Overlap(std::size_t at, std::size_t count, std::size_t begin, std::size_t end)
      : from(std::max(at, begin)), to(std::min(at + count, end)) {}
  bool is_empty() const { return from >= to; }
};

/// Every number of [begin, end) as a reference to where it lives, through @p transfer(run begin,
/// pointer-like at(i), count, sign).
template <class Statistics, class Transfer>
void for_each_part(Statistics& s, std::size_t begin, std::size_t end, Transfer&& transfer) {
  const FlatShape shape = shape_of(s);
  const std::size_t n = s.num_channels();
  const auto add = [&](std::size_t at, auto* numbers, std::size_t count) {
    transfer(at, numbers, count, 1.0);
  };
  for_each_row(s.hessian.sum, 0, begin, end, add);
  for_each_row(s.left_sum, triangle(n), begin, end, add);
  transfer(num_squares(shape), s.sum.data(), n, 1.0);
  const std::size_t after = num_squares(shape) + n;
  transfer(after, s.first_sum.data(), n, 1.0);
  transfer(after + n, &s.hessian.num_tokens, std::size_t{1}, 1.0);
  transfer(after + n + 1, &s.num_first, std::size_t{1}, 1.0);
  transfer(after + n + 2, s.token_rows.data(), s.token_rows.size(), 1.0);
  const std::size_t extremes = num_added(shape);
  transfer(extremes, s.minimum.data(), n, -1.0);
  transfer(extremes + n, s.maximum.data(), n, 1.0);
}

}  // namespace

std::size_t flat_size(const FlatShape& shape) {
  return num_added(shape) + 2 * shape.num_channels;
}

std::size_t place_of_token_count(const FlatShape& shape) {
  return num_squares(shape) + 2 * shape.num_channels;
}

std::vector<Tile> cut_into_slabs(const FlatShape& shape, std::size_t max_numbers) {
  require(max_numbers > 0, "a slab holds something");
  const std::size_t size = flat_size(shape);
  const std::size_t count = num_tiles(size, max_numbers);
  std::vector<Tile> slabs;
  for (std::size_t i = 0; i < count; ++i)
    slabs.push_back({size * i / count, size * (i + 1) / count});
  return slabs;
}

void copy_flat(const InputStatistics& statistics, std::size_t begin, std::span<double> out) {
  const std::size_t end = begin + out.size();
  require(end <= flat_size(shape_of(statistics)), "a range of the flat row");
  for_each_part(statistics, begin, end,
                [&](std::size_t at, const auto* numbers, std::size_t count, double sign) {
                  const Overlap part(at, count, begin, end);
                  for (std::size_t i = part.from; i < part.to; ++i) {
                    out[i - begin] = sign * static_cast<double>(numbers[i - at]);
                  }
                });
}

void place_flat(std::span<const double> values, std::size_t begin, InputStatistics& statistics) {
  const std::size_t end = begin + values.size();
  require(end <= flat_size(shape_of(statistics)), "a range of the flat row");
  for_each_part(statistics, begin, end,
                [&](std::size_t at, auto* numbers, std::size_t count, double sign) {
                  using Number = std::remove_pointer_t<decltype(numbers)>;
                  const Overlap part(at, count, begin, end);
                  for (std::size_t i = part.from; i < part.to; ++i) {
                    numbers[i - at] = static_cast<Number>(sign * values[i - begin]);
                  }
                });
}

StatisticsSlab::StatisticsSlab(const FlatShape& of, Tile range)
    : shape(of), begin(range.begin), values(range.size()) {
  for (std::size_t i = std::max(range.begin, num_added(shape)); i < range.end; ++i) {
    values[i - range.begin] = -std::numeric_limits<double>::infinity();
  }
}

void StatisticsSlab::join(std::size_t offset, std::span<const double> partial) {
  require(offset + partial.size() <= values.size(), "a partial's numbers have a place in the slab");
  const std::size_t first_extreme = num_added(shape);
  const std::size_t at = begin + offset;
  const std::size_t added = at >= first_extreme ? 0 : std::min(partial.size(), first_extreme - at);
  double* out = values.data() + offset;
  for (std::size_t i = 0; i < added; ++i) out[i] += partial[i];
  for (std::size_t i = added; i < partial.size(); ++i) out[i] = std::max(out[i], partial[i]);
}

}  // namespace tessera::calibration
