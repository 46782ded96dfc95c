#pragma once
#include <functional>

#include "cluster/communicator.hpp"

namespace tessera::test {

/// Runs @p body on every rank. The thread transport does so for 1, 2, 3, 4 and 7 ranks, one after
/// another; under MPI the ranks are those the test was started as.
void on_ranks(const std::function<void(cluster::Communicator&)>& body);

/// The same, with a flag that a body may set on one rank.
void on_ranks(StopFlag& stop, const std::function<void(cluster::Communicator&)>& body);

}  // namespace tessera::test
