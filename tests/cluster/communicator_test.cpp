#include "cluster/communicator.hpp"

#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cluster/ranks.hpp"

namespace tessera::cluster {
namespace {

/// Rank r gives r characters: the first none.
TEST(Communicator, GathersTextsOfEveryLength) {
  test::on_ranks([](Communicator& comm) {
    const auto all = comm.all_gather(std::string(comm.rank(), 'x'));
    ASSERT_EQ(all.size(), comm.size());
    for (std::size_t r = 0; r < all.size(); ++r) EXPECT_EQ(all[r], std::string(r, 'x'));
  });
}

TEST(Communicator, GathersBytesThatAreNoText) {
  test::on_ranks([](Communicator& comm) {
    const auto all = comm.all_gather(std::string("\0\n\xff", 3));
    for (const auto& text : all) EXPECT_EQ(text, std::string("\0\n\xff", 3));
  });
}

/// Rank s sends (s + 2 r) % 5 numbers to rank r, each telling where it comes from and goes.
std::size_t count_between(std::size_t from, std::size_t to) {
  return (from + 2 * to) % 5;
}

TEST(Communicator, ExchangesSpansOfAnySize) {
  test::on_ranks([](Communicator& comm) {
    std::vector<std::vector<double>> out(comm.size()), in(comm.size());
    for (std::size_t r = 0; r < comm.size(); ++r) {
      for (std::size_t i = 0; i < count_between(comm.rank(), r); ++i) {
        out[r].push_back(static_cast<double>(100 * comm.rank() + 10 * r + i));
      }
      in[r].resize(count_between(r, comm.rank()));
    }
    comm.exchange({out.begin(), out.end()}, {in.begin(), in.end()});
    for (std::size_t r = 0; r < comm.size(); ++r) {
      for (std::size_t i = 0; i < in[r].size(); ++i) {
        EXPECT_EQ(in[r][i], static_cast<double>(100 * r + 10 * comm.rank() + i));
      }
    }
  });
}

TEST(Communicator, GivesEachTicketOnce) {
  test::on_ranks([](Communicator& comm) {
    for (int round = 0; round < 2; ++round) {
      comm.reset_tickets();
      std::string mine;
      for (;;) {
        const auto ticket = comm.draw_ticket();
        if (ticket >= 50) break;
        mine += static_cast<char>(ticket);
      }
      std::string all;
      for (const auto& text : comm.all_gather(mine)) all += text;
      std::ranges::sort(all);
      std::string expected;
      for (char c = 0; c < 50; ++c) expected += c;
      EXPECT_EQ(all, expected);
    }
  });
}

TEST(Communicator, NobodyPassesABarrierBeforeAllAreThere) {
  test::on_ranks([](Communicator& comm) {
    comm.reset_tickets();
    comm.draw_ticket();
    comm.barrier();
    EXPECT_GE(comm.draw_ticket(), comm.size());
  });
}

TEST(Communicator, WaitingRanksSeeTheWishToStop) {
  StopFlag stop;
  test::on_ranks(stop, [&](Communicator& comm) {
    if (comm.rank() == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      stop.request("enough");
      return;
    }
    EXPECT_THROW(comm.barrier(), Interrupted);
  });
}

TEST(Communicator, LeavesTogetherOrSaysThatSomebodyIsMissing) {
  StopFlag stop;
  test::on_ranks(stop, [&](Communicator& comm) { EXPECT_TRUE(comm.leave_together(5)); });
  test::on_ranks(stop, [&](Communicator& comm) {
    if (comm.rank() == 2) return;
    EXPECT_FALSE(comm.leave_together(0.05));
  });
}

}  // namespace
}  // namespace tessera::cluster
