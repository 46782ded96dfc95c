// Measures what this machine does in a second and prints a table for configs/clusters:
//     measure_rates THREADS [SCRATCH_FOLDER] > configs/clusters/my_machine.yaml
// Rates are of a core: work done over processor seconds of all threads, so that others on the
// machine disturb little; files are timed by the clock. Takes a few minutes, most of them the
// largest k-means; on a machine that is busy, caches and files look worse than they are. Shapes are
// those of SmolLM2-135M, and layers of 1,024 inputs for what grows faster than a product.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "core/digest.hpp"
#include "core/random.hpp"
#include "forward/block.hpp"
#include "jobs/machine.hpp"
#include "jobs/settings/cluster_settings.hpp"
#include "linalg/kmeans.hpp"
#include "linalg/nearest_centroid.hpp"
#include "linalg/syrk.hpp"
#include "solver/integer/integer_solver.hpp"
#include "solver/prepared_hessian.hpp"
#include "solver/vptq/vptq_solver.hpp"
#include "store/archive.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"

namespace {

using namespace tessera;
namespace fs = std::filesystem;

double real(std::size_t value) {
  return static_cast<double>(value);
}

/// Processor seconds of all threads.
template <class Step>
double cpu_seconds(Step&& step) {
  const std::clock_t begin = std::clock();
  step();
  return std::max(1e-6, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
}

template <class Step>
double wall_seconds(Step&& step) {
  const auto begin = std::chrono::steady_clock::now();
  step();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The faster of two runs, the first of which also warms up.
template <class Step>
double best_cpu_seconds(Step&& step) {
  const double first = cpu_seconds(step);
  return std::min(first, cpu_seconds(step));
}

double product_flops(Threads& threads) {
  model::ModelConfig config = test::tiny_config();
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_blocks = 1;
  config.num_heads = 9;
  config.num_kv_heads = 3;
  config.head_dim = 64;
  const auto source = test::random_weights(config, 1);
  const auto weights = forward::load_block(config, source, 0);
  const forward::BatchShape shape{8, 512};
  const forward::BlockForward forward(config, shape.length);
  Matrix<float> hidden = test::random_matrix(shape.num_tokens(), config.hidden_size, 1);
  double weight_count = 0;
  for (const auto& layer : model::linear_layers(config, 0)) {
    weight_count += real(layer.in_features * layer.out_features);
  }
  const double flops =
      real(shape.num_tokens()) * (2 * weight_count + 2 * real(shape.length * config.q_size()));
  return flops / best_cpu_seconds([&] { forward.run(threads, weights, shape, hidden, nullptr); });
}

double square_flops(Threads& threads) {
  const std::size_t n = 1536, tokens = 4096;
  const Matrix<float> x = test::random_matrix(tokens, n, 2);
  Matrix<double> sum(n, n);
  return real(tokens) * real(n) * real(n + 1) /
         best_cpu_seconds([&] { linalg::add_outer_products(threads, x, sum); });
}

double factor_flops() {
  const std::size_t n = 1024;
  const Matrix<double> hessian = test::random_hessian(n, 2 * n, 5);
  const std::vector<float> ones(n, 1.0F);
  std::vector<std::uint32_t> perm(n);
  for (std::size_t i = 0; i < n; ++i) perm[i] = static_cast<std::uint32_t>(i);
  return 2.0 / 3 * std::pow(real(n), 3) /
         best_cpu_seconds([&] { solver::prepare_hessian(hessian, ones, perm, 0.05); });
}

jobs::SearchRate kmeans_rate(Threads& threads, std::size_t centroids, std::size_t v,
                             std::size_t vectors) {
  const Matrix<float> x = test::random_matrix(v, vectors, 3);
  const std::vector<float> weights(vectors, 1.0F);
  linalg::KmeansSettings settings;
  settings.num_centroids = centroids;
  settings.max_iterations = 5;
  settings.tolerance = 0;
  const auto start =
      linalg::seed_centroids(threads, x, weights, centroids, CounterRandom(1, "bench", "seed"));
  int iterations = 0;
  const double seconds = cpu_seconds([&] {
    iterations = linalg::kmeans_from(threads, x, weights, settings, start).num_iterations;
  });
  return {static_cast<int>(centroids), std::floor(real(vectors) * (iterations + 1) / seconds)};
}

double distance_flops() {
  const std::size_t k = 4096, v = 8, n = 1 << 15;
  const linalg::CentroidTable table(test::random_matrix(k, v, 4));
  const Matrix<float> x = test::random_matrix(v, n, 5);
  std::vector<std::uint32_t> index(n);
  return 2 * real(k * v * n) / best_cpu_seconds([&] { linalg::nearest_centroid(x, table, index); });
}

/// A layer of 1,024 inputs and outputs, solved by methods that differ in one step.
class SolverRates {
 public:
  explicit SolverRates(Threads& threads)
      : threads_(threads),
        weight_(test::random_matrix(kSize, kSize, 6)),
        hessian_(test::random_hessian(kSize, 2 * kSize, 5)) {}

  void measure(jobs::CoreRates& core) {
    measure_vptq(core);
    measure_integers(core);
  }

 private:
  static constexpr std::size_t kSize = 1024;
  static constexpr double kVectorLen = 4, kCentroids = 256;
  const double n_ = real(kSize), product_ = 2 * n_ * n_ * n_;

  double vptq(int rounds) {
    solver::VptqSettings settings;
    settings.vector_len = static_cast<int>(kVectorLen);
    settings.num_centroids = static_cast<int>(kCentroids);
    settings.kmeans_iterations = 1;
    settings.refine_rounds = rounds;
    const solver::LayerProblem problem{"bench", weight_, hessian_};
    return best_cpu_seconds(
        [&] { solver::solve_vptq(threads_, problem, settings, 0.05, StoredType::float16); });
  }
  double integers(solver::Rounding rounding, bool searches, int rounds) {
    solver::IntegerSettings settings;
    settings.rounding = rounding;
    settings.search_range = searches;
    settings.refine_rounds = rounds;
    const solver::LayerProblem problem{"bench", weight_, hessian_};
    return best_cpu_seconds(
        [&] { solver::solve_integers(threads_, problem, settings, 0.05, StoredType::float16); });
  }

  /// A round is a re-estimation, refreshed gradients, and a sweep with its searches. What GPTQ
  /// takes beside rounding is the factor and a column pass.
  void measure_vptq(jobs::CoreRates& core) {
    const double factor = 2.0 / 3 * n_ * n_ * n_ / core.factor_flops;
    const double plain = integers(solver::Rounding::rtn, false, 0);
    const double passed = integers(solver::Rounding::gptq, false, 0);
    core.column_flops = product_ / std::max(1e-3, passed - plain - factor);
    const double vectors = n_ * n_ / kVectorLen;
    const double search = 2 * kCentroids * kVectorLen * vectors / core.distance_flops;
    const double round = vptq(1) - vptq(0) - 3 * product_ / core.column_flops - search;
    const double additions = n_ / kVectorLen * (n_ * n_ + n_ * kCentroids);
    core.fold_flops = additions / std::max(1e-3, round);
  }
  void measure_integers(jobs::CoreRates& core) {
    const double proxy = 2 * product_ / core.product_flops;
    const double plain = integers(solver::Rounding::rtn, false, 0);
    const double searched = integers(solver::Rounding::rtn, true, 0);
    core.rounded_weights = 2 * n_ * n_ / std::max(1e-3, plain - proxy);
    core.ranged_weights = n_ * n_ / std::max(1e-3, searched - plain);
    const double refined = integers(solver::Rounding::gptq, false, 1);
    const double passed = integers(solver::Rounding::gptq, false, 0);
    core.integer_flops = 3 * product_ / std::max(1e-3, refined - passed);
  }

  Threads& threads_;
  const Matrix<float> weight_;
  const Matrix<double> hessian_;
};

double decoded_weights() {
  const std::size_t n = 1024, v = 4;
  solver::VptqLayer layer;
  layer.out_features = layer.in_features = layer.group_size = n;
  layer.vector_len = v;
  layer.num_centroids = 256;
  layer.centroids = test::random_matrix(256, v, 7);
  layer.index = Matrix<std::uint16_t>(n / v, n);
  return real(n * n) / best_cpu_seconds([&] { solver::dequantize(layer); });
}

double reduced_bytes() {
  const Matrix<double> from(2048, 2048);
  Matrix<double> message(2048, 2048), sum(2048, 2048);
  const auto step = [&] {
    std::ranges::copy(from.span(), message.span().begin());
    for (std::size_t i = 0; i < sum.size(); ++i) sum.data()[i] += message.data()[i];
  };
  return real(from.size() * sizeof(double)) / best_cpu_seconds(step);
}

struct StoredNumbers {
  std::vector<double> numbers;
};
template <class Archive>
void archive(Archive& a, StoredNumbers& s) {
  a("numbers", s.numbers);
}

void measure_files(const fs::path& folder, jobs::ClusterSettings& cluster) {
  const StoredNumbers small{std::vector<double>(64)},
      large{std::vector<double>(std::size_t{1} << 23)};
  constexpr int kFiles = 20;
  const double of_small = wall_seconds([&] {
    for (int i = 0; i < kFiles; ++i) store::save(folder / fmt::format("small-{}", i), {}, small);
  });
  const double of_large = wall_seconds([&] { store::save(folder / "large", {}, large); });
  StoredNumbers back;
  const double of_load = wall_seconds([&] { store::load(folder / "large", {}, back); });
  const double bytes = real(large.numbers.size() * sizeof(double));
  cluster.seconds_per_file = of_small / kFiles;
  cluster.write_bytes = cluster.scratch_bytes = bytes / of_large;
  cluster.read_bytes = bytes / of_load;
  std::vector<std::byte> some(std::size_t{1} << 26);
  cluster.core.digest_bytes = real(some.size()) / best_cpu_seconds([&] { digest_of_bytes(some); });
}

/// Three digits: more would pretend.
void round_all(jobs::ClusterSettings& cluster) {
  const auto round = [](double& value) {
    const double unit = std::pow(10, std::floor(std::log10(value)) - 2);
    value = std::round(value / unit) * unit;
  };
  auto& core = cluster.core;
  for (double* value :
       {&cluster.read_bytes, &cluster.write_bytes, &cluster.scratch_bytes, &cluster.network_bytes,
        &cluster.seconds_per_file, &core.product_flops, &core.square_flops, &core.factor_flops,
        &core.column_flops, &core.fold_flops, &core.distance_flops, &core.rounded_weights,
        &core.ranged_weights, &core.integer_flops, &core.decoded_weights, &core.reduced_bytes,
        &core.digest_bytes}) {
    round(*value);
  }
  for (auto& rate : core.kmeans) round(rate.vectors);
}

int run(const std::vector<std::string>& args) {
  require_input(args.size() == 1 || args.size() == 2,
                "usage: measure_rates THREADS [SCRATCH_FOLDER]");
  Threads threads(std::stoul(args[0]));
  const fs::path parent = args.size() == 2 ? fs::path(args[1]) : fs::temp_directory_path();
  const fs::path folder = parent / fmt::format("measure_rates-{}", getpid());
  fs::create_directories(folder);
  const jobs::MachineReport machine = jobs::describe_machine(threads.count());

  jobs::ClusterSettings cluster;
  cluster.description = fmt::format("{} cores of {}", threads.count(), machine.processor);
  cluster.source = jobs::RateSource::measured;
  cluster.source_text = "tests/bench/measure_rates on that machine; work over processor seconds";
  cluster.cores_per_rank = static_cast<int>(threads.count());
  cluster.node_memory = machine.memory_bytes;
  jobs::CoreRates& core = cluster.core;
  core.product_flops = product_flops(threads);
  core.square_flops = square_flops(threads);
  core.factor_flops = factor_flops();
  core.distance_flops = distance_flops();
  core.kmeans = {kmeans_rate(threads, 256, 4, 1 << 17), kmeans_rate(threads, 4096, 8, 1 << 18),
                 kmeans_rate(threads, 65536, 8, 1 << 20)};
  SolverRates(threads).measure(core);
  core.decoded_weights = decoded_weights();
  core.reduced_bytes = reduced_bytes();
  measure_files(folder, cluster);
  cluster.network_bytes = core.reduced_bytes;
  fs::remove_all(folder);
  round_all(cluster);
  fmt::print("{}", jobs::cluster_text(cluster));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "measure_rates: {}\n", error.what());
    return 2;
  }
}
