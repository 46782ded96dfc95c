// Times k-means on points from files, for tests/bench/kmeans_peers.py and for profiles:
//     bench_kmeans POINTS WEIGHTS START v K iterations threads repeats
// Files hold raw float32: points (v, n), weights (n), start (K, v). With "-" for START, centroids
// are seeded and the seeding is part of the time. Prints one JSON object; "inertia" is that of the
// final centroids.
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "linalg/kmeans.hpp"

namespace {

using namespace tessera;

Matrix<float> read_floats(const std::string& file, std::size_t rows, std::size_t cols) {
  Matrix<float> values(rows, cols);
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * 4));
  require_input(in.good(), fmt::format("cannot read {} floats from {}", values.size(), file));
  return values;
}

/// Of all threads of this process.
double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

int run(const std::vector<std::string>& args) {
  require_input(args.size() == 8,
                "usage: bench_kmeans POINTS WEIGHTS START v K iterations threads repeats");
  const std::size_t v = std::stoul(args[3]);
  const std::size_t k = std::stoul(args[4]);
  const std::size_t n = std::filesystem::file_size(args[1]) / sizeof(float);
  const auto x = read_floats(args[0], v, n);
  const auto weights = read_floats(args[1], 1, n);
  const bool is_seeded = args[2] == "-";
  const auto start = is_seeded ? Matrix<float>() : read_floats(args[2], k, v);

  linalg::KmeansSettings settings;
  settings.num_centroids = k;
  settings.max_iterations = std::stoi(args[5]);
  settings.tolerance = 0;
  Threads threads(std::stoul(args[6]));

  std::string seconds;
  std::string cpu;
  linalg::KmeansResult result;
  for (int repeat = 0; repeat < std::stoi(args[7]); ++repeat) {
    const double cpu_begin = cpu_seconds();
    const auto begin = std::chrono::steady_clock::now();
    const CounterRandom random(static_cast<std::uint64_t>(repeat), "bench", "kmeans");
    result = is_seeded ? linalg::kmeans(threads, x, weights.span(), settings, random)
                       : linalg::kmeans_from(threads, x, weights.span(), settings, start);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    const char* separator = repeat == 0 ? "" : ", ";
    seconds += fmt::format("{}{:.6f}", separator, elapsed.count());
    cpu += fmt::format("{}{:.6f}", separator, cpu_seconds() - cpu_begin);
  }
  fmt::print(
      "{{\"seconds\": [{}], \"cpu_seconds\": [{}], \"inertia\": {:.9g}, \"iterations\": {}}}\n",
      seconds, cpu, result.inertia, result.num_iterations);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
