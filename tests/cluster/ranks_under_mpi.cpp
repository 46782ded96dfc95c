#include <gtest/gtest.h>

#include "cluster/communicator.hpp"
#include "tests/cluster/ranks.hpp"

namespace tessera::test {
namespace {

StopFlag world_stop;
std::unique_ptr<cluster::Communicator> world;

}  // namespace

void on_ranks(const std::function<void(cluster::Communicator&)>& body) {
  body(*world);
  world->barrier();
}

/// A flag once set stays set, and there is one MPI in a process: such tests run as threads only.
void on_ranks(StopFlag&, const std::function<void(cluster::Communicator&)>&) {
  GTEST_SKIP() << "needs a communicator of its own; runs with ranks as threads";
}

}  // namespace tessera::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  tessera::test::world =
      tessera::cluster::connect(tessera::cluster::launch_environment(), tessera::test::world_stop);
  const int result = RUN_ALL_TESTS();
  tessera::test::world.reset();
  return result;
}
