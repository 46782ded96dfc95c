#include "cluster/agreement.hpp"

#include <filesystem>
#include <system_error>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/cluster/ranks.hpp"

namespace tessera::cluster {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Agreement, GivesEachRankItsResult) {
  test::on_ranks([](Communicator& comm) {
    EXPECT_EQ(on_all_ranks(comm, [&] { return 10 * comm.rank(); }), 10 * comm.rank());
  });
}

TEST(Agreement, WhereOneRankFailsAllFailNamingIt) {
  test::on_ranks([](Communicator& comm) {
    const std::size_t last = comm.size() - 1;
    const auto step = [&] {
      if (comm.rank() == last) throw InputError("no such file");
    };
    const std::string expected =
        comm.rank() == last ? "no such file" : "rank " + std::to_string(last) + ": no such file";
    EXPECT_THAT([&] { agree_on(comm, step); }, ThrowsMessage<InputError>(testing::StrEq(expected)));
    comm.barrier();  // all are still in step
  });
}

TEST(Agreement, KeepsWhoIsAtFault) {
  test::on_ranks([](Communicator& comm) {
    const auto with = [&](auto error) {
      return [&comm, error] {
        agree_on(comm, [&] {
          if (comm.is_first()) throw error;
        });
      };
    };
    EXPECT_THROW(with(MachineError("disk full"))(), MachineError);
    EXPECT_THROW(with(Bug("impossible"))(), Bug);
    const std::filesystem::filesystem_error refused(
        "rename", std::error_code(EACCES, std::generic_category()));
    if (comm.is_first()) {
      EXPECT_THROW(with(refused)(), std::filesystem::filesystem_error);
    } else {
      EXPECT_THROW(with(refused)(), MachineError);
    }
    EXPECT_THROW(with(Interrupted("SIGUSR1"))(), Interrupted);
  });
}

TEST(Agreement, TheLowestRankThatFailedIsNamed) {
  test::on_ranks([](Communicator& comm) {
    if (comm.size() < 3) return;
    const auto step = [&] {
      if (comm.rank() > 0) throw InputError("from " + std::to_string(comm.rank()));
    };
    const std::string named = comm.rank() == 0 ? "rank 1: from 1" : "from 1";
    EXPECT_THAT([&] { agree_on(comm, step); }, ThrowsMessage<InputError>(HasSubstr(named)));
  });
}

TEST(Agreement, TheFirstRanksTextReachesAll) {
  test::on_ranks([](Communicator& comm) {
    EXPECT_EQ(broadcast(comm, "from " + std::to_string(comm.rank())), "from 0");
    int calls = 0;
    on_first_rank(comm, [&] { ++calls; });
    EXPECT_EQ(calls, comm.is_first() ? 1 : 0);
  });
}

}  // namespace
}  // namespace tessera::cluster
