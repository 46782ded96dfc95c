#include <fmt/core.h>

#include "cluster/launch_environment.hpp"
#include "core/error.hpp"

namespace tessera::cluster {

void require_alone(const LaunchEnvironment& launched) {
  if (launched.num_ranks == 1) return;
  throw InputError(fmt::format(
      "this build has no MPI but was started by {} as {} ranks (each would think it is alone and "
      "write over the others' files; this one is rank {}). Start it as one process.",
      launched.launcher, launched.num_ranks, launched.rank));
}

}  // namespace tessera::cluster
