#include "cluster/launch_environment.hpp"

#include <charconv>
#include <cstdlib>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::cluster {
namespace {

struct Family {
  const char* launcher;
  const char* size;
  const char* rank;
};
constexpr Family kFamilies[] = {
    {"mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {"mpiexec", "PMI_SIZE", "PMI_RANK"},
    {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
};

std::size_t number(const char* name, const std::string& text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw InputError(fmt::format(
        "the environment variable {} is '{}' (a launcher sets it to a number). Unset it, or start "
        "the program with mpirun or srun.",
        name, text));
  }
  return value;
}

}  // namespace

LaunchEnvironment read_launch_environment(const Lookup& lookup) {
  for (const Family& family : kFamilies) {
    const auto size = lookup(family.size);
    const auto rank = lookup(family.rank);
    if (!size || !rank) continue;
    const LaunchEnvironment launched{number(family.size, *size), number(family.rank, *rank),
                                     family.launcher};
    if (launched.rank >= launched.num_ranks) {
      throw InputError(fmt::format(
          "the environment variables {}={} and {}={} contradict each other (ranks count from 0). "
          "Unset both, or start the program with mpirun or srun.",
          family.rank, *rank, family.size, *size));
    }
    return launched;
  }
  return {};
}

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

LaunchEnvironment launch_environment() {
  return read_launch_environment(environment);
}

}  // namespace tessera::cluster
