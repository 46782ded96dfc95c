#pragma once
#include <cstddef>
#include <mutex>
#include <vector>

#include "core/matrix.hpp"

namespace tessera::linalg {

/// Scratch matrices of one shape that tasks borrow, so that there are as many as threads and none
/// is allocated twice. What a borrowed matrix holds is left over from another task: write before
/// reading.
class ScratchPool {
 public:
  ScratchPool(std::size_t rows, std::size_t cols) : rows_(rows), cols_(cols) {}

  class Lease {
   public:
    explicit Lease(ScratchPool& pool) : pool_(pool), matrix_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(matrix_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    MatrixView<float> view() { return matrix_.view(); }

   private:
    ScratchPool& pool_;
    Matrix<float> matrix_;
  };

 private:
  Matrix<float> take();
  void give_back(Matrix<float> matrix);

  std::size_t rows_, cols_;
  std::mutex mutex_;
  std::vector<Matrix<float>> free_;
};

}  // namespace tessera::linalg
