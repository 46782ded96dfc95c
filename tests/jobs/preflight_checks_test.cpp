#include <csignal>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "cluster/thread_communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "jobs/disk_needs.hpp"
#include "jobs/preflight/checks.hpp"
#include "jobs/preflight/probe_file.hpp"
#include "jobs/stages/prepare.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/forwarding_communicator.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Nothing can be made there, by anyone.
const fs::path kReadOnly = "/proc";

/// What the check found on each rank; what it threw is a finding.
std::vector<Finding> on_ranks(std::size_t num_ranks,
                              const std::function<Finding(RunContext&)>& check) {
  StopFlag stop;
  std::mutex mutex;
  std::vector<Finding> findings(num_ranks);
  cluster::run_as_threads(num_ranks, stop, [&](cluster::Communicator& comm) {
    SilentLog log;
    Threads threads(1);
    RunContext run{threads, log, comm, stop};
    Finding found;
    try {
      found = check(run);
    } catch (const Error& error) {
      found = {Verdict::failed, 0, "", error.what()};
    }
    const std::lock_guard lock(mutex);
    findings[comm.rank()] = found;
  });
  return findings;
}

Finding alone(const std::function<Finding(RunContext&)>& check) {
  return on_ranks(1, check).front();
}

Finding failed(const char* part) {
  return {Verdict::failed, 0, "", part};
}

/// Verdict and a part of the sentence.
MATCHER_P(IsLike, finding, "") {
  *result_listener << name_of(arg.verdict) << ": " << arg.sentence;
  return arg.verdict == finding.verdict && arg.sentence.find(finding.sentence) != std::string::npos;
}

TEST(ExistingFolder, IsTheNearestThatThereIs) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(existing_folder(folder.path()), folder.path());
  EXPECT_EQ(existing_folder(folder / "a" / "b"), folder.path());
  write_file_atomically(folder / "file", "x");
  EXPECT_THAT(
      [&] { existing_folder(folder / "file" / "b"); },
      ThrowsMessage<InputError>(AllOf(HasSubstr("cannot be made"), HasSubstr("no folder"))));
}

TEST(CheckDisk, WritesReadsAndRemoves) {
  const test::TemporaryFolder folder;
  const Finding found = alone([&](RunContext& run) { return check_disk(run, folder.path()); });
  EXPECT_NE(found.verdict, Verdict::failed) << found.sentence;  // slow it may be
  EXPECT_GT(found.value, 0);
  EXPECT_EQ(found.unit, "bytes/s");
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CheckDisk, SaysWhereNothingCanBeWritten) {
  const auto found = on_ranks(2, [&](RunContext& run) { return check_disk(run, kReadOnly); });
  for (const Finding& of_rank : found) EXPECT_THAT(of_rank, IsLike(failed("cannot open /proc/")));
}

/// A limit on files stands for a disk that is full.
TEST(CheckDisk, SaysHowMuchADiskTookThatIsFull) {
  const test::TemporaryFolder folder;
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{5'000'000, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Finding found = alone([&](RunContext& run) { return check_disk(run, folder.path()); });
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, before);
  EXPECT_THAT(found, IsLike(failed("after 4.2 MB: cannot write 4194304 bytes to ")));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CheckSharedFolder, IsSeenByAll) {
  const test::TemporaryFolder folder;
  for (const std::size_t ranks : {1, 2, 5}) {
    for (const Finding& found : on_ranks(ranks, [&](RunContext& run) {
           return check_shared_folder(run.comm, folder / "work");
         })) {
      EXPECT_THAT(found, IsLike(Finding{Verdict::ok, 0, "", "all ranks see"}));
    }
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CheckSharedFolder, AFolderOfItsOwnIsFoundOut) {
  const test::TemporaryFolder here, there;
  const auto found = on_ranks(3, [&](RunContext& run) {
    return check_shared_folder(run.comm, run.comm.rank() == 2 ? there.path() : here.path());
  });
  EXPECT_EQ(found[0].verdict, Verdict::ok);
  EXPECT_EQ(found[1].verdict, Verdict::ok);
  EXPECT_THAT(found[2], IsLike(failed("Name a runtime.work_dir on a shared file system")));
}

TEST(CheckSharedFolder, WhereTheFirstCannotWriteNobodyWaits) {
  const test::TemporaryFolder folder;
  const auto found = on_ranks(2, [&](RunContext& run) {
    return check_shared_folder(run.comm, run.comm.is_first() ? kReadOnly : folder.path());
  });
  EXPECT_EQ(found[0].verdict, Verdict::failed);
  EXPECT_THAT(found[1], IsLike(failed("the first rank could not write: ")));
}

TEST(CheckLocks, KeepOthersOut) {
  const test::TemporaryFolder folder;
  for (const std::size_t ranks : {1, 4}) {
    for (const Finding& found :
         on_ranks(ranks, [&](RunContext& run) { return check_locks(run.comm, folder.path()); })) {
      EXPECT_THAT(found, IsLike(Finding{Verdict::ok, 0, "", "locks keep others out"}));
    }
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CheckLocks, AFolderInUseIsNamedWithItsHolder) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "lock", "process 4711 on node07, 8 ranks");
  const Descriptor held(folder / "lock", O_RDWR);
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  for (const Finding& found :
       on_ranks(2, [&](RunContext& run) { return check_locks(run.comm, folder.path()); })) {
    EXPECT_THAT(found, IsLike(failed("is in use (process 4711 on node07")));
  }
}

