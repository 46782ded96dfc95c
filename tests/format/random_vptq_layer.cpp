#include "tests/format/random_vptq_layer.hpp"

#include <algorithm>
#include <numeric>

#include "core/random.hpp"
#include "core/threads.hpp"

namespace tessera::test {
namespace {

std::vector<float> random_values(const CounterRandom& random, std::size_t size, double mean,
                                 double deviation, StoredType type) {
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) {
    values[i] = rounded_to(type, static_cast<float>(mean + deviation * random.normal(i)));
  }
  return values;
}

Matrix<float> random_codebook(const CounterRandom& random, std::size_t entries,
                              std::size_t vector_len, double deviation, StoredType type) {
  Matrix<float> codebook(entries, vector_len);
  std::ranges::copy(random_values(random, codebook.size(), 0, deviation, type), codebook.data());
  return codebook;
}

Matrix<std::uint16_t> random_index(const CounterRandom& random, std::size_t rows, std::size_t cols,
                                   std::uint64_t bound) {
  Matrix<std::uint16_t> index(rows, cols);
  for (std::size_t i = 0; i < index.size(); ++i) {
    index.data()[i] = static_cast<std::uint16_t>(random.below(i, bound));
  }
  return index;
}

/// Volatile, so that the compiler does not fuse the two roundings of a * b + c into one.
float product(float a, float b) {
  const volatile float rounded = a * b;
  return rounded;
}
float sum(float a, float b) {
  const volatile float rounded = a + b;
  return rounded;
}

}  // namespace

solver::VptqLayer random_sizes(const std::string& name, const RandomLayer& wanted) {
  solver::VptqLayer l;
  l.out_features = wanted.out_features;
  l.in_features = wanted.in_features;
  l.vector_len = wanted.vector_len;
  l.num_centroids = wanted.num_centroids;
  l.num_res_centroids = wanted.num_res_centroids;
  l.num_groups = wanted.num_groups;
  l.outlier_size = wanted.outlier_size;
  if (wanted.outlier_size > 0) {
    l.outlier_size += (l.in_features - l.outlier_size) % l.num_groups;
    l.outlier_vector_len = wanted.outlier_vector_len;
    l.num_outlier_centroids = wanted.num_outlier_centroids;
  }
  l.group_size = (l.in_features - l.outlier_size) / l.num_groups;
  l.stored_type = wanted.stored_type;
  if (wanted.has_perm) {
    const CounterRandom random(7, name, "perm");
    l.perm.resize(l.in_features);
    std::iota(l.perm.begin(), l.perm.end(), 0u);
    for (std::size_t i = l.perm.size(); i > 1; --i) {
      std::swap(l.perm[i - 1], l.perm[random.below(i, i)]);
    }
  }
  return l;
}

solver::VptqLayer random_vptq_layer(const std::string& name, const RandomLayer& wanted) {
  solver::VptqLayer l = random_sizes(name, wanted);
  const StoredType type = l.stored_type;
  const std::size_t rows = num_tiles(l.out_features, l.vector_len);
  const std::size_t cols = l.num_groups * l.group_size;
  l.centroids =
      random_codebook({7, name, "main"}, l.num_groups * l.num_centroids, l.vector_len, 1, type);
  l.index = random_index({7, name, "main index"}, rows, cols, l.num_centroids);
  if (l.num_res_centroids > 0) {
    l.res_centroids = random_codebook({7, name, "residual"}, l.num_groups * l.num_res_centroids,
                                      l.vector_len, 0.25, type);
    l.res_index = random_index({7, name, "residual index"}, rows, cols, l.num_res_centroids);
  }
  if (l.outlier_size > 0) {
    l.outlier_centroids = random_codebook({7, name, "outlier"}, l.num_outlier_centroids,
                                          l.outlier_vector_len, 2, type);
    l.outlier_index =
        random_index({7, name, "outlier index"}, num_tiles(l.out_features, l.outlier_vector_len),
                     l.outlier_size, l.num_outlier_centroids);
  }
  if (wanted.has_norm) {
    l.scale = random_values({7, name, "scale"}, l.in_features, 0.1, 0.01, type);
    l.bias = random_values({7, name, "bias"}, l.in_features, 0, 0.01, type);
  }
  return l;
}

float dequantized_element(const solver::VptqLayer& l, std::size_t n, std::size_t k) {
  const auto found = std::ranges::find(l.perm, static_cast<std::uint32_t>(k));
  const std::size_t p = l.perm.empty() ? k : static_cast<std::size_t>(found - l.perm.begin());
  float value = 0;
  if (p < l.outlier_size) {
    const std::uint16_t i = l.outlier_index(n / l.outlier_vector_len, p);
    value = l.outlier_centroids(i, n % l.outlier_vector_len);
  } else {
    const std::size_t q = p - l.outlier_size;
    const std::size_t g = q / l.group_size;
    const std::size_t r = n / l.vector_len;
    value = l.centroids(g * l.num_centroids + l.index(r, q), n % l.vector_len);
    if (l.num_res_centroids > 0) {
      value = sum(value,
                  l.res_centroids(g * l.num_res_centroids + l.res_index(r, q), n % l.vector_len));
    }
  }
  return l.scale.empty() ? value : sum(product(value, l.scale[k]), l.bias[k]);
}

}  // namespace tessera::test
