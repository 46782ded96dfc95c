#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/human_text.hpp"
#include "core/random.hpp"
#include "jobs/preflight/checks.hpp"
#include "linalg/cholesky.hpp"
#include "linalg/kmeans.hpp"

namespace tessera::jobs {
namespace {

constexpr double kFactorSeconds = 30, kKmeansSeconds = 15;  // their shares of the preflight

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// H_ij = r^|i-j| is the second moment of a chain x_i = r x_(i+1) + noise, so U takes r times the
/// next channel away and divides by the noise: its factor is known.
constexpr double kChain = 0.5;

/// Seconds that the factor of (n, n) takes. Throws MachineError when it is not what it must be.
double time_factorization(Threads& threads, std::size_t n) {
  std::vector<double> chain(std::min<std::size_t>(n, 1000));  // smaller powers are nothing
  for (std::size_t d = 0; d < chain.size(); ++d)
    chain[d] = std::pow(kChain, static_cast<double>(d));
  const auto start = std::chrono::steady_clock::now();
  const auto u =
      linalg::inverse_upper_factor_fp32(threads, n, [&](std::size_t row, std::span<double> out) {
        for (std::size_t j = 0; j <= row; ++j) {
          out[j] = row - j < chain.size() ? chain[row - j] : 0.0;
        }
      });
  const double seconds = seconds_since(start);
  const double scale = 1 / std::sqrt(1 - kChain * kChain);
  bool is_right = u.has_value();
  for (std::size_t i = 0; is_right && i < n; ++i) {
    const double diagonal = i + 1 < n ? scale : 1, next = -kChain * scale;
    is_right = std::abs((*u)(i, i) - diagonal) < 1e-6 &&
               (i + 1 == n || std::abs((*u)(i, i + 1) - next) < 1e-6);
  }
  if (is_right) return seconds;
  throw MachineError(
      fmt::format("the factor of a known Hessian of {} channels is wrong (a "
                  "processor or its memory is damaged). Leave out this node.",
                  n));
}

/// H's triangle (fp64), U (fp32), a panel a thread.
double factor_bytes(std::size_t n, std::size_t num_threads) {
  const double channels = static_cast<double>(n);
  return 8 * channels * channels +
         8 * channels * linalg::kInversePanel * static_cast<double>(num_threads);
}

double time_kmeans(Threads& threads, std::size_t n, std::size_t vector_len,
                   std::size_t num_centroids) {
  const CounterRandom random(0, "preflight", "k-means");
  Matrix<float> planes(vector_len, n);
  threads.for_each(vector_len, [&](std::size_t plane) {
    for (std::size_t i = 0; i < n; ++i) {
      planes(plane, i) = static_cast<float>(random.uniform(plane * n + i));
    }
  });
  const std::vector<float> weights(n, 1.0F);
  linalg::KmeansSettings settings;
  settings.num_centroids = num_centroids;
  settings.max_iterations = 1;
  const auto start = std::chrono::steady_clock::now();
  const auto result = linalg::kmeans(threads, planes, weights, settings, random);
  if (std::isfinite(result.inertia)) return seconds_since(start);
  throw MachineError(
      "k-means of finite vectors is not finite (a processor or its memory is "
      "damaged). Leave out this node.");
}

/// The layer with most vectors.
const LayerUnit& largest_codebook(const PreparedRun& prepared) {
  return *std::ranges::max_element(prepared.units, {}, [](const LayerUnit& unit) {
    return unit.makes_integers() ? 0
                                 : unit.layer.out_features * unit.layer.in_features /
                                       static_cast<std::size_t>(unit.vptq().vector_len);
  });
}

}  // namespace

Finding try_factorization(Threads& threads, std::size_t n, double seconds, std::uint64_t bytes) {
  constexpr std::size_t kTrial = 1024, kStep = 256;
  require_input(
      factor_bytes(n, threads.count()) <= static_cast<double>(bytes),
      fmt::format("the factorization of {} channels takes {} ({} are free for this rank). "
                  "Start fewer processes a node, or ask for nodes with more memory.",
                  n, bytes_text(factor_bytes(n, threads.count())),
                  bytes_text(static_cast<double>(bytes))));
  std::size_t tried = std::min(n, kTrial);
  double taken = time_factorization(threads, tried);
  const auto reckoned = [&](std::size_t size) {
    return taken * std::pow(static_cast<double>(size) / static_cast<double>(tried), 3);
  };
  std::size_t next = n;
  while (next > tried && reckoned(next) > seconds) next -= std::min(next, kStep);
  if (next > tried) {
    taken = time_factorization(threads, next);
    tried = next;
  }
  const std::string how =
      tried == n ? ""
                 : fmt::format(" (reckoned with n^3 from {} channels in {:.1f} s)", tried, taken);
  return {Verdict::ok, reckoned(n), "s", fmt::format("{} channels{}", n, how)};
}

Finding try_kmeans(Threads& threads, std::size_t num_vectors, std::size_t vector_len,
                   std::size_t num_centroids, double seconds, std::uint64_t bytes) {
  const std::size_t centroids = std::min(num_centroids, num_vectors);
  const std::size_t least = std::min(num_vectors, std::max<std::size_t>(centroids, 1U << 14U));
  // The vectors twice, by planes and as they are sorted; a weight, an index and bounds of each.
  const double bytes_of_vector = 8 * static_cast<double>(vector_len) + 32;
  double taken = time_kmeans(threads, least, vector_len, centroids);
  const double rate = static_cast<double>(least) / std::max(taken, 1e-9);
  const double most = std::min({static_cast<double>(num_vectors), rate * seconds,
                                static_cast<double>(bytes) / bytes_of_vector});
  const std::size_t tried = std::max(least, static_cast<std::size_t>(most));
  if (tried > least) taken = time_kmeans(threads, tried, vector_len, centroids);
  const double share = static_cast<double>(num_vectors) / static_cast<double>(tried);
  const std::string how =
      tried == num_vectors ? ""
                           : fmt::format(" (reckoned from {} vectors in {:.1f} s)", tried, taken);
  return {Verdict::ok, taken * share, "s",
          fmt::format("{} vectors of {}, {} centroids, seeds and an iteration{}", num_vectors,
                      vector_len, centroids, how)};
}

bool makes_codebooks(const PreparedRun& prepared) {
  return std::ranges::any_of(prepared.units,
                             [](const LayerUnit& unit) { return !unit.makes_integers(); });
}

Finding check_kmeans(RunContext& run, const PreparedRun& prepared) {
  const LayerUnit& unit = largest_codebook(prepared);
  const auto vector_len = static_cast<std::size_t>(unit.vptq().vector_len);
  const std::size_t vectors = unit.layer.out_features / vector_len * unit.layer.in_features;
  const std::uint64_t bytes = memory_share(run.comm);
  run.comm.barrier();  // before anyone takes some
  return try_kmeans(run.threads, vectors, vector_len,
                    static_cast<std::size_t>(unit.vptq().num_centroids), kKmeansSeconds, bytes);
}

Finding check_factorization(RunContext& run, const PreparedRun& prepared) {
  std::size_t widest = 0;
  for (const LayerUnit& unit : prepared.units) widest = std::max(widest, unit.layer.in_features);
  const std::uint64_t bytes = memory_share(run.comm);
  run.comm.barrier();  // before anyone takes some
  return try_factorization(run.threads, widest, kFactorSeconds, bytes);
}

}  // namespace tessera::jobs
