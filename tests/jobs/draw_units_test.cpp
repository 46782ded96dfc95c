#include "jobs/draw_units.hpp"

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/thread_communicator.hpp"
#include "core/error.hpp"

namespace tessera::jobs {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

/// What ranks did, and what became of each.
struct Ranks {
  StopFlag stop;
  std::mutex mutex;
  std::vector<std::size_t> done;         // units, in any order
  std::vector<std::string> interrupted;  // what ranks were told
  std::vector<std::vector<std::size_t>> said;

  /// @param do_one what a rank does with a unit before it notes it
  void draw(
      std::size_t num_ranks, std::size_t count, Deadline deadline = {},
      const std::function<void(std::size_t)>& do_one = [](std::size_t) {}, double rate = 0) {
    said.assign(num_ranks, {});
    cluster::run_as_threads(num_ranks, stop, [&](cluster::Communicator& comm) {
      SilentLog log;
      Threads threads(1);
      RunContext run{threads, log, comm, stop, deadline};
      const UnitsLeft left{
          .count = count,
          .cost = [&](std::size_t i) { return static_cast<double>(count - i); },
          .name = [](std::size_t i) { return "unit " + std::to_string(i); },
          .do_one =
              [&](std::size_t i) {
                do_one(i);
                const std::lock_guard lock(mutex);
                done.push_back(i);
              },
          .say = [&](std::size_t num_drawn) { said[comm.rank()].push_back(num_drawn); }};
      try {
        draw_units(run, left, rate);
      } catch (const Interrupted& why) {
        const std::lock_guard lock(mutex);
        interrupted.emplace_back(why.what());
        if (why.exit_code() != Interrupted::kResumable) throw;
      }
    });
  }
};

Deadline in_seconds(long seconds) {
  return Deadline(Deadline::Clock::now() + std::chrono::seconds(seconds));
}

/// None, one, fewer than ranks, as many, and many more.
TEST(DrawUnits, DoesEachOnceOnAnyNumberOfRanks) {
  for (const std::size_t num_ranks : {1, 2, 5}) {
    for (const std::size_t count : {0, 1, 3, 5, 101}) {
      Ranks ranks;
      ranks.draw(num_ranks, count);
      std::vector<std::size_t> all(count);
      for (std::size_t i = 0; i < count; ++i) all[i] = i;
      EXPECT_THAT(ranks.done, testing::UnorderedElementsAreArray(all)) << num_ranks << " ranks";
      for (const auto& of_rank : ranks.said) {
        EXPECT_EQ(of_rank.back(), count);
        EXPECT_TRUE(std::ranges::is_sorted(of_rank));
      }
    }
  }
}

TEST(DrawUnits, AloneTheyComeInTheirOrder) {
  Ranks ranks;
  ranks.draw(1, 4);
  EXPECT_EQ(ranks.done, (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_EQ(ranks.said.front(), (std::vector<std::size_t>{0, 1, 2, 3, 4}));
}

/// By a rate from before the first units cost 40 s and some less, of the 10 there are. Each rank
/// looks at one and stops.
TEST(DrawUnits, BeginsNothingThatCannotEndBeforeTheDeadline) {
  for (const std::size_t num_ranks : {1, 3}) {
    Ranks ranks;
    ranks.draw(
        num_ranks, 40, in_seconds(10), [](std::size_t) {}, 1.0);
    EXPECT_EQ(ranks.interrupted.size(), num_ranks);
    EXPECT_THAT(ranks.interrupted,
                Each(AllOf(HasSubstr("the walltime ends in"), HasSubstr("--resume"),
                           ContainsRegex("unit [0-2] takes about (40|39|38) s"))));
    EXPECT_THAT(ranks.done, IsEmpty());
  }
}

/// Nothing is known before the first unit, which is begun; what it took says that the second, of a
/// million times its cost, takes hours.
TEST(DrawUnits, LearnsHowSlowItIs) {
  SilentLog log;
  Threads threads(1);
  StopFlag stop;
  cluster::run_as_threads(1, stop, [&](cluster::Communicator& comm) {
    std::vector<std::size_t> done;
    RunContext run{threads, log, comm, stop, in_seconds(3600)};
    UnitsLeft left{.count = 2,
                   .cost = [](std::size_t i) { return i == 0 ? 4.0 : 4e6; },
                   .name = [](std::size_t i) { return "unit " + std::to_string(i); },
                   .do_one =
                       [&](std::size_t i) {
                         std::this_thread::sleep_for(std::chrono::milliseconds(20));
                         done.push_back(i);
                       },
                   .say = [](std::size_t) {}};
    EXPECT_THAT([&] { draw_units(run, left); }, ThrowsMessage<Interrupted>(HasSubstr("unit 1")));
    EXPECT_EQ(done, std::vector<std::size_t>{0});
    left.count = 1;
    EXPECT_EQ(draw_units(run, left, 80), 80);
    EXPECT_GE(draw_units(run, left), 0.005);
    run.deadline = in_seconds(0);
    EXPECT_THROW(draw_units(run, left), Interrupted);  // it is over: nothing is begun
    EXPECT_EQ(done.size(), 3u);
  });
}

/// What one throws is what the run ends with; other ranks are not left waiting for it.
TEST(DrawUnits, EndWithWhatAUnitThrows) {
  for (const std::size_t num_ranks : {1, 3}) {
    Ranks ranks;
    EXPECT_THAT(
        [&] {
          ranks.draw(num_ranks, 7, {}, [](std::size_t i) {
            if (i == 2) throw MachineError("unit 2 cannot be written");
          });
        },
        ThrowsMessage<MachineError>(HasSubstr("unit 2 cannot be written")));
    EXPECT_THAT(ranks.done, testing::Not(testing::Contains(2u)));
  }
}

TEST(DrawUnits, StopBetweenUnits) {
  for (const std::size_t num_ranks : {1, 3}) {
    Ranks ranks;
    ranks.draw(num_ranks, 50, {}, [&](std::size_t i) {
      if (i == 4) ranks.stop.request_by_signal(10);
    });
    EXPECT_EQ(ranks.interrupted.size(), num_ranks);
    EXPECT_THAT(ranks.done, testing::SizeIs(testing::Lt(50u)));
  }
}

TEST(ProgressOf, IsDoneWhereThereIsNothing) {
  EXPECT_EQ(progress_of("equalize", "blocks", 0, 0).done_cost, 1.0);
  EXPECT_EQ(progress_of("equalize", "blocks", 1, 4).done_cost, 0.25);
}

}  // namespace
}  // namespace tessera::jobs
