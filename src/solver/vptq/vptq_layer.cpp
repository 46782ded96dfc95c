#include "solver/vptq/vptq_layer.hpp"

#include <algorithm>
#include <bit>

#include "core/error.hpp"
#include "core/threads.hpp"

namespace tessera::solver {
namespace {

bool has_shape(MatrixView<const float> m, std::uint64_t rows, std::uint64_t cols) {
  return m.rows == rows && m.cols == cols;
}
bool has_shape(MatrixView<const std::uint16_t> m, std::uint64_t rows, std::uint64_t cols) {
  return m.rows == rows && m.cols == cols;
}

void require_shapes(const VptqLayer& l) {
  require(l.vector_len > 0 && l.num_groups > 0, "a VPTQ layer has vectors and groups");
  require(l.num_groups * l.group_size + l.outlier_size == l.in_features,
          "groups and outliers of a VPTQ layer are its columns");
  const std::uint64_t num_vectors = num_tiles(l.out_features, l.vector_len);
  const std::uint64_t num_columns = l.num_groups * l.group_size;
  require(has_shape(l.centroids, l.num_groups * l.num_centroids, l.vector_len), "VPTQ codebook");
  require(has_shape(l.index, num_vectors, num_columns), "VPTQ indices");
  if (l.num_res_centroids > 0) {
    require(has_shape(l.res_centroids, l.num_groups * l.num_res_centroids, l.vector_len),
            "VPTQ residual codebook");
    require(has_shape(l.res_index, num_vectors, num_columns), "VPTQ residual indices");
  }
  if (l.outlier_size > 0) {
    require(l.outlier_vector_len > 0, "a VPTQ layer with outliers says how long their vectors are");
    require(has_shape(l.outlier_centroids, l.num_outlier_centroids, l.outlier_vector_len),
            "VPTQ outlier codebook");
    require(
        has_shape(l.outlier_index, num_tiles(l.out_features, l.outlier_vector_len), l.outlier_size),
        "VPTQ outlier indices");
  }
  require(l.perm.empty() || l.perm.size() == l.in_features, "VPTQ permutation");
  require(l.scale.size() == l.bias.size(), "a VPTQ layer has scale and bias, or neither");
  require(l.scale.empty() || l.scale.size() == l.in_features, "VPTQ scale");
}

/// The codebook with one row per coordinate, so that one output row gathers from one array.
Matrix<float> transposed(MatrixView<const float> codebook) {
  Matrix<float> by_coordinate(codebook.cols, codebook.rows);
  for (std::size_t i = 0; i < codebook.rows; ++i) {
    for (std::size_t k = 0; k < codebook.cols; ++k) by_coordinate(k, i) = codebook(i, k);
  }
  return by_coordinate;
}

/// Where each original column's index stands, and where its group's part of the codebook begins.
struct ColumnMap {
  std::vector<std::uint32_t> position;  ///< within the columns that are no outliers
  std::vector<std::uint32_t> group;
  std::vector<std::uint32_t> outlier_column;  ///< original column of outlier position q
};

ColumnMap map_columns(const VptqLayer& l) {
  ColumnMap map;
  map.position.resize(l.in_features);  // an outlier column keeps 0 and is overwritten later
  map.group.resize(l.in_features);
  map.outlier_column.resize(l.outlier_size);
  std::vector<bool> seen(l.in_features);
  for (std::size_t p = 0; p < l.in_features; ++p) {
    const std::size_t column = l.perm.empty() ? p : l.perm[p];
    require(column < l.in_features && !seen[column], "a VPTQ permutation names each column once");
    seen[column] = true;
    if (p < l.outlier_size) {
      map.outlier_column[p] = static_cast<std::uint32_t>(column);
    } else {
      map.position[column] = static_cast<std::uint32_t>(p - l.outlier_size);
      map.group[column] = static_cast<std::uint32_t>((p - l.outlier_size) / l.group_size);
    }
  }
  return map;
}

/// One of the two codebooks, ready to be read column by column.
class Codebook {
 public:
  Codebook(const ColumnMap& map, MatrixView<const float> centroids, std::uint64_t num_centroids,
           MatrixView<const std::uint16_t> index)
      : map_(map),
        by_coordinate_(transposed(centroids)),
        num_centroids_(static_cast<std::uint32_t>(num_centroids)),
        index_(index),
        entry_(map.position.size()) {}