TEST(CheckLocks, WhatEachHasToItselfIsNoLock) {
  const test::TemporaryFolder here, there;
  const auto found = on_ranks(2, [&](RunContext& run) {
    return check_locks(run.comm, run.comm.is_first() ? here.path() : there.path());
  });
  EXPECT_THAT(found[1], IsLike(Finding{Verdict::warning, 0, "", "what one holds another gets"}));
}

TEST(CheckLocks, WhereNoFileCanBeMadeNobodyWaits) {
  const auto found = on_ranks(2, [](RunContext& run) { return check_locks(run.comm, kReadOnly); });
  for (const Finding& of_rank : found) EXPECT_THAT(of_rank, IsLike(failed("cannot open /proc/")));
}

TEST(CheckClock, TellsHowFarARankIsOff) {
  const auto off_by = [](double seconds) {
    return on_ranks(2, [&](RunContext& run) {
      return check_clock(run.comm, [&run, seconds] {
        return seconds_of_clock() + (run.comm.rank() == 1 ? seconds : 0);
      });
    });
  };
  EXPECT_EQ(off_by(0)[1].verdict, Verdict::ok);
  const auto behind = off_by(-20);
  EXPECT_EQ(behind[0].verdict, Verdict::ok);
  EXPECT_THAT(behind[1], IsLike(Finding{Verdict::warning, 0, "", "behind the first rank's"}));
  EXPECT_NEAR(behind[1].value, -20, 1);
  EXPECT_THAT(off_by(3600)[1], IsLike(failed("the clock is 1h00m ahead of the first rank's")));
}

TEST(CheckMemory, JudgesByWhatIsFree) {
  EXPECT_EQ(memory_finding(0, 0, 1).verdict, Verdict::ok);
  EXPECT_EQ(memory_finding(100, 200, 2).verdict, Verdict::ok);
  EXPECT_THAT(memory_finding(100'000'000, 105'000'000, 2),
              IsLike(Finding{Verdict::warning, 0, "", "Start fewer processes a node"}));
  EXPECT_THAT(memory_finding(16'000'000'000, 12'000'000'000, 8),
              IsLike(failed("on this node 8 ranks take 16.0 GB at most, 12.0 GB are free")));
}

TEST(CheckTokens, MustBeEnough) {
  const test::TemporaryFolder folder;
  QuantizeJob job = test::write_tiny_job(folder.path());
  EXPECT_EQ(alone([&](RunContext& run) { return check_tokens(run, job); }).verdict, Verdict::ok);
  job.calibration.num_samples = 100'000;
  EXPECT_THAT(alone([&](RunContext& run) { return check_tokens(run, job); }),
              IsLike(failed("100000 samples of 19 take 1900000")));
  job.calibration.tokens = folder / "nowhere.h5";
  EXPECT_THAT(alone([&](RunContext& run) { return check_tokens(run, job); }),
              IsLike(failed("nowhere.h5")));
}

TEST(CheckTokens, TextsWantATokenizerOnTheFirstRank) {
  const test::TemporaryFolder folder;
  QuantizeJob job = test::write_tiny_job(folder.path());
  job.calibration.tokens.clear();
  job.calibration.text = {folder / "text.txt"};
  const auto check = [&](RunContext& run) {
    run.helpers = folder / "no helpers";
    return check_tokens(run, job);
  };
  EXPECT_THAT(alone(check), IsLike(failed("text.txt does not exist")));
  write_file_atomically(folder / "text.txt", "words");
  const auto found = on_ranks(2, check);
  EXPECT_THAT(found[0], IsLike(failed("cannot start")));
  EXPECT_EQ(found[1].verdict, Verdict::ok);
}

