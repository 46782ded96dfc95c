#pragma once
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/describe.hpp"
#include "core/dtype.hpp"

namespace tessera::solver {

enum class Normalization { none, min_max, mean_std };

/// Vector quantization with second-order column updates (VPTQ, EMNLP 2024; vptq.md).
struct VptqSettings {
  int vector_len = 8;          ///< consecutive outputs of one column that share an index
  int num_centroids = 65536;   ///< power of two
  int num_res_centroids = 0;   ///< power of two, at most num_centroids; 0: no residual codebook
  int num_groups = 1;          ///< groups of columns with codebooks of their own
  double outlier_percent = 0;  ///< of the columns, largest inputs first: a codebook of their own
  int outlier_vector_len = 4;
  int num_outlier_centroids = 256;
  Normalization normalize = Normalization::mean_std;
  bool permute = true;  ///< largest inputs first; absorbed into the indices where possible
  int kmeans_iterations = 25;
  int refine_rounds = 3;        ///< rounds of centroid re-estimation and one sweep over columns
  int residual_candidates = 8;  ///< nearest main centroids tried with the residual codebook
  std::uint64_t seed = 0;  ///< of the random numbers; no key of its own: a job has one seed for all

  bool operator==(const VptqSettings&) const = default;
};

}  // namespace tessera::solver

namespace tessera {
template <>
struct EnumNames<solver::Normalization> {
  static constexpr std::pair<solver::Normalization, std::string_view> kNames[] = {
      {solver::Normalization::none, "none"},
      {solver::Normalization::min_max, "min_max"},
      {solver::Normalization::mean_std, "mean_std"}};
};
template <>
struct EnumNames<StoredType> {
  static constexpr std::pair<StoredType, std::string_view> kNames[] = {
      {StoredType::float16, "float16"},
      {StoredType::bfloat16, "bfloat16"},
      {StoredType::float32, "float32"}};
};
}  // namespace tessera

namespace tessera::solver {

template <class Fields>
void describe(Fields& f, VptqSettings& s) {
  f("vector_len", s.vector_len, "consecutive outputs of one input column that share an index",
    between(1, 16), alias("vector_lens"));
  f("num_centroids", s.num_centroids, "entries of a codebook", power_of_two(2, 65536));
  f("num_res_centroids", s.num_res_centroids,
    "entries of the residual codebook, at most num_centroids; 0 for none",
    zero_or(power_of_two(2, 65536)));
  f("num_groups", s.num_groups, "groups of columns, each with codebooks of its own", at_least(1),
    alias("group_num"));
  f("outlier_percent", s.outlier_percent,
    "percent of the columns, those with the largest inputs, that get a codebook of their own",
    between(0, 50), alias("npercent"));
  f("outlier_vector_len", s.outlier_vector_len, "vector length in outlier columns", between(2, 16));
  f("num_outlier_centroids", s.num_outlier_centroids, "entries of the outlier codebook",
    power_of_two(2, 65536));
  f("normalize", s.normalize, "affine map of each input column before clustering",
    alias("enable_norm"));
  f("permute", s.permute, "quantize the columns with the largest inputs first",
    alias("enable_perm"));
  f("kmeans_iterations", s.kmeans_iterations, "iterations of k-means at most", at_least(1),
    alias("kiter"));
  f("refine_rounds", s.refine_rounds,
    "rounds of codebook re-estimation and a sweep over the columns, after the column pass",
    at_least(0));
  f("residual_candidates", s.residual_candidates,
    "nearest main centroids that are tried with the residual codebook", between(1, 64));
}

/// Reports what needs two fields, in the way of core/describe.hpp.
void check(Problems& problems, const VptqSettings& s);

}  // namespace tessera::solver
