#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/matrix.hpp"

namespace tessera::solver {

/// A layer as VPTQ stores it (vptq.md 3.2, 3.3). M outputs, N inputs, G groups of `group_size`
/// columns after `outlier_size` outlier columns.
///
/// Position p of the (permuted) columns holds the original column perm[p]. Output row n = vector
/// row n / v, coordinate n mod v. Codebooks, scale and bias hold values that survive a round trip
/// through `stored_type`.
struct VptqLayer {
  std::uint64_t out_features = 0;
  std::uint64_t in_features = 0;
  std::uint64_t vector_len = 0;
  std::uint64_t num_centroids = 0;
  std::uint64_t num_res_centroids = 0;  ///< 0: none
  std::uint64_t num_groups = 1;
  std::uint64_t group_size = 0;
  std::uint64_t outlier_size = 0;
  std::uint64_t outlier_vector_len = 0;  ///< 0: no outliers
  std::uint64_t num_outlier_centroids = 0;
  StoredType stored_type = StoredType::float16;

  Matrix<float> centroids;          ///< (G * K, v)
  Matrix<float> res_centroids;      ///< (G * Kr, v) or empty
  Matrix<float> outlier_centroids;  ///< (K0, v0) or empty
  Matrix<std::uint16_t> index;      ///< (ceil(M / v), G * group_size): main index by vector row and
                                    ///< position - outlier_size
  Matrix<std::uint16_t> res_index;  ///< the same shape, or empty
  Matrix<std::uint16_t> outlier_index;  ///< (ceil(M / v0), outlier_size) or empty
  std::vector<std::uint32_t> perm;      ///< (N); empty: natural order
  std::vector<float> scale, bias;       ///< (N) by original column; empty: 1 and 0
};

/// The weights an engine computes from the layer, (M, N): (main + residual) * scale + bias, in
/// fp32.
Matrix<float> dequantize(const VptqLayer& layer);
/// The same into memory at hand. @pre out is (out_features, in_features)
void dequantize(const VptqLayer& layer, MatrixView<float> out);

/// Reorders the columns of the indices so that no permutation is needed; only with one group and no
/// outliers.
/// @pre num_groups == 1 and outlier_size == 0
void absorb_permutation(VptqLayer& layer);

/// Bits the layer takes in a packed file, everything counted (vptq.md 1.11).
/// Scale and bias are always written; a permutation counts while the layer has one.
struct VptqBits {
  std::uint64_t indices = 0, codebooks = 0, norms = 0, permutation = 0;
  std::uint64_t total() const { return indices + codebooks + norms + permutation; }
};
VptqBits stored_bits(const VptqLayer& layer);

template <class Archive>
void archive(Archive& a, VptqLayer& l) {
  a("out_features", l.out_features);
  a("in_features", l.in_features);
  a("vector_len", l.vector_len);
  a("num_centroids", l.num_centroids);
  a("num_res_centroids", l.num_res_centroids);
  a("num_groups", l.num_groups);
  a("group_size", l.group_size);
  a("outlier_size", l.outlier_size);
  a("outlier_vector_len", l.outlier_vector_len);
  a("num_outlier_centroids", l.num_outlier_centroids);
  a("stored_type", l.stored_type);
  a("centroids", l.centroids);
  a("res_centroids", l.res_centroids);
  a("outlier_centroids", l.outlier_centroids);
  a("index", l.index);
  a("res_index", l.res_index);
  a("outlier_index", l.outlier_index);
  a("perm", l.perm);
  a("scale", l.scale);
  a("bias", l.bias);
}

}  // namespace tessera::solver
