#include <fmt/core.h>

#include "cluster/communicator.hpp"
#include "cluster/self_communicator.hpp"
#include "core/error.hpp"

namespace tessera::cluster {

std::unique_ptr<Communicator> connect(const LaunchEnvironment& launched, const StopFlag&) {
  if (launched.num_ranks == 1) return std::make_unique<SelfCommunicator>();
  throw InputError(fmt::format(
      "this build has no MPI but was started by {} as {} ranks (each would think it is alone and "
      "write over the others' files; this one is rank {}). Configure with TESSERA_WITH_MPI=ON, or "
      "start it as one process.",
      launched.launcher, launched.num_ranks, launched.rank));
}

}  // namespace tessera::cluster
