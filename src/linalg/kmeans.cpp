#include "linalg/kmeans.hpp"

#include <algorithm>
#include <limits>

#include "linalg/kmeans_partition.hpp"

namespace tessera::linalg {
namespace {

// From here on a vector has few enough neighbouring centroids for their lists to pay
// (tests/bench/kmeans_peers.py).
constexpr std::size_t kManyCentroids = 1024;

/// Assigns and sums, iteration by iteration, in the way that suits the number of centroids.
class Iteration {
 public:
  Iteration(Threads& threads, Planes x, std::span<const float> weights, std::size_t num_centroids)
      : threads_(threads),
        x_(x),
        partition_(make_partition(threads, x, weights)),
        sums_(num_centroids, x.rows) {}

  /// Brings the partition and the sums to the centroids; false when no index changed.
  bool run(const Matrix<float>& centroids) {
    const CentroidTable table(centroids);
    const bool is_first = num_runs_++ == 0;
    if (table.count() < kManyCentroids) {
      const bool changed = assign_all(threads_, x_, table, partition_);
      sum_by_chunks(threads_, partition_, table, sums_);
      return changed || is_first;
    }
    const bool changed = is_first ? assign_all(threads_, x_, table, partition_)
                                  : assign_among_neighbours(threads_, groups_, table, partition_);
    if (changed || is_first) group_by_centroid(threads_, partition_, table.count(), groups_);
    // Vectors change their centroids less and less; neighbours in memory pay for being sorted anew
    // a few times.
    if (num_runs_ == 1 || num_runs_ == 3 || num_runs_ == 8) {
      store_by_group(threads_, partition_, groups_);
    }
    sum_by_groups(threads_, partition_, groups_, table, sums_);
    return changed || is_first;
  }

  double inertia() const { return sums_.total_inertia(); }
  void move(Matrix<float>& centroids) const { move_centroids(partition_, sums_, centroids); }

  /// By the caller's numbers.
  std::vector<std::uint32_t> index() const {
    std::vector<std::uint32_t> index(partition_.size());
    for (std::size_t i = 0; i < index.size(); ++i) {
      index[partition_.original[i]] = partition_.index[i];
    }
    return index;
  }

 private:
  Threads& threads_;
  Planes x_;
  Partition partition_;
  Groups groups_;
  CentroidSums sums_;
  std::size_t num_runs_ = 0;
};

}  // namespace

KmeansResult kmeans(Threads& threads, Planes x, std::span<const float> weights,
                    const KmeansSettings& settings, const CounterRandom& random) {
  return kmeans_from(threads, x, weights, settings,
                     seed_centroids(threads, x, weights, settings.num_centroids, random));
}

KmeansResult kmeans_from(Threads& threads, Planes x, std::span<const float> weights,
                         const KmeansSettings& settings, MatrixView<const float> start) {
  require(x.rows == start.cols, "vectors and centroids must have the same length");
  require(weights.size() == x.cols, "k-means needs one weight per vector");
  require(start.rows >= 1 && start.rows <= x.cols,
          "k-means needs at least one vector per centroid");

  KmeansResult result;
  result.centroids = Matrix<float>(start.rows, start.cols);
  for (std::size_t c = 0; c < start.rows; ++c) {
    std::copy_n(start.row(c), start.cols, result.centroids.row(c));
  }
  Iteration iteration(threads, x, weights, start.rows);
  double last_inertia = std::numeric_limits<double>::infinity();
  for (;; ++result.num_iterations) {
    const bool changed = iteration.run(result.centroids);
    result.inertia = iteration.inertia();
    const double fall = last_inertia - result.inertia;
    if (!changed || fall < settings.tolerance * last_inertia ||
        result.num_iterations >= settings.max_iterations) {
      break;
    }
    last_inertia = result.inertia;
    iteration.move(result.centroids);
  }
  result.index = iteration.index();
  return result;
}

}  // namespace tessera::linalg
