#include "format/vptq_sizes.hpp"

#include <algorithm>
#include <bit>
#include <span>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/error.hpp"

namespace tessera::format {
namespace {

constexpr std::uint64_t kMaxIndexed = 65536;  // indices and perm are stored in 16 bits
constexpr int kGpuVectorLens[] = {2, 4, 6, 8, 10, 12, 16};
constexpr int kGpuMainBits[] = {4, 8, 10, 12, 13, 14, 15, 16};
constexpr int kGpuResidualBits[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16};

int log2_of(std::uint64_t n) {
  return static_cast<int>(std::bit_width(n)) - 1;
}

bool is_codebook_size(std::uint64_t n) {
  return n >= 2 && n <= kMaxIndexed && std::has_single_bit(n);
}

void check_codebooks(const solver::VptqLayer& l, std::vector<std::string>& problems) {
  if (!is_codebook_size(l.num_centroids)) {
    problems.push_back(
        fmt::format("num_centroids is {} (indices are stored in log2 of it bits). "
                    "Choose a power of two from 2 to {}.",
                    l.num_centroids, kMaxIndexed));
  }
  if (l.num_res_centroids == 0) return;
  if (!is_codebook_size(l.num_res_centroids)) {
    problems.push_back(
        fmt::format("num_res_centroids is {} (indices are stored in log2 of it "
                    "bits). Choose a power of two from 2 to {}, or 0 for none.",
                    l.num_res_centroids, kMaxIndexed));
  } else if (l.num_res_centroids > l.num_centroids) {
    problems.push_back(
        fmt::format("num_res_centroids is {}, above num_centroids {} (the vptq "
                    "package cuts the residual index to the width of the main one). "
                    "Lower num_res_centroids, or exchange the two.",
                    l.num_res_centroids, l.num_centroids));
  }
}

void check_columns(const solver::VptqLayer& l, std::vector<std::string>& problems) {
  if (l.num_groups == 0 || l.num_groups > l.in_features || l.group_size > l.in_features ||
      l.outlier_size > l.in_features ||
      l.num_groups * l.group_size != l.in_features - l.outlier_size) {
    problems.push_back(fmt::format(
        "{} groups of {} columns and {} outlier columns are not the layer's {} columns. Choose "
        "num_groups so that it divides the columns that are no outliers.",
        l.num_groups, l.group_size, l.outlier_size, l.in_features));
  } else if (is_codebook_size(l.num_centroids)) {
    const auto bits = static_cast<std::uint64_t>(main_bits(l) + residual_bits(l));
    if (l.group_size * bits <= 16) {
      problems.push_back(fmt::format(
          "a row of indices is {} columns of {} bits (the vptq package reads rows of 16 bits or "
          "fewer wrongly). Use fewer groups or more centroids, or leave this layer unquantized.",
          l.group_size, bits));
    }
  }
  if (!l.perm.empty() && l.in_features > kMaxIndexed) {
    problems.push_back(
        fmt::format("the layer has {} input columns and a permutation (stored in 16 "
                    "bits). Switch permute off for layers of more than {} columns.",
                    l.in_features, kMaxIndexed));
  }
}

void check_outliers(const solver::VptqLayer& l, std::vector<std::string>& problems) {
  if (l.outlier_size == 0) return;
  if (l.outlier_vector_len < 2) {
    problems.push_back(
        fmt::format("outlier_vector_len is {} (the vptq package takes 1 for \"no "
                    "outliers\"). Choose 2 or more; GPU kernels want 4.",
                    l.outlier_vector_len));
  }
  if (l.num_outlier_centroids < 1 || l.num_outlier_centroids > kMaxIndexed) {
    problems.push_back(
        fmt::format("num_outlier_centroids is {} (its indices are stored in 16 "
                    "bits). Choose 2 to {}.",
                    l.num_outlier_centroids, kMaxIndexed));
  }
}

void check_listed(std::span<const int> list, std::uint64_t value, const char* what,
                  std::vector<std::string>& problems) {
  if (std::ranges::any_of(list, [&](int x) { return static_cast<std::uint64_t>(x) == value; })) {
    return;
  }
  problems.push_back(
      fmt::format("{} is {} (vptq's GPU kernels know {}). Choose one of these to run "
                  "the model on a GPU.",
                  what, value, fmt::join(list, ", ")));
}

}  // namespace

bool writes_permutation(const solver::VptqLayer& sizes, Permutation permutation) {
  const bool can_absorb = sizes.num_groups == 1 && sizes.outlier_size == 0;
  return !sizes.perm.empty() && !(permutation == Permutation::absorbed && can_absorb);
}

int main_bits(const solver::VptqLayer& sizes) {
  return log2_of(sizes.num_centroids);
}
int residual_bits(const solver::VptqLayer& sizes) {
  return sizes.num_res_centroids == 0 ? 0 : log2_of(sizes.num_res_centroids);
}

solver::VptqLayer sizes_of(const solver::VptqLayer& layer) {
  solver::VptqLayer sizes;
  sizes.out_features = layer.out_features;
  sizes.in_features = layer.in_features;
  sizes.vector_len = layer.vector_len;
  sizes.num_centroids = layer.num_centroids;
  sizes.num_res_centroids = layer.num_res_centroids;
  sizes.num_groups = layer.num_groups;
  sizes.group_size = layer.group_size;
  sizes.outlier_size = layer.outlier_size;
  sizes.outlier_vector_len = layer.outlier_vector_len;
  sizes.num_outlier_centroids = layer.num_outlier_centroids;
  sizes.stored_type = layer.stored_type;
  sizes.perm = layer.perm;
  return sizes;
}

std::vector<std::string> format_problems(const solver::VptqLayer& sizes) {
  std::vector<std::string> problems;
  if (sizes.vector_len < 1) {
    problems.emplace_back("vector_len is 0 (an index stands for a vector). Choose 1 or more.");
  }
  check_codebooks(sizes, problems);
  check_columns(sizes, problems);
  check_outliers(sizes, problems);
  return problems;
}

std::vector<std::string> gpu_problems(const solver::VptqLayer& sizes) {
  std::vector<std::string> problems;
  check_listed(kGpuVectorLens, sizes.vector_len, "vector_len", problems);
  check_listed(kGpuMainBits, static_cast<std::uint64_t>(main_bits(sizes)), "log2 of num_centroids",
               problems);
  if (sizes.num_res_centroids > 0) {
    check_listed(kGpuResidualBits, static_cast<std::uint64_t>(residual_bits(sizes)),
                 "log2 of num_res_centroids", problems);
  }
  if (sizes.num_groups > 1 && sizes.num_res_centroids > 0 &&
      sizes.num_res_centroids != sizes.num_centroids) {
    problems.push_back(
        fmt::format("there are {} groups and num_res_centroids {} differs from "
                    "num_centroids {} (vptq's GPU kernels step both codebooks alike). "
                    "Make them equal or use one group to run the model on a GPU.",
                    sizes.num_groups, sizes.num_res_centroids, sizes.num_centroids));
  }
  if (sizes.outlier_size > 0 &&
      (sizes.outlier_vector_len != 4 || sizes.vector_len % sizes.outlier_vector_len != 0)) {
    problems.push_back(
        fmt::format("outlier_vector_len is {} and vector_len {} (vptq's GPU kernels "
                    "know 4 and multiples of it). Choose such a pair, or "
                    "outlier_percent 0, to run the model on a GPU.",
                    sizes.outlier_vector_len, sizes.vector_len));
  }
  if (sizes.in_features <= 256) {
    problems.push_back(
        fmt::format("the layer has {} input columns (vptq's GPU kernels need more "
                    "than 256). Leave such layers unquantized to run the model on a "
                    "GPU.",
                    sizes.in_features));
  }
  if (sizes.stored_type == StoredType::float32) {
    problems.emplace_back(
        "the stored type is float32 (vptq's GPU kernels know float16 and "
        "bfloat16). Choose output.dtype float16 to run the model on a GPU.");
  }
  return problems;
}

}  // namespace tessera::format
