#include "linalg/scratch_pool.hpp"

#include <utility>

namespace tessera::linalg {

Matrix<float> ScratchPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      Matrix<float> matrix = std::move(free_.back());
      free_.pop_back();
      return matrix;
    }
  }
  return {rows_, cols_};
}

void ScratchPool::give_back(Matrix<float> matrix) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(matrix));
}

}  // namespace tessera::linalg
