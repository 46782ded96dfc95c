#include "solver/vptq/vptq_solver.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "solver/prepared_hessian.hpp"
#include "solver/vptq/codebook_training.hpp"
#include "solver/vptq/column_layout.hpp"
#include "solver/vptq/normalization.hpp"
#include "solver/vptq/refinement.hpp"
#include "solver/vptq/row_tiles.hpp"
#include "solver/vptq/vector_columns.hpp"

namespace tessera::solver {
namespace {

std::vector<float> by_position(const std::vector<double>& values,
                               const std::vector<std::uint32_t>& perm) {
  std::vector<float> moved(perm.size());
  for (std::size_t p = 0; p < perm.size(); ++p) moved[p] = static_cast<float>(values[perm[p]]);
  return moved;
}

std::vector<VectorAssigner> make_assigners(const std::vector<Codebook>& codebooks,
                                           const VptqSettings& settings) {
  std::vector<VectorAssigner> assigners;
  for (const Codebook& codebook : codebooks) {
    assigners.emplace_back(codebook, static_cast<std::size_t>(settings.residual_candidates));
  }
  return assigners;
}

/// Copies the tiles' indices of some columns into a layer's array, (vector rows, columns).
Matrix<std::uint16_t> collect_indices(const std::vector<RowTile>& tiles,
                                      Matrix<std::uint16_t> RowTile::*member,
                                      std::size_t out_features, std::size_t vector_len,
                                      Tile columns) {
  Matrix<std::uint16_t> index((out_features + vector_len - 1) / vector_len, columns.size());
  for (const RowTile& tile : tiles) {
    const std::size_t first = tile.rows.begin / vector_len;
    for (std::size_t p = columns.begin; p < columns.end; ++p) {
      for (std::size_t i = 0; i < tile.num_vectors(vector_len); ++i) {
        index(first + i, p - columns.begin) = (tile.*member)(p, i);
      }
    }
  }
  return index;
}

/// Codebooks of the groups, one below the other.
Matrix<float> stack(const std::vector<Codebook>& codebooks, Matrix<float> Codebook::*member) {
  std::size_t rows = 0, cols = 0;
  for (const Codebook& codebook : codebooks) {
    if (codebook.segment.is_outlier) continue;
    rows += (codebook.*member).rows();
    cols = std::max(cols, (codebook.*member).cols());
  }
  Matrix<float> all(rows, cols);
  float* next = all.data();
  for (const Codebook& codebook : codebooks) {
    if (!codebook.segment.is_outlier) next = std::ranges::copy((codebook.*member).span(), next).out;
  }
  return all;
}

VptqLayer make_layer(const LayerProblem& problem, const ColumnNorm& norm,
                     const ColumnLayout& layout, const std::vector<RowTile>& tiles,
                     const std::vector<Codebook>& codebooks, StoredType type) {
  const Segment& group = layout.segments.back();
  VptqLayer layer;
  layer.out_features = problem.weight.rows;
  layer.in_features = problem.weight.cols;
  layer.vector_len = group.vector_len;
  layer.num_centroids = group.num_centroids;
  layer.num_res_centroids = group.num_res_centroids;
  layer.num_groups = layout.segments.size() - (layout.outlier_size > 0 ? 1 : 0);
  layer.group_size = layout.group_size;
  layer.outlier_size = layout.outlier_size;
  layer.stored_type = type;
  layer.centroids = stack(codebooks, &Codebook::main);
  layer.perm = layout.perm;
  layer.scale = norm.scale;
  layer.bias = norm.bias;
  const Tile grouped{layout.outlier_size, layout.perm.size()};
  layer.index =
      collect_indices(tiles, &RowTile::main, layer.out_features, group.vector_len, grouped);
  if (group.num_res_centroids > 0) {
    layer.res_centroids = stack(codebooks, &Codebook::residual);
    layer.res_index =
        collect_indices(tiles, &RowTile::residual, layer.out_features, group.vector_len, grouped);
  }
  if (layout.outlier_size > 0) {
    const Codebook& outliers = codebooks.front();
    layer.outlier_vector_len = outliers.segment.vector_len;
    layer.num_outlier_centroids = outliers.segment.num_centroids;
    layer.outlier_centroids = outliers.main.copy();
    layer.outlier_index = collect_indices(tiles, &RowTile::main, layer.out_features,
                                          outliers.segment.vector_len, {0, layout.outlier_size});
  } else if (layer.num_groups == 1) {
    absorb_permutation(layer);
  }
  return layer;
}

void append(std::vector<std::string>& remarks, const std::vector<std::string>& more) {
  remarks.insert(remarks.end(), more.begin(), more.end());
}

}  // namespace

VptqResult solve_vptq(Threads& threads, const LayerProblem& problem, const VptqSettings& settings,
                      double damp_fraction, StoredType stored_type) {
  require(
      problem.hessian.rows == problem.weight.cols && problem.hessian.cols == problem.weight.cols,
      "the Hessian does not fit the weights");
  SolveReport report;
  const ColumnNorm norm = normalize_columns(problem.weight, settings.normalize, stored_type);
  const auto importance = column_importance(problem.hessian, norm.scale, damp_fraction);
  const ColumnLayout layout = lay_out_columns(problem.weight.rows, importance, settings);
  Matrix<float> inverse_upper =
      prepared_inverse_upper(threads, problem.hessian, norm.scale, layout.perm, damp_fraction);

  std::vector<RowTile> tiles = make_row_tiles(threads, problem.weight, norm, layout);
  std::vector<Codebook> codebooks =
      train_codebooks(threads, tiles, layout, by_position(importance, layout.perm), settings,
                      problem.name, stored_type);
  const auto assigners = make_assigners(codebooks, settings);
  threads.for_each(tiles.size(), [&](std::size_t t) {
    quantize_columns(inverse_upper, layout.segments, assigners, tiles[t]);
  });
  inverse_upper = {};  // before its square is made: at 28,672 channels each takes 3.3 GB
  if (settings.refine_rounds > 0) {
    refine(threads, prepared_square(problem.hessian, norm.scale, layout.perm, damp_fraction),
           layout.segments, tiles, codebooks, settings, stored_type);
  }

  VptqLayer layer = make_layer(problem, norm, layout, tiles, codebooks, stored_type);
  report.proxy_error = relative_proxy_error(threads, problem, dequantize(layer));
  report.damp_fraction = damp_fraction;
  report.num_dead_columns = count_dead_columns(problem.hessian);
  if (report.num_dead_columns > 0) {
    report.remarks.push_back(fmt::format(
        "{} of {} columns saw no input (their weights are kept as near as the codebook has them)",
        report.num_dead_columns, problem.weight.cols));
  }
  if (norm.num_constant > 0) {
    report.remarks.push_back(fmt::format(
        "{} columns are constant (stored exactly, up to the type's rounding)", norm.num_constant));
  }
  append(report.remarks, layout.remarks);
  return {std::move(layer), std::move(report)};
}

}  // namespace tessera::solver
