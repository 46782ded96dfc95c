#include "solver/vptq/column_layout.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::solver {
namespace {

/// The largest power of two that is at most @p wanted and at most @p num_vectors, but at least 2
/// (an index has a bit).
std::size_t fitting_centroids(std::size_t wanted, std::size_t num_vectors) {
  std::size_t fitting = wanted;
  while (fitting > 2 && fitting > num_vectors) fitting /= 2;
  return fitting;
}

void fit_codebooks(ColumnLayout& layout, Segment& segment, std::size_t out_features) {
  const std::size_t num_vectors =
      segment.size() * std::max<std::size_t>(out_features / segment.vector_len, 1);
  const auto fit = [&](std::size_t& count, const char* what) {
    const std::size_t fitting = fitting_centroids(count, num_vectors);
    if (fitting == count) return;
    layout.remarks.push_back(
        fmt::format("{} reduced from {} to {} (columns {} to {} hold only {} vectors)", what, count,
                    fitting, segment.begin, segment.end, num_vectors));
    count = fitting;
  };
  fit(segment.num_centroids, segment.is_outlier ? "num_outlier_centroids" : "num_centroids");
  if (segment.num_res_centroids > 0) {
    fit(segment.num_res_centroids, "num_res_centroids");
    segment.num_res_centroids = std::min(segment.num_res_centroids, segment.num_centroids);
  }
}

}  // namespace

ColumnLayout lay_out_columns(std::size_t out_features, std::span<const double> importance,
                             const VptqSettings& settings) {
  const std::size_t n = importance.size();
  const auto groups = static_cast<std::size_t>(settings.num_groups);
  ColumnLayout layout;
  layout.perm.resize(n);
  std::iota(layout.perm.begin(), layout.perm.end(), 0u);
  if (settings.permute) {
    std::stable_sort(layout.perm.begin(), layout.perm.end(), [&](std::uint32_t a, std::uint32_t b) {
      return importance[a] > importance[b];
    });
  }
  if (settings.outlier_percent > 0) {
    layout.outlier_size = static_cast<std::size_t>(
        std::ceil(settings.outlier_percent / 100.0 * static_cast<double>(n)));
    layout.outlier_size += (n - layout.outlier_size) % groups;
  }
  if ((n - layout.outlier_size) % groups != 0 || n - layout.outlier_size < groups) {
    throw InputError(
        fmt::format("num_groups is {} but the layer has {} columns (groups must be equal). Choose "
                    "a divisor, or set "
                    "outlier_percent so that outliers take up the rest.",
                    groups, n));
  }
  layout.group_size = (n - layout.outlier_size) / groups;
  if (layout.outlier_size > 0) {
    layout.segments.push_back({0, layout.outlier_size,
                               static_cast<std::size_t>(settings.outlier_vector_len),
                               static_cast<std::size_t>(settings.num_outlier_centroids), 0, true});
  }
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t begin = layout.outlier_size + g * layout.group_size;
    layout.segments.push_back({begin, begin + layout.group_size,
                               static_cast<std::size_t>(settings.vector_len),
                               static_cast<std::size_t>(settings.num_centroids),
                               static_cast<std::size_t>(settings.num_res_centroids), false});
  }
  for (Segment& segment : layout.segments) fit_codebooks(layout, segment, out_features);
  return layout;
}

}  // namespace tessera::solver
