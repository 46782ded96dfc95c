#pragma once
#include <cstddef>
#include <functional>
#include <memory>

#include "cluster/communicator.hpp"
#include "core/log.hpp"
#include "core/stop.hpp"

// How verbs start that work on all ranks they were launched on.
namespace tessera::cli {

/// Runs @p body alone or as one of several ranks; signals set the flag. Whatever becomes of it, the
/// ranks leave together, so that a launcher sees one exit code.
int on_every_rank(const std::function<int(cluster::Communicator&, StopFlag&)>& body);

/// The terminal on the first rank; says nothing on others: people read one terminal.
std::unique_ptr<Log> terminal_of_first(bool is_first, bool is_verbose);

/// @p wanted, or this rank's share of its node's cores where that is 0. Collective.
std::size_t threads_of_rank(cluster::Communicator& comm, int wanted);

}  // namespace tessera::cli
