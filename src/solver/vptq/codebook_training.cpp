#include "solver/vptq/codebook_training.hpp"

#include <algorithm>

#include "core/random.hpp"
#include "linalg/kmeans.hpp"

namespace tessera::solver {
namespace {

/// The vectors of a segment by planes, column by column, with their weights.
struct TrainingSet {
  Matrix<float> planes;        // (v, n)
  std::vector<float> weights;  // (n)
};

TrainingSet gather(Threads& threads, const std::vector<RowTile>& tiles, const Segment& segment,
                   std::span<const float> importance) {
  const std::size_t v = segment.vector_len;
  std::vector<std::size_t> first(tiles.size() + 1, 0);  // of each tile inside a column
  for (std::size_t t = 0; t < tiles.size(); ++t)
    first[t + 1] = first[t] + tiles[t].num_full_vectors(v);
  const std::size_t per_column = std::max<std::size_t>(first.back(), 1);
  TrainingSet set{Matrix<float>(v, per_column * segment.size()), {}};
  set.weights.resize(set.planes.cols());
  threads.for_each(segment.size(), [&](std::size_t j) {
    const std::size_t p = segment.begin + j;
    for (std::size_t i = 0; i < per_column; ++i) set.weights[j * per_column + i] = importance[p];
    for (std::size_t t = 0; t < tiles.size(); ++t) {
      const float* column = tiles[t].weight.row(p);
      const std::size_t coordinates =
          first.back() > 0 ? tiles[t].num_full_vectors(v) * v : tiles[t].rows.size();
      for (std::size_t r = 0; r < coordinates; ++r) {
        set.planes(r % v, j * per_column + first[t] + r / v) = column[r];
      }
    }
  });
  return set;
}

/// k-means with at most as many centroids as there are vectors; entries beyond stay zero and are
/// never needed.
linalg::KmeansResult cluster(Threads& threads, const TrainingSet& set, std::size_t num_centroids,
                             const VptqSettings& settings, const CounterRandom& random) {
  linalg::KmeansSettings kmeans_settings;
  kmeans_settings.num_centroids = std::min(num_centroids, set.planes.cols());
  kmeans_settings.max_iterations = settings.kmeans_iterations;
  return linalg::kmeans(threads, set.planes, set.weights, kmeans_settings, random);
}

Matrix<float> stored(const Matrix<float>& centroids, std::size_t num_centroids, StoredType type) {
  Matrix<float> codebook(num_centroids, centroids.cols());
  for (std::size_t k = 0; k < centroids.size(); ++k)
    codebook.data()[k] = rounded_to(type, centroids.data()[k]);
  return codebook;
}

void subtract_centroids(TrainingSet& set, const Matrix<float>& codebook,
                        std::span<const std::uint32_t> index) {
  for (std::size_t t = 0; t < set.planes.rows(); ++t) {
    float* plane = set.planes.row(t);
    for (std::size_t i = 0; i < index.size(); ++i) plane[i] -= codebook(index[i], t);
  }
}

}  // namespace

std::vector<Codebook> train_codebooks(Threads& threads, const std::vector<RowTile>& tiles,
                                      const ColumnLayout& layout, std::span<const float> importance,
                                      const VptqSettings& settings, const std::string& layer_name,
                                      StoredType type) {
  std::vector<Codebook> codebooks;
  for (const Segment& segment : layout.segments) {
    const std::string place = segment.is_outlier ? "outliers" : std::to_string(codebooks.size());
    TrainingSet set = gather(threads, tiles, segment, importance);
    const auto main = cluster(threads, set, segment.num_centroids, settings,
                              CounterRandom(settings.seed, layer_name, "main codebook " + place));
    Codebook codebook{segment, stored(main.centroids, segment.num_centroids, type), {}};
    if (segment.num_res_centroids > 0) {
      subtract_centroids(set, codebook.main, main.index);
      const auto residual =
          cluster(threads, set, segment.num_res_centroids, settings,
                  CounterRandom(settings.seed, layer_name, "residual codebook " + place));
      codebook.residual = stored(residual.centroids, segment.num_res_centroids, type);
    }
    codebooks.push_back(std::move(codebook));
  }
  return codebooks;
}

}  // namespace tessera::solver
