// The stand-in of builds without MPI. With MPI, one process started by hand touches none of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/communicator.hpp"
#include "core/error.hpp"

namespace tessera::cluster {
namespace {

TEST(Connect, StartedByHandIsAlone) {
  const StopFlag stop;
  const auto comm = connect({1, 0, ""}, stop);
  EXPECT_EQ(comm->size(), 1u);
  EXPECT_EQ(comm->rank(), 0u);
}

#ifdef TESSERA_TEST_WITHOUT_MPI
TEST(NoMpi, RefusesToBeOneOfSeveralRanks) {
  const StopFlag stop;
  EXPECT_THAT(
      [&] {
        connect({3, 2, "srun"}, stop);
      },
      testing::ThrowsMessage<InputError>(
          testing::HasSubstr("no MPI but was started by srun as 3 ranks")));
}
#endif

}  // namespace
}  // namespace tessera::cluster
