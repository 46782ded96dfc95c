#include <algorithm>
#include <limits>
#include <vector>

#include "linalg/kmeans.hpp"

namespace tessera::linalg {
namespace {

double squared_distance(Planes x, std::size_t i, const Matrix<double>& centroids, std::size_t c) {
  double sum = 0;
  for (std::size_t t = 0; t < x.rows; ++t) {
    const double d = static_cast<double>(x(t, i)) - centroids(c, t);
    sum += d * d;
  }
  return sum;
}

/// Nearest centroid of every vector and what each adds to the inertia; true when an index changed.
bool assign(Planes x, std::span<const float> weights, const Matrix<double>& centroids,
            std::vector<std::uint32_t>& index, std::vector<double>& contribution) {
  bool changed = false;
  for (std::size_t i = 0; i < x.cols; ++i) {
    std::uint32_t nearest = 0;
    for (std::uint32_t c = 1; c < centroids.rows(); ++c) {
      if (squared_distance(x, i, centroids, c) < squared_distance(x, i, centroids, nearest)) {
        nearest = c;
      }
    }
    changed = changed || nearest != index[i];
    index[i] = nearest;
    contribution[i] = weights[i] * squared_distance(x, i, centroids, nearest);
  }
  return changed;
}

void move(Planes x, std::span<const float> weights, const std::vector<std::uint32_t>& index,
          std::vector<double> contribution, Matrix<double>& centroids) {
  for (std::size_t c = 0; c < centroids.rows(); ++c) {
    std::vector<double> sum(x.rows);
    double weight = 0;
    for (std::size_t i = 0; i < x.cols; ++i) {
      if (index[i] != c) continue;
      weight += weights[i];
      for (std::size_t t = 0; t < x.rows; ++t) {
        sum[t] += static_cast<double>(weights[i]) * x(t, i);
      }
    }
    if (weight > 0) {
      for (std::size_t t = 0; t < x.rows; ++t) centroids(c, t) = sum[t] / weight;
      continue;
    }
    const auto worst = std::max_element(contribution.begin(), contribution.end());
    if (!(*worst > 0)) continue;
    *worst = 0;  // the next idle centroid takes another vector
    const auto i = static_cast<std::size_t>(worst - contribution.begin());
    for (std::size_t t = 0; t < x.rows; ++t) centroids(c, t) = x(t, i);
  }
}

}  // namespace

KmeansResult kmeans_reference(Planes x, std::span<const float> weights,
                              const KmeansSettings& settings, MatrixView<const float> start) {
  Matrix<double> centroids(start.rows, start.cols);
  for (std::size_t c = 0; c < start.rows; ++c) {
    for (std::size_t t = 0; t < start.cols; ++t) centroids(c, t) = start(c, t);
  }
  KmeansResult result;
  result.index.resize(x.cols);
  std::vector<double> contribution(x.cols);
  double last_inertia = std::numeric_limits<double>::infinity();
  for (bool is_first = true;; is_first = false) {
    const bool changed = assign(x, weights, centroids, result.index, contribution) || is_first;
    result.inertia = 0;
    for (const double part : contribution) result.inertia += part;
    const double fall = last_inertia - result.inertia;
    if (!changed || fall < settings.tolerance * last_inertia ||
        result.num_iterations >= settings.max_iterations) {
      break;
    }
    last_inertia = result.inertia;
    move(x, weights, result.index, contribution, centroids);
    ++result.num_iterations;
  }
  result.centroids = Matrix<float>(start.rows, start.cols);
  for (std::size_t c = 0; c < start.rows; ++c) {
    for (std::size_t t = 0; t < start.cols; ++t) {
      result.centroids(c, t) = static_cast<float>(centroids(c, t));
    }
  }
  return result;
}

}  // namespace tessera::linalg