TEST(CheckSpace, CountsWhatARunWrites) {
  const test::TemporaryFolder folder;
  QuantizeJob job = test::write_tiny_job(folder.path());
  RunBytes planned;
  const auto check = [&](RunContext& run) {
    const PreparedRun prepared = open_on_this_rank(run, job);
    planned = bytes_of_run(prepared);
    return check_space(run, prepared);
  };
  EXPECT_EQ(alone(check).verdict, Verdict::ok);
  test::run_job(job);
  const fs::path output = folder / "out" / "model.safetensors";
  const std::string file = read_text_file(output);
  std::uint64_t header = 0;  // its length stands in the first 8 bytes
  std::memcpy(&header, file.data(), sizeof(header));
  EXPECT_EQ(planned.output, file.size() - 8 - header);
  job.runtime.scratch = planned.work - 1;
  EXPECT_THAT(alone(check), IsLike(failed("runtime.scratch is")));
}

TEST(CheckSum, ArrivesOnAnyNumberOfRanks) {
  const test::TemporaryFolder folder;
  const QuantizeJob job = test::write_tiny_job(folder.path());  // 3 shards, so 5 ranks leave 2 idle
  for (const std::size_t ranks : {1, 2, 3, 5}) {
    for (const Finding& found : on_ranks(
             ranks, [&](RunContext& run) { return check_sum(run, open_on_this_rank(run, job)); })) {
      EXPECT_NE(found.verdict, Verdict::failed) << found.sentence;
      EXPECT_GT(found.value, 0);
    }
  }
}

/// A transport that changes a number under way.
class Damaged final : public test::ForwardingCommunicator {
 public:
  using ForwardingCommunicator::ForwardingCommunicator;
  void exchange(const std::vector<std::span<const double>>& to,
                const std::vector<std::span<double>>& from) override {
    ForwardingCommunicator::exchange(to, from);
    if (rank() == 1 && !from[0].empty()) from[0].back() += 1;
  }
};

TEST(CheckSum, NumbersThatChangeUnderWayAreSeen) {
  const test::TemporaryFolder folder;
  const QuantizeJob job = test::write_tiny_job(folder.path());
  const auto found = on_ranks(2, [&](RunContext& run) {
    Damaged damaged(run.comm);
    RunContext over_damaged{run.threads, run.log, damaged, run.stop};
    return check_sum(over_damaged, open_on_this_rank(run, job));
  });
  EXPECT_NE(found[0].verdict, Verdict::failed);
  EXPECT_THAT(found[1], IsLike(failed("other numbers arrived than were sent")));
}

TEST(TryFactorization, AtRealSizeOrReckonedFromASmallerOne) {
  Threads threads(2);
  const std::uint64_t enough = std::uint64_t{1} << 30;
  EXPECT_EQ(try_factorization(threads, 1, 60, enough).sentence, "1 channels");
  EXPECT_EQ(try_factorization(threads, 257, 60, enough).sentence, "257 channels");
  const Finding reckoned = try_factorization(threads, 4000, 0, enough);
  EXPECT_THAT(reckoned,
              IsLike(Finding{Verdict::ok, 0, "", "(reckoned with n^3 from 1024 channels"}));
  EXPECT_GT(reckoned.value, 0);
}

TEST(TryFactorization, RefusesWhatMemoryDoesNotHold) {
  Threads threads(1);
  EXPECT_THAT([&] { try_factorization(threads, 28672, 1, 1'000'000'000); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("28672 channels takes 6.6 GB"),
                                              HasSubstr("1.0 GB are free for this rank"))));
}

TEST(TryKmeans, AtRealSizeOrReckonedFromASmallerOne) {
  Threads threads(2);
  const std::uint64_t enough = std::uint64_t{1} << 30;
  EXPECT_THAT(try_kmeans(threads, 3, 4, 16, 60, enough),
              IsLike(Finding{Verdict::ok, 0, "", "3 vectors of 4, 3 centroids"}));
  const Finding whole = try_kmeans(threads, 20'000, 8, 16, 60, enough);
  EXPECT_THAT(whole.sentence, testing::Not(HasSubstr("reckoned")));
  for (const auto& [seconds, bytes] : {std::pair(0.0, enough), std::pair(60.0, std::uint64_t{0})}) {
    const Finding part = try_kmeans(threads, 1'000'000'000, 8, 16, seconds, bytes);
    EXPECT_THAT(part.sentence, HasSubstr("(reckoned from 16384 vectors"));
    EXPECT_GT(part.value, 0);
  }
}

}  // namespace
}  // namespace tessera::jobs
