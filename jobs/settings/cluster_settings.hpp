#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/describe.hpp"

// A machine as configs/clusters/*.yaml describes it: how large its nodes are and what a core of
// them does in a second. `tessera plan` reckons with it; nothing here changes a result. Anyone can
// measure a table of their own machine with tests/bench/measure_rates.
namespace tessera::jobs {

enum class RateSource { measured, estimated };

/// How many vectors one core places in a second with a codebook of a size. Bounds and lists of
/// neighbours spare k-means more distances the more centroids there are, so that a number of
/// distances a second would say little.
struct SearchRate {
  int centroids = 256;
  double vectors = 3e7;  ///< a second
  bool operator==(const SearchRate&) const = default;
};

/// What one core does in a second while the others of its rank are at work, too. Multiply-adds
/// count as two operations.
struct CoreRates {
  double product_flops = 6e10;   ///< fp32 products of the forward pass, attention and head included
  double square_flops = 5e10;    ///< sums of x x^T, of which the lower triangle counts
  double factor_flops = 8e9;     ///< fp64 Cholesky factor and its inverse, 2/3 n^3; on one core
  double column_flops = 2e10;    ///< fp32 column pass, sweeps and gradients, 2 m n^2 each
  double fold_flops = 8e9;       ///< additions that form a codebook's normal equations, m n^2 / v
  double distance_flops = 7e10;  ///< full searches of a codebook: 2 K v a vector
  std::vector<SearchRate> kmeans = {{256, 1.6e7}, {4096, 3e6}, {65536, 4e5}};  ///< an iteration
  double rounded_weights = 1e8;    ///< integers rounded to a given grid
  double ranged_weights = 3e6;     ///< integers whose scale is searched
  double integer_flops = 8e9;      ///< refinement of integers and their scales, 6 m n^2 a round
  double decoded_weights = 1.5e8;  ///< packed weights turned into numbers, on one core
  double reduced_bytes = 1e9;      ///< of statistics, copied and added up, on one core
  double digest_bytes = 4e8;       ///< SHA-256
  double tokenized_bytes = 1e6;    ///< of text, on one core
  bool operator==(const CoreRates&) const = default;
};

/// A machine. @see docs/planning.md
struct ClusterSettings {
  std::string description;
  RateSource source = RateSource::estimated;
  std::string source_text;  ///< how, when and on what it was measured, or estimated from what
  int nodes = 1;
  int ranks_per_node = 1;
  int cores_per_rank = 1;
  std::uint64_t node_memory = 0;    ///< bytes
  std::uint64_t device_memory = 0;  ///< bytes of each accelerator; 0: none
  double read_bytes = 1e9;          ///< a second, one rank: weights read and converted
  double write_bytes = 4e8;         ///< a second, one rank to the work folder, flushed
  double scratch_bytes = 4e9;       ///< a second, all ranks together
  double network_bytes = 1e9;       ///< a second, into or out of one node
  double seconds_per_file = 0.01;   ///< to create, flush, rename and journal a file
  double efficiency = 0.9;  ///< share of a stage's time in which all cores of a rank are at work
  CoreRates core;
  bool operator==(const ClusterSettings&) const = default;

  int num_ranks() const { return nodes * ranks_per_node; }
};

}  // namespace tessera::jobs

namespace tessera {
template <>
struct EnumNames<jobs::RateSource> {
  static constexpr std::pair<jobs::RateSource, std::string_view> kNames[] = {
      {jobs::RateSource::measured, "measured"}, {jobs::RateSource::estimated, "estimated"}};
};
}  // namespace tessera

namespace tessera::jobs {

inline constexpr double kLeastRate = 1;  // of anything: a division by it is safe

template <class Fields>
void describe(Fields& f, SearchRate& s) {
  f("centroids", s.centroids, "entries of the codebook", power_of_two(2, 65536));
  f("vectors", s.vectors, "vectors a second", at_least(kLeastRate));
}

template <class Fields>
void describe(Fields& f, CoreRates& s) {
  const auto rate = at_least(kLeastRate);
  f("product_flops", s.product_flops, "fp32 products of the forward pass", rate);
  f("square_flops", s.square_flops, "sums of x x^T, lower triangle", rate);
  f("factor_flops", s.factor_flops, "fp64 Cholesky factor and inverse, 2/3 n^3, on one core", rate);
  f("column_flops", s.column_flops, "column pass, sweeps and gradients, 2 m n^2 each", rate);
  f("fold_flops", s.fold_flops, "additions that form a codebook's normal equations, m n^2 / v",
    rate);
  f("distance_flops", s.distance_flops, "full searches of a codebook, 2 K v a vector", rate);
  f("kmeans", s.kmeans, "vectors that an iteration of k-means places, by size of the codebook");
  f("rounded_weights", s.rounded_weights, "weights rounded to a given grid", rate);
  f("ranged_weights", s.ranged_weights, "weights whose scale is searched", rate);
  f("integer_flops", s.integer_flops, "refinement of integers, 6 m n^2 a round", rate);
  f("decoded_weights", s.decoded_weights, "packed weights turned into numbers, on one core", rate);
  f("reduced_bytes", s.reduced_bytes, "bytes of statistics copied and added up, on one core", rate);
  f("digest_bytes", s.digest_bytes, "bytes digested", rate);
  f("tokenized_bytes", s.tokenized_bytes, "bytes of text tokenized, on one core", rate);
}
void check(Problems& problems, const CoreRates& s);

template <class Fields>
void describe(Fields& f, ClusterSettings& s) {
  const auto rate = at_least(kLeastRate);
  f("description", s.description, "what the machine is, a line", required());
  f("source", s.source, "whether the rates were measured or estimated", required());
  f("source_text", s.source_text, "how and when, or from what", required());
  f("nodes", s.nodes, "nodes to reckon with where the job asks for none", at_least(1));
  f("ranks_per_node", s.ranks_per_node, "ranks on each of them", at_least(1));
  f("cores_per_rank", s.cores_per_rank, "cores of each rank", at_least(1));
  f("node_memory", s.node_memory, "main memory of a node", in_bytes(), required());
  f("device_memory", s.device_memory, "memory of each accelerator; 0 for none", in_bytes());
  f("read_bytes", s.read_bytes, "bytes a second that one rank reads", rate);
  f("write_bytes", s.write_bytes, "bytes a second that one rank writes to its work folder", rate);
  f("scratch_bytes", s.scratch_bytes, "bytes a second of all ranks together", rate);
  f("network_bytes", s.network_bytes, "bytes a second into or out of a node", rate);
  f("seconds_per_file", s.seconds_per_file, "to create, flush, rename and journal a file",
    at_least(0));
  f("efficiency", s.efficiency, "share of a stage's time in which all of a rank's cores work",
    between(0.01, 1));
  f("core", s.core, "what one core does in a second");
}

/// Reads @p name_or_file: a file where it ends in .yaml or has a slash, else a name in
/// configs/clusters. Throws InputError naming what is wrong, or a near name.
ClusterSettings read_cluster(const std::string& name_or_file);
/// The names in configs/clusters, sorted.
std::vector<std::string> cluster_names();

ClusterSettings cluster_from_text(const std::string& yaml, const std::string& origin);
/// As YAML, every key.
std::string cluster_text(const ClusterSettings& cluster);

}  // namespace tessera::jobs
