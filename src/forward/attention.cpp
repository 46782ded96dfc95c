#include "forward/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "linalg/gemm.hpp"
#include "linalg/vector_math.hpp"

namespace tessera::forward {
namespace {

/// A query's softmax so far.
struct Running {
  float maximum = -std::numeric_limits<float>::infinity();
  double sum = 0;
};

struct Range {
  std::size_t begin, end;
  bool empty() const { return begin >= end; }
};

/// The positions that @p query may see, among [0, query].
Range visible(std::size_t query, std::optional<std::size_t> window) {
  return {window && query + 1 > *window ? query + 1 - *window : 0, query + 1};
}

/// Turns scores into unnormalized weights and rescales what was summed under a smaller maximum. @p
/// seen: the visible columns of this tile.
void weigh(std::span<float> scores, Range seen, std::span<float> weighted, Running& running) {
  std::fill(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(seen.begin), 0.0F);
  std::fill(scores.begin() + static_cast<std::ptrdiff_t>(seen.end), scores.end(), 0.0F);
  const auto part = scores.subspan(seen.begin, seen.end - seen.begin);
  const float maximum = std::max(running.maximum, linalg::largest(part));
  if (maximum > running.maximum) {
    const float shrink = std::exp(running.maximum - maximum);  // 0 at the first tile
    linalg::scale(weighted, shrink);
    running.sum *= static_cast<double>(shrink);
    running.maximum = maximum;
  }
  running.sum += linalg::exp_and_sum(part, maximum);
}

/// The part of [seen.begin, seen.end) inside the tile of @p count keys from @p key on, counted from
/// @p key.
Range within_tile(Range seen, std::size_t key, std::size_t count) {
  const std::size_t begin = std::max(seen.begin, key), end = std::min(seen.end, key + count);
  return begin < end ? Range{begin - key, end - key} : Range{0, 0};
}

}  // namespace

void attend(const AttentionHead& head, std::size_t first, std::size_t count,
            MatrixView<float> scores, MatrixView<float> weighted) {
  const std::size_t dim = head.queries.cols;
  const float scale = 1.0F / std::sqrt(static_cast<float>(dim));
  const auto queries = head.queries.middle_rows(first, count);
  const std::size_t position = head.start + first;
  std::vector<Running> running(count);
  for (std::size_t i = 0; i < count; ++i) std::ranges::fill(weighted.row_span(i), 0.0F);

  const std::size_t first_key = visible(position, head.window).begin / kKeyTile * kKeyTile;
  for (std::size_t key = first_key; key < position + count; key += kKeyTile) {
    const std::size_t num_keys = std::min(kKeyTile, position + count - key);
    const auto seen = [&](std::size_t i) {
      return within_tile(visible(position + i, head.window), key, num_keys);
    };
    std::size_t begin =
        key > position ? key - position : 0;  // queries before the tile see nothing of it,
    std::size_t end = count;                  // nor do those whose window has passed it
    while (end > begin && seen(end - 1).empty()) --end;
    if (begin == end) continue;

    const auto tile = scores.block(begin, 0, end - begin, num_keys);
    linalg::gemm(scale, queries.middle_rows(begin, end - begin), linalg::Transposed::no,
                 head.keys.middle_rows(key, num_keys), linalg::Transposed::yes, 0, tile);
    for (std::size_t i = begin; i < end; ++i) {
      weigh(tile.row_span(i - begin), seen(i), weighted.row_span(i).first(dim), running[i]);
    }
    linalg::gemm(1, tile, linalg::Transposed::no, head.values.middle_rows(key, num_keys),
                 linalg::Transposed::no, 1, weighted.block(begin, 0, end - begin, dim));
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::ranges::copy(weighted.row_span(i).first(dim), queries.row(i));
    linalg::scale(queries.row_span(i), static_cast<float>(1 / running[i].sum));
  }
}

}  // namespace tessera::forward
