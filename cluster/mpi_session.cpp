#include "cluster/mpi_session.hpp"

#include <exception>
#include <string>

#include <fmt/core.h>
#include <mpi.h>

#include "core/error.hpp"

namespace tessera::cluster {

void check(int result, const char* call) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(result, text, &length);
  throw MachineError(
      fmt::format("{} failed ({}). The run can go on with --resume; look at the network and the "
                  "launcher's log.",
                  call, std::string(text, static_cast<std::size_t>(length))));
}

MpiSession::MpiSession() {
  int provided = 0;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED) {
    throw MachineError(
        "this MPI allows no threads beside it (MPI_THREAD_FUNNELED is needed). Use another one.");
  }
}

MpiSession::~MpiSession() {
  if (std::uncaught_exceptions() == 0 && !is_abandoned) MPI_Finalize();
}

}  // namespace tessera::cluster
