// Times the second moment of random activations, for tests/bench/syrk_peers.py and for profiles:
//     bench_syrk tokens channels threads repeats
// Prints one JSON object with the seconds of each repeat.
#include <chrono>
#include <ctime>
#include <exception>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "linalg/syrk.hpp"
#include "tests/support/random_matrix.hpp"

namespace {

using namespace tessera;

int run(const std::vector<std::string>& args) {
  require_input(args.size() == 4, "usage: bench_syrk tokens channels threads repeats");
  const Matrix<float> x = test::random_matrix(std::stoul(args[0]), std::stoul(args[1]), 1);
  Threads threads(std::stoul(args[2]));
  Matrix<double> sum(x.cols(), x.cols());
  std::vector<double> wall, cpu;  // seconds; cpu: of all threads
  for (int repeat = 0; repeat < std::stoi(args[3]); ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t cpu_begin = std::clock();
    linalg::add_outer_products(threads, x, sum);
    cpu.push_back(static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC);
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  fmt::print("{{\"seconds\": [{}], \"seconds_cpu\": [{}]}}\n", fmt::join(wall, ", "),
             fmt::join(cpu, ", "));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_syrk: {}\n", error.what());
    return 2;
  }
}
