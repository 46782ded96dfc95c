#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/launch_environment.hpp"
#include "core/error.hpp"

namespace tessera::cluster {
namespace {

TEST(NoMpi, AcceptsOneRankHoweverItWasStarted) {
  EXPECT_NO_THROW(require_alone({1, 0, ""}));
  EXPECT_NO_THROW(require_alone({1, 0, "mpirun"}));
}

TEST(NoMpi, RefusesToBeOneOfSeveralRanks) {
  EXPECT_THAT(
      [] {
        require_alone({3, 2, "srun"});
      },
      testing::ThrowsMessage<InputError>(
          testing::HasSubstr("no MPI but was started by srun as 3 ranks")));
}

}  // namespace
}  // namespace tessera::cluster
