// Runs a fuzz target without libFuzzer: replays a corpus, then tries mutations of it.
//     fuzz_NAME [--seconds S] [--runs N] [--seed K] [--save DIR] FILE_OR_FOLDER...
// Mutation number i depends on the seed, i and the corpus alone. When an input ends the process, it
// is written to DIR (default: here) first.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "tests/fuzz/fuzz_target.hpp"
#include "tests/fuzz/mutate.hpp"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace fs = std::filesystem;
using tessera::fuzz::Bytes;

namespace {

struct Options {
  double seconds = 0;
  std::uint64_t runs = 0;
  std::uint64_t seed = 1;
  std::vector<fs::path> paths;
};

/// What a signal handler needs; it may not allocate.
struct LastInput {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  std::string file;
};
LastInput last_input;

void save_last_input() {
  const int fd = ::open(last_input.file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return;
  const auto written = ::write(fd, last_input.data, last_input.size);
  static_cast<void>(written);  // nothing can be done about it here
  ::close(fd);
}

void on_signal(int signal) {
  save_last_input();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const Bytes& input, const std::string& name) {
  last_input.data = input.data();
  last_input.size = input.size();
  last_input.file = name;
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

Options read_options(int argc, char** argv, fs::path& save_folder) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string("0"); };
    if (name == "--seconds") {
      options.seconds = std::stod(value());
    } else if (name == "--runs") {
      options.runs = std::stoull(value());
    } else if (name == "--seed") {
      options.seed = std::stoull(value());
    } else if (name == "--save") {
      save_folder = value();
    } else {
      options.paths.emplace_back(name);
    }
  }
  return options;
}

Bytes read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

/// The corpus in the order of its names, so that a seed means the same everywhere.
std::vector<Bytes> read_corpus(const std::vector<fs::path>& paths) {
  std::vector<fs::path> files;
  for (const fs::path& path : paths) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    for (const auto& item : fs::recursive_directory_iterator(path)) {
      if (item.is_regular_file()) files.push_back(item.path());
    }
  }
  std::ranges::sort(files);
  std::vector<Bytes> corpus;
  for (const fs::path& file : files) corpus.push_back(read_file(file));
  return corpus;
}

}  // namespace

int main(int argc, char** argv) {
  fs::path save_folder = ".";
  const Options options = read_options(argc, argv, save_folder);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_last_input);
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE}) std::signal(signal, on_signal);

  std::vector<Bytes> corpus = read_corpus(options.paths);
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    run(corpus[i], (save_folder / fmt::format("crash-corpus-{}", i)).string());
  }
  if (corpus.empty()) corpus.emplace_back();
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
  std::uint64_t i = 0;
  for (; i < options.runs || Clock::now() < end; ++i) {
    const Bytes input = tessera::fuzz::mutated(corpus, options.seed, i);
    run(input, (save_folder / fmt::format("crash-{}-{}", options.seed, i)).string());
  }
  fmt::print("{} inputs and {} mutations (seed {})\n", corpus.size(), i, options.seed);
  return 0;
}
