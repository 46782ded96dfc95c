#include "cluster/thread_communicator.hpp"
#include "tests/cluster/ranks.hpp"

namespace tessera::test {

void on_ranks(const std::function<void(cluster::Communicator&)>& body) {
  for (const std::size_t ranks : {1, 2, 3, 4, 7}) {
    const StopFlag stop;
    cluster::run_as_threads(ranks, stop, body);
  }
}

void on_ranks(StopFlag& stop, const std::function<void(cluster::Communicator&)>& body) {
  cluster::run_as_threads(4, stop, body);
}

}  // namespace tessera::test
