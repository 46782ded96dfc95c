#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "calibration/input_statistics.hpp"

// An input's statistics as one row of numbers, so that they can be cut into slabs, sent, summed and
// stored without anyone knowing what they mean. For n channels:
//
//     n (n + 1) / 2        lower triangle of the Hessian's sum, row after row
//     as many              that of what compensation leaves, where that is kept
//     n numbers            sum of x
//     n numbers            sum of the first tokens' x
//     2 numbers            tokens, first tokens (exact below 2^53)
//     r * n numbers        inputs of r sampled tokens, row after row: each comes from one partial,
//     the others have zeros n numbers            -minimum        from here on, joining takes the
//     larger number n numbers            maximum
namespace tessera::calibration {

/// What a flat row has in it.
struct FlatShape {
  std::uint64_t num_channels = 0;
  std::uint64_t num_rows = 0;  ///< sampled tokens
  bool has_left = false;       ///< a second triangle

  FlatShape(std::uint64_t channels = 0, const StatisticsExtras& extras = {})
      : num_channels(channels), num_rows(extras.sample.num_rows), has_left(extras.k_chunk > 0) {}
  bool operator==(const FlatShape&) const = default;
};

/// Numbers of a flat row.
std::size_t flat_size(const FlatShape& shape);

/// Where a flat row is cut into slabs: a property of the layer, never of the number of ranks. Every
/// slab has at most @p max_numbers, and all have about the same.
std::vector<Tile> cut_into_slabs(const FlatShape& shape, std::size_t max_numbers);

/// Where in a flat row the number of tokens stands.
std::size_t place_of_token_count(const FlatShape& shape);

/// Copies the numbers [begin, begin + out.size()) of @p statistics' flat row.
void copy_flat(const InputStatistics& statistics, std::size_t begin, std::span<double> out);

/// Puts @p values at [begin, ...) of the flat row into @p statistics; inverse of copy_flat.
void place_flat(std::span<const double> values, std::size_t begin, InputStatistics& statistics);

/// One slab of a complete sum, or of a partial: numbers [begin, begin + values.size()) of the flat
/// row of an input.
struct StatisticsSlab {
  FlatShape shape;
  std::uint64_t begin = 0;
  std::vector<double> values;

  StatisticsSlab() = default;
  /// That of no tokens.
  StatisticsSlab(const FlatShape& shape, Tile range);

  /// Joins a partial's numbers from @p offset of this slab on: adds, or takes the larger.
  void join(std::size_t offset, std::span<const double> partial);
};

/// Walks the fields past an archive; the same function loads and stores (store/archive.hpp).
template <class Archive>
void archive(Archive& a, StatisticsSlab& s) {
  a("num_channels", s.shape.num_channels);
  a("num_rows", s.shape.num_rows);
  a("has_left", s.shape.has_left);
  a("begin", s.begin);
  a("values", s.values);
}

}  // namespace tessera::calibration
