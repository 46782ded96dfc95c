#pragma once
#include <string>
#include <vector>

#include "solver/prepared_hessian.hpp"
#include "solver/vptq/codebook_training.hpp"
#include "solver/vptq/vector_columns.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::solver {

/// A layer on its way through the solver, up to where the columns are to be quantized.
struct Workbench {
  VptqSettings settings;
  Matrix<float> weight;
  Matrix<double> hessian;
  ColumnNorm norm;
  ColumnLayout layout;
  Matrix<float> inverse_upper, square;
  std::vector<RowTile> tiles;
  std::vector<Codebook> codebooks;
  std::vector<VectorAssigner> assigners;

  Workbench(Threads& threads, std::size_t rows, std::size_t cols, const VptqSettings& s)
      : settings(s),
        weight(test::random_matrix(rows, cols, 1)),
        hessian(test::random_hessian(cols, 4 * cols, 2)) {
    norm = normalize_columns(weight, settings.normalize, StoredType::float16);
    const auto importance = column_importance(hessian, norm.scale, 0.01);
    layout = lay_out_columns(rows, importance, settings);
    inverse_upper = prepared_inverse_upper(threads, hessian, norm.scale, layout.perm, 0.01);
    square = prepared_square(hessian, norm.scale, layout.perm, 0.01);
    tiles = make_row_tiles(threads, weight, norm, layout);
    std::vector<float> by_position;
    for (const auto column : layout.perm)
      by_position.push_back(static_cast<float>(importance[column]));
    codebooks = train_codebooks(threads, tiles, layout, by_position, settings, "layer",
                                StoredType::float16);
    for (const Codebook& codebook : codebooks) {
      assigners.emplace_back(codebook, static_cast<std::size_t>(settings.residual_candidates));
    }
  }
};

inline VptqSettings small_settings(int vector_len, int num_centroids, int num_res_centroids = 0) {
  VptqSettings settings;
  settings.vector_len = vector_len;
  settings.num_centroids = num_centroids;
  settings.num_res_centroids = num_res_centroids;
  settings.kmeans_iterations = 5;
  return settings;
}

}  // namespace tessera::solver
