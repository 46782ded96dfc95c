#include "solver/vptq/vptq_settings.hpp"

#include <bit>

#include <fmt/core.h>

namespace tessera::solver {
namespace {

bool is_power_of_two(int value) {
  return value > 0 && std::has_single_bit(static_cast<unsigned>(value));
}

void check_power(Problems& problems, const char* key, int value) {
  if (is_power_of_two(value)) return;
  problems.add(
      key, fmt::format("is {} (indices are packed in whole bits). Choose a power of two", value));
}

}  // namespace

void check(Problems& problems, const VptqSettings& s) {
  check_power(problems, "num_centroids", s.num_centroids);
  if (s.num_res_centroids != 0) {
    check_power(problems, "num_res_centroids", s.num_res_centroids);
    if (s.num_res_centroids == 1) {
      problems.add(
          "num_res_centroids",
          "is 1 (one entry needs no index). Set 0 for no residual codebook, or 2 and more");
    }
    if (s.num_res_centroids > s.num_centroids) {
      problems.add("num_res_centroids",
                   fmt::format("is {}, more than num_centroids {} (the released reader masks "
                               "residual indices with the main "
                               "width and would decode them wrongly). Swap the two",
                               s.num_res_centroids, s.num_centroids));
    }
  }
  if (s.outlier_percent > 0) {
    check_power(problems, "num_outlier_centroids", s.num_outlier_centroids);
    if (!s.permute) {
      problems.add("permute",
                   "is false while outlier_percent is set (outliers are the first permuted "
                   "columns). Set permute: true");
    }
  }
}

}  // namespace tessera::solver
