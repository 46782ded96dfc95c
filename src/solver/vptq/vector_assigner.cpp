#include "solver/vptq/vector_assigner.hpp"

#include <algorithm>
#include <limits>

namespace tessera::solver {
namespace {

void make_room(Matrix<float>& matrix, std::size_t rows, std::size_t cols) {
  if (matrix.rows() != rows || matrix.cols() < cols) matrix = Matrix<float>(rows, cols);
}

/// The nearest row of @p centroids to the first vector.size() coordinates of each.
std::size_t nearest_prefix(std::span<const float> vector, MatrixView<const float> centroids) {
  std::size_t best = 0;
  float best_distance = std::numeric_limits<float>::infinity();
  for (std::size_t c = 0; c < centroids.rows; ++c) {
    float distance = 0;
    for (std::size_t t = 0; t < vector.size(); ++t) {
      const float d = vector[t] - centroids(c, t);
      distance += d * d;
    }
    if (distance < best_distance) {
      best_distance = distance;
      best = c;
    }
  }
  return best;
}

}  // namespace

VectorAssigner::VectorAssigner(const Codebook& codebook, std::size_t candidates)
    : vector_len_(codebook.segment.vector_len),
      candidates_(std::min(candidates, codebook.main.rows())),
      main_(codebook.main) {
  if (codebook.has_residual()) residual_.emplace(codebook.residual);
}

void VectorAssigner::assign(std::span<const float> column, std::span<std::uint16_t> main,
                            std::span<std::uint16_t> residual, std::span<float> quantized,
                            Scratch& scratch) const {
  const std::size_t full = column.size() / vector_len_;
  if (full > 0) {
    make_room(scratch.planes, vector_len_, full);
    for (std::size_t t = 0; t < vector_len_; ++t) {
      float* plane = scratch.planes.row(t);
      for (std::size_t i = 0; i < full; ++i) plane[i] = column[i * vector_len_ + t];
    }
    if (residual_) {
      assign_jointly(full, main, residual, scratch);
    } else {
      assign_main(full, main, scratch);
    }
  }
  if (full * vector_len_ < column.size()) {
    assign_ragged(column.subspan(full * vector_len_), main[full],
                  residual_ ? &residual[full] : nullptr);
  }
  look_up(main, residual, quantized);
}

void VectorAssigner::assign_main(std::size_t num_vectors, std::span<std::uint16_t> main,
                                 Scratch& scratch) const {
  scratch.index.resize(num_vectors);
  linalg::nearest_centroid(scratch.planes.view().block(0, 0, vector_len_, num_vectors), main_,
                           scratch.index);
  for (std::size_t i = 0; i < num_vectors; ++i)
    main[i] = static_cast<std::uint16_t>(scratch.index[i]);
}

void VectorAssigner::assign_jointly(std::size_t num_vectors, std::span<std::uint16_t> main,
                                    std::span<std::uint16_t> residual, Scratch& scratch) const {
  const std::size_t n = num_vectors, all = n * candidates_;
  if (scratch.nearest.rows() != candidates_ || scratch.nearest.cols() != n) {
    scratch.nearest = Matrix<std::uint32_t>(candidates_, n);
  }
  const auto planes = scratch.planes.view().block(0, 0, vector_len_, n);
  linalg::nearest_centroids(planes, main_, scratch.nearest);

  // What each candidate leaves over, candidate after candidate, so that one search finds all
  // residual centroids.
  make_room(scratch.rest, vector_len_, all);
  const float* centroid = main_.centroids().data;
  for (std::size_t t = 0; t < vector_len_; ++t) {
    for (std::size_t k = 0; k < candidates_; ++k) {
      const std::uint32_t* nearest = scratch.nearest.row(k);
      float* rest = scratch.rest.row(t) + k * n;
      for (std::size_t i = 0; i < n; ++i)
        rest[i] = planes(t, i) - centroid[nearest[i] * vector_len_ + t];
    }
  }
  scratch.index.resize(all);
  const auto rest = scratch.rest.view().block(0, 0, vector_len_, all);
  linalg::nearest_centroid(rest, *residual_, scratch.index);

  scratch.distance.assign(all, 0.0f);
  const float* res_centroid = residual_->centroids().data;
  for (std::size_t t = 0; t < vector_len_; ++t) {
    for (std::size_t i = 0; i < all; ++i) {
      const float d = rest(t, i) - res_centroid[scratch.index[i] * vector_len_ + t];
      scratch.distance[i] += d * d;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t best = 0;
    for (std::size_t k = 1; k < candidates_; ++k) {
      if (scratch.distance[k * n + i] < scratch.distance[best * n + i]) best = k;
    }
    main[i] = static_cast<std::uint16_t>(scratch.nearest(best, i));
    residual[i] = static_cast<std::uint16_t>(scratch.index[best * n + i]);
  }
}

void VectorAssigner::assign_ragged(std::span<const float> vector, std::uint16_t& main,
                                   std::uint16_t* residual) const {
  const std::size_t nearest = nearest_prefix(vector, main_.centroids());
  main = static_cast<std::uint16_t>(nearest);
  if (residual == nullptr) return;
  std::vector<float> rest(vector.begin(), vector.end());
  for (std::size_t t = 0; t < rest.size(); ++t) rest[t] -= main_.centroids()(nearest, t);
  *residual = static_cast<std::uint16_t>(nearest_prefix(rest, residual_->centroids()));
}

void VectorAssigner::look_up(std::span<const std::uint16_t> main,
                             std::span<const std::uint16_t> residual,
                             std::span<float> quantized) const {
  const float* centroid = main_.centroids().data;
  for (std::size_t first = 0, i = 0; first < quantized.size(); first += vector_len_, ++i) {
    const std::size_t length = std::min(vector_len_, quantized.size() - first);
    const float* values = centroid + main[i] * vector_len_;
    for (std::size_t t = 0; t < length; ++t) quantized[first + t] = values[t];
    if (!residual_) continue;
    const float* more = residual_->centroids().data + residual[i] * vector_len_;
    for (std::size_t t = 0; t < length; ++t) quantized[first + t] += more[t];
  }
}

}  // namespace tessera::solver