  /// Chooses the vector row whose coordinates are wanted next.
  void select(std::size_t vector_row) {
    if (index_.cols == 0) return;  // every column is an outlier
    const std::uint16_t* index = index_.row(vector_row);
    std::uint32_t largest = 0;
    for (std::size_t j = 0; j < entry_.size(); ++j) {
      const std::uint32_t i = index[map_.position[j]];
      largest = std::max(largest, i);
      entry_[j] = map_.group[j] * num_centroids_ + i;
    }
    require(largest < num_centroids_, "a VPTQ index is below the number of centroids");
  }
  // Gathers vectorize only where the compiler knows that the row and the codebook do not overlap.
  void copy(std::size_t coordinate, std::span<float> row) const {
    const float* __restrict values = by_coordinate_.row(coordinate);
    const std::uint32_t* __restrict entry = entry_.data();
    float* __restrict out = row.data();
    for (std::size_t j = 0; j < row.size(); ++j) out[j] = values[entry[j]];
  }
  void add(std::size_t coordinate, std::span<float> row) const {
    const float* __restrict values = by_coordinate_.row(coordinate);
    const std::uint32_t* __restrict entry = entry_.data();
    float* __restrict out = row.data();
    for (std::size_t j = 0; j < row.size(); ++j) out[j] += values[entry[j]];
  }

 private:
  const ColumnMap& map_;
  Matrix<float> by_coordinate_;
  std::uint32_t num_centroids_;
  MatrixView<const std::uint16_t> index_;
  std::vector<std::uint32_t> entry_;  ///< row of the codebook, by original column
};

void copy_outliers(const VptqLayer& l, const ColumnMap& map, std::size_t n, std::span<float> row) {
  for (std::size_t q = 0; q < l.outlier_size; ++q) {
    const std::uint16_t entry = l.outlier_index(n / l.outlier_vector_len, q);
    require(entry < l.num_outlier_centroids,
            "a VPTQ outlier index is below the number of centroids");
    row[map.outlier_column[q]] = l.outlier_centroids(entry, n % l.outlier_vector_len);
  }
}

/// Two loops, not one: engines round the product before they add, a fused multiply-add would not.
void apply_norm(const VptqLayer& l, std::span<float> row) {
  if (l.scale.empty()) return;
  for (std::size_t j = 0; j < row.size(); ++j) row[j] *= l.scale[j];
  for (std::size_t j = 0; j < row.size(); ++j) row[j] += l.bias[j];
}

}  // namespace

void dequantize(const VptqLayer& layer, MatrixView<float> out) {
  require_shapes(layer);
  require(out.rows == layer.out_features && out.cols == layer.in_features,
          "the dequantized weights have the layer's shape");
  const ColumnMap map = map_columns(layer);
  Codebook main(map, layer.centroids, layer.num_centroids, layer.index);
  const bool has_residual = layer.num_res_centroids > 0;
  Codebook residual(map, layer.res_centroids, layer.num_res_centroids, layer.res_index);
  for (std::size_t n = 0; n < layer.out_features; ++n) {
    const std::size_t coordinate = n % layer.vector_len;
    if (coordinate == 0) main.select(n / layer.vector_len);
    if (coordinate == 0 && has_residual) residual.select(n / layer.vector_len);
    const std::span<float> row = out.row_span(n);
    main.copy(coordinate, row);
    if (has_residual) residual.add(coordinate, row);
    copy_outliers(layer, map, n, row);
    apply_norm(layer, row);
  }
}

Matrix<float> dequantize(const VptqLayer& layer) {
  Matrix<float> weight(layer.out_features, layer.in_features);
  dequantize(layer, weight);
  return weight;
}

void absorb_permutation(VptqLayer& layer) {
  require(layer.num_groups == 1 && layer.outlier_size == 0,
          "a permutation can be absorbed with one group and no outliers only");
  if (layer.perm.empty()) return;
  require_shapes(layer);
  const ColumnMap map = map_columns(layer);
  const auto reorder = [&](Matrix<std::uint16_t>& index) {
    std::vector<std::uint16_t> row(layer.in_features);
    for (std::size_t r = 0; r < index.rows(); ++r) {
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = index(r, map.position[j]);
      std::copy(row.begin(), row.end(), index.row(r));
    }
  };
  reorder(layer.index);
  reorder(layer.res_index);
  layer.perm.clear();
}

VptqBits stored_bits(const VptqLayer& l) {
  const auto log2_of = [](std::uint64_t n) {
    return static_cast<std::uint64_t>(std::bit_width(n)) - 1;
  };
  const std::uint64_t bits_per_value = 8 * size_of(dtype_of(l.stored_type));
  const std::uint64_t bits_per_index =
      log2_of(l.num_centroids) + (l.num_res_centroids > 0 ? log2_of(l.num_res_centroids) : 0);
  VptqBits bits;
  bits.indices = l.num_groups * num_tiles(l.out_features, l.vector_len) * 32 *
                 num_tiles(l.group_size * bits_per_index, 32);
  bits.codebooks = l.num_groups * (l.num_centroids + l.num_res_centroids) * l.vector_len;
  if (l.outlier_size > 0) {
    bits.indices += 16 * num_tiles(l.out_features, l.outlier_vector_len) * l.outlier_size;
    bits.codebooks += l.num_outlier_centroids * l.outlier_vector_len;
  }
  bits.codebooks *= bits_per_value;
  bits.norms = 2 * l.in_features * bits_per_value;  // written even when they are 1 and 0
  bits.permutation = 16 * l.perm.size();
  return bits;
}

}  // namespace tessera::solver
