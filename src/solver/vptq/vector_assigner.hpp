#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "linalg/nearest_centroid.hpp"
#include "solver/vptq/codebook.hpp"

namespace tessera::solver {

/// Finds, for each vector of a column, the codebook vectors that come nearest: one main centroid,
/// or the best sum of a main and a residual centroid among the `candidates` nearest main ones (a
/// joint search; greedy with one candidate). Euclidean: the Hessian is constant inside a column. A
/// ragged last vector counts its real coordinates only.
class VectorAssigner {
 public:
  VectorAssigner(const Codebook& codebook, std::size_t candidates);

  /// Memory for one thread, reused from call to call.
  struct Scratch {
    Matrix<float> planes, rest;
    Matrix<std::uint32_t> nearest;
    std::vector<std::uint32_t> index;
    std::vector<float> distance;
  };

  /// @param column (rows) target values  @param main, residual (ceil(rows / v)) indices, residual
  /// empty without residual codebook
  /// @param quantized (rows) the values chosen
  void assign(std::span<const float> column, std::span<std::uint16_t> main,
              std::span<std::uint16_t> residual, std::span<float> quantized,
              Scratch& scratch) const;

  /// Values of given indices: the inverse direction.
  void look_up(std::span<const std::uint16_t> main, std::span<const std::uint16_t> residual,
               std::span<float> quantized) const;

 private:
  void assign_main(std::size_t num_vectors, std::span<std::uint16_t> main, Scratch& scratch) const;
  void assign_jointly(std::size_t num_vectors, std::span<std::uint16_t> main,
                      std::span<std::uint16_t> residual, Scratch& scratch) const;
  void assign_ragged(std::span<const float> vector, std::uint16_t& main,
                     std::uint16_t* residual) const;

  std::size_t vector_len_;
  std::size_t candidates_;
  linalg::CentroidTable main_;
  std::optional<linalg::CentroidTable> residual_;
};

}  // namespace tessera::solver
