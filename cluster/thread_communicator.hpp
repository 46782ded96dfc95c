#pragma once
#include <functional>
#include <memory>

#include "cluster/communicator.hpp"

namespace tessera::cluster {

/// Runs @p body once for each of @p num_ranks ranks, each a thread of this process with its own
/// communicator; for tests. When a rank throws, those that wait for it throw Interrupted; after all
/// have ended the first exception, by time, is rethrown.
void run_as_threads(std::size_t num_ranks, const StopFlag& stop,
                    const std::function<void(Communicator&)>& body);

}  // namespace tessera::cluster
