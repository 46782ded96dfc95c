// A job on several ranks (threads of this process): one answer, wherever it is stopped and on
// however many ranks it goes on.
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/self_communicator.hpp"
#include "cluster/thread_communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "jobs/memory_plan.hpp"
#include "jobs/work_lock.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;
using test::run_job_on_ranks;
using testing::HasSubstr;
using testing::ThrowsMessage;

class Ranks : public testing::Test {
 protected:
  /// The bytes that one process makes; leaves neither output nor work folder behind.
  std::map<std::string, std::string> make_expected() {
    test::run_job(job_, ExistingRun::refuse, 1);
    auto bytes = contents_of(job_.output.dir);
    start_over();
    return bytes;
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

TEST_F(Ranks, OneAnswerForEveryNumberOfRanksAndThreads) {
  job_.output.max_shard_size = 3000;  // several output files, more than ranks and fewer
  const auto expected = make_expected();
  ASSERT_GT(expected.size(), 7u);
  for (const std::size_t ranks : {1, 2, 3, 4, 7}) {
    job_.slurm.nodes = static_cast<int>(ranks);  // what was asked for is no part of a model
    for (const std::size_t threads : {1, 2}) {
      run_job_on_ranks(job_, ExistingRun::refuse, ranks, threads);
      EXPECT_TRUE(contents_of(job_.output.dir) == expected)
          << ranks << " ranks, " << threads << " threads";
      start_over();
    }
  }
}

TEST_F(Ranks, Trap01And07StoppedAnywhereAndResumedOnAnotherNumberOfRanks) {
  const auto expected = make_expected();
  const std::size_t ranks[] = {3, 1, 4, 2, 7};
  int num_stopped = 0;
  for (int event = 1;; event += 3) {
    const std::size_t first = ranks[event % 5], second = ranks[(event / 3) % 5];
    if (test::run_until_event(job_, first, event)) break;
    ++num_stopped;
    run_job_on_ranks(job_, ExistingRun::resume, second, 1);
    ASSERT_TRUE(contents_of(job_.output.dir) == expected)
        << "stopped at event " << event << " on " << first << " ranks, resumed on " << second;
    start_over();
  }
  EXPECT_GT(num_stopped, 8);
}

/// The blocks that a run was at, as it tells.
class BlockLog final : public Log {
 public:
  void info(const std::string&) override {}
  void warning(const std::string&) override {}
  void detail(const std::string&) override {}
  void progress(const Progress& progress) override {
    if (progress.stage == "calibrate") blocks.push_back(progress.done);
  }
  std::vector<std::size_t> blocks;
};

TEST_F(Ranks, Trap02GoesOnAtTheBlockThatWasBeingCalibrated) {
  StopFlag stop;
  BlockLog first;
  EXPECT_THROW(cluster::run_as_threads(
                   2, stop,
                   [&](cluster::Communicator& comm) {
                     SilentLog silent;
                     Threads threads(1);
                     threads.poll_with([&] {
                       if (first.blocks.size() == 3) stop.request("enough");
                       stop.check();
                     });
                     jobs::RunContext context{
                         threads, comm.is_first() ? static_cast<Log&>(first) : silent, comm, stop};
                     jobs::run_quantize_job(job_, ExistingRun::refuse, context);
                   }),
               Interrupted);
  ASSERT_EQ(first.blocks.back(), 2u);
  BlockLog second;
  test::run_job(job_, ExistingRun::resume, 1, second);
  EXPECT_EQ(second.blocks.front(), 2u);
}

TEST_F(Ranks, HoldsHiddenStatesInFilesWhereMemoryIsShort) {
  const auto expected = make_expected();
  const auto config = model::read_model_config(job_.model.path);
  const auto units = jobs::plan_units(config, job_.quantize);
  const auto plan = [&] { return jobs::plan_memory(job_, config, units, 2, 1); };
  job_.runtime.host_memory = plan().calibrate_bytes - 1;  // a byte too few to keep them
  ASSERT_FALSE(plan().hidden_in_memory);
  run_job_on_ranks(job_, ExistingRun::refuse, 2, 1);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

TEST_F(Ranks, SaysBeforeItStartsThatMemoryIsTooShort) {
  job_.runtime.host_memory = 1'000'000;
  EXPECT_THAT([&] { run_job_on_ranks(job_, ExistingRun::refuse, 2, 1); },
              ThrowsMessage<InputError>(HasSubstr("runtime.host_memory is 1.0 MB")));
  EXPECT_FALSE(fs::exists(job_.runtime.work_dir));
}

TEST_F(Ranks, StartsNothingThatTheWalltimeHasNoRoomFor) {
  StopFlag stop;
  SilentLog log;
  Threads threads(1);
  cluster::SelfCommunicator alone;
  jobs::RunContext late{threads, log, alone, stop,
                        jobs::Deadline(std::chrono::system_clock::now() - std::chrono::seconds(1))};
  EXPECT_THAT([&] { jobs::run_quantize_job(job_, ExistingRun::refuse, late); },
              ThrowsMessage<Interrupted>(HasSubstr("the walltime ends")));
  EXPECT_FALSE(fs::exists(job_.runtime.work_dir / "solved"));
}

TEST_F(Ranks, OneRanksFailureEndsAllWithItsWords) {
  fs::create_directories(job_.runtime.work_dir);
  write_file_atomically(job_.runtime.work_dir / "solved", "a file where a folder must be");
  EXPECT_ANY_THROW(run_job_on_ranks(job_, ExistingRun::refuse, 3, 1));
  EXPECT_THAT(read_text_file(job_.runtime.work_dir / "ranks/stop"),
              testing::AllOf(testing::StartsWith("1 rank "), HasSubstr("solved")));
  fs::remove(job_.runtime.work_dir / "solved");
  run_job_on_ranks(job_, ExistingRun::resume, 2, 1);
  EXPECT_TRUE(fs::exists(job_.output.dir));
}

TEST_F(Ranks, ASecondRunInTheSameFolderIsRefusedNamingTheFirst) {
  cluster::SelfCommunicator alone;
  const jobs::WorkLock first(alone, job_.runtime.work_dir);
  EXPECT_THAT([&] { test::run_job(job_, ExistingRun::resume); },
              ThrowsMessage<InputError>(testing::AllOf(
                  HasSubstr("is in use"), HasSubstr("process " + std::to_string(::getpid())))));
  EXPECT_THAT(jobs::holder_of(job_.runtime.work_dir), HasSubstr("1 rank,"));
}

TEST_F(Ranks, ALockDiesWithItsRun) {
  {
    cluster::SelfCommunicator alone;
    const jobs::WorkLock first(alone, job_.runtime.work_dir);
  }
  EXPECT_EQ(jobs::holder_of(job_.runtime.work_dir), "");
  test::run_job(job_, ExistingRun::resume);
}

}  // namespace
}  // namespace tessera
