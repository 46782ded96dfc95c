#include "calibration/output_errors.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace tessera::calibration {
namespace {

constexpr std::size_t kTokenTile = 256;  // part of the result: tiles are added in their order

Matrix<float> outputs_of(const LinearOutput& layer, MatrixView<const float> x) {
  Matrix<float> y(x.rows, layer.weight.out_features());
  layer.weight.multiply(x, y);
  if (layer.bias.empty()) return y;
  for (std::size_t i = 0; i < y.rows(); ++i) {
    for (std::size_t j = 0; j < y.cols(); ++j) y(i, j) += layer.bias[j];
  }
  return y;
}

}  // namespace

void OutputErrors::add(Threads& threads, const LinearOutput& original, MatrixView<const float> x,
                       const LinearOutput& quantized, MatrixView<const float> x_quantized,
                       std::size_t length) {
  require(x.rows == x_quantized.rows && x.rows % length == 0, "both models saw the same samples");
  require(original.weight.out_features() == num_outputs() &&
              quantized.weight.out_features() == num_outputs(),
          "sums for each output of the layer");
  const std::size_t num = num_outputs();
  Matrix<double> of_tile(num_tiles(x.rows, kTokenTile), sums_.size());
  threads.for_each(of_tile.rows(), [&](std::size_t t) {
    const Tile rows = tile_at(t, kTokenTile, x.rows);
    const auto before = outputs_of(original, x.middle_rows(rows.begin, rows.size()));
    const auto after = outputs_of(quantized, x_quantized.middle_rows(rows.begin, rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (length > 1 && (rows.begin + i) % length == 0) continue;
      for (std::size_t j = 0; j < num; ++j) {
        const double error = static_cast<double>(after(i, j)) - static_cast<double>(before(i, j));
        of_tile(t, j) += error;
        of_tile(t, num + j) += error * error;
      }
      of_tile(t, 2 * num) += 1;
    }
  });
  for (std::size_t t = 0; t < of_tile.rows(); ++t) {
    for (std::size_t k = 0; k < sums_.size(); ++k) sums_[k] += of_tile(t, k);
  }
}

std::vector<double> OutputErrors::divided(std::size_t first) const {
  const double count = std::max(sums_.back(), 1.0);
  std::vector<double> means(num_outputs());
  for (std::size_t j = 0; j < means.size(); ++j) means[j] = sums_[first + j] / count;
  return means;
}

std::vector<double> OutputErrors::mean() const {
  return divided(0);
}

std::vector<double> OutputErrors::mean_square() const {
  return divided(num_outputs());
}

}  // namespace tessera::calibration
