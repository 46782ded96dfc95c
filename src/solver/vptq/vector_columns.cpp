#include "solver/vptq/vector_columns.hpp"

#include <algorithm>

namespace tessera::solver {
namespace {

std::vector<std::size_t> segment_by_position(const std::vector<Segment>& segments) {
  std::vector<std::size_t> segment_of;
  for (std::size_t s = 0; s < segments.size(); ++s) segment_of.resize(segments[s].end, s);
  return segment_of;
}

/// Assigns a column's vectors and notes their indices in the tile.
class VectorRounder {
 public:
  VectorRounder(const std::vector<Segment>& segments, const std::vector<VectorAssigner>& assigners,
                RowTile& tile)
      : segments_(segments),
        assigners_(assigners),
        segment_of_(segment_by_position(segments)),
        tile_(tile) {}

  void operator()(std::size_t position, std::span<const float> x, std::span<float> chosen) {
    const Segment& segment = segments_[segment_of_[position]];
    assigners_[segment_of_[position]].assign(x, main_of(tile_, segment, position),
                                             residual_of(tile_, segment, position), chosen,
                                             scratch_);
  }

 private:
  const std::vector<Segment>& segments_;
  const std::vector<VectorAssigner>& assigners_;
  const std::vector<std::size_t> segment_of_;
  RowTile& tile_;
  VectorAssigner::Scratch scratch_;
};

/// Squared distance of a vector from its target.
float distance(const float* values, const float* target, std::size_t length) {
  float sum = 0;
  for (std::size_t t = 0; t < length; ++t) sum += (values[t] - target[t]) * (values[t] - target[t]);
  return sum;
}

/// Proposes the nearest codebook vectors and takes those that are nearer than the present ones.
class VectorImprover {
 public:
  VectorImprover(const std::vector<Segment>& segments, const std::vector<VectorAssigner>& assigners,
                 RowTile& tile)
      : segments_(segments),
        assigners_(assigners),
        segment_of_(segment_by_position(segments)),
        tile_(tile),
        quantized_(tile.rows.size()),
        main_(tile.main.cols()),
        residual_(tile.main.cols()) {}

  bool operator()(std::size_t position, std::span<const float> target, std::span<float> change) {
    const Segment& segment = segments_[segment_of_[position]];
    const auto main = main_of(tile_, segment, position),
               residual = residual_of(tile_, segment, position);
    assigners_[segment_of_[position]].assign(target, std::span(main_).first(main.size()),
                                             std::span(residual_).first(residual.size()),
                                             quantized_, scratch_);
    bool any_moved = false;
    for (std::size_t i = 0; i < main.size(); ++i) {
      const bool is_same = main_[i] == main[i] && (residual.empty() || residual_[i] == residual[i]);
      if (is_same) continue;
      const std::size_t first = i * segment.vector_len;
      const std::size_t length = std::min(segment.vector_len, tile_.rows.size() - first);
      if (!move(position, first, length, target, change)) continue;
      main[i] = main_[i];
      if (!residual.empty()) residual[i] = residual_[i];
      any_moved = true;
    }
    return any_moved;
  }

 private:
  bool move(std::size_t position, std::size_t first, std::size_t length,
            std::span<const float> target, std::span<float> change) {
    float* present = tile_.quantized.row(position) + first;
    const float* offered = quantized_.data() + first;
    if (!(distance(offered, &target[first], length) < distance(present, &target[first], length)))
      return false;
    for (std::size_t t = 0; t < length; ++t) {
      change[first + t] = offered[t] - present[t];
      present[t] = offered[t];
    }
    return true;
  }

  const std::vector<Segment>& segments_;
  const std::vector<VectorAssigner>& assigners_;
  const std::vector<std::size_t> segment_of_;
  RowTile& tile_;
  std::vector<float> quantized_;
  std::vector<std::uint16_t> main_, residual_;
  VectorAssigner::Scratch scratch_;
};

}  // namespace

std::span<std::uint16_t> main_of(RowTile& tile, const Segment& segment, std::size_t position) {
  return {tile.main.row(position), tile.num_vectors(segment.vector_len)};
}

std::span<std::uint16_t> residual_of(RowTile& tile, const Segment& segment, std::size_t position) {
  if (segment.num_res_centroids == 0) return {};
  return {tile.residual.row(position), tile.num_vectors(segment.vector_len)};
}

void quantize_columns(const Matrix<float>& inverse_upper, const std::vector<Segment>& segments,
                      const std::vector<VectorAssigner>& assigners, RowTile& tile) {
  VectorRounder round(segments, assigners, tile);
  quantize_columns(inverse_upper, std::ref(round), tile);
}

void quantize_columns_reference(const Matrix<float>& inverse_upper,
                                const std::vector<Segment>& segments,
                                const std::vector<VectorAssigner>& assigners, RowTile& tile) {
  VectorRounder round(segments, assigners, tile);
  quantize_columns_reference(inverse_upper, std::ref(round), tile);
}

void sweep_columns(const Matrix<float>& square, const std::vector<Segment>& segments,
                   const std::vector<VectorAssigner>& assigners, RowTile& tile) {
  VectorImprover improve(segments, assigners, tile);
  sweep_columns(square, std::ref(improve), tile);
}

}  // namespace tessera::solver
