#include "jobs/status.hpp"

#include <array>
#include <chrono>
#include <map>
#include <optional>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cluster/self_communicator.hpp"
#include "core/atomic_file.hpp"
#include "evaluation/perplexity.hpp"
#include "jobs/jsonl_log.hpp"
#include "jobs/work_folder.hpp"
#include "jobs/work_lock.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;

std::string this_host() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

class StatusTest : public testing::Test {
 protected:
  fs::path work() const { return folder_ / "work"; }

  WorkFolder begun() {
    WorkFolder folder(work(), log_);
    Fingerprint fingerprint;
    fingerprint.add("quantize.bits", "2");
    folder.begin(fingerprint, {2, 14}, ExistingRun::resume);
    return folder;
  }
  void commit(WorkFolder& folder, const std::string& file) {
    folder.commit(file, "solved", evaluation::Perplexity());
  }
  std::unique_ptr<JsonlLog> log_of(std::size_t rank) {
    return std::make_unique<JsonlLog>(work() / fmt::format("logs/rank-{:05}.jsonl", rank),
                                      work() / "journal.jsonl");
  }
  void give_sign(std::size_t rank, const std::string& host, long process_id, int age_seconds) {
    fs::create_directories(work() / "ranks");
    const fs::path file = work() / "ranks" / fmt::format("rank-{:05}", rank);
    write_file_atomically(file, fmt::format("{} {} 3\n", host, process_id));
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::seconds(age_seconds));
  }

  test::TemporaryFolder folder_;
  SilentLog log_;
};

TEST_F(StatusTest, WhereNothingIsNothingIsMade) {
  const RunStatus status = read_status(work());
  EXPECT_EQ(status.state, RunState::nothing);
  EXPECT_FALSE(fs::exists(work()));
  const JsonValue document = to_json(status);
  EXPECT_EQ(document.at("state").text(), "nothing there");
  EXPECT_TRUE(document.at("stage").is_null());
  EXPECT_TRUE(document.at("held_by").is_null());
}

TEST_F(StatusTest, ADeadRunIsResumableAndSaysWhatEndedIt) {
  WorkFolder folder = begun();
  commit(folder, "solved/block-00000/mlp.up_proj.h5");
  {
    const auto log = log_of(0);
    log->progress({"solve", "layers", 1, 14, 0.1, "mlp.up_proj"});
    for (int i = 0; i < 7; ++i) log->warning(fmt::format("warning {}", i));
    log->error("cannot write /x (No space left on device)");
    log->end(1);
  }
  const RunStatus status = read_status(work());
  EXPECT_EQ(status.state, RunState::resumable);
  EXPECT_EQ(status.progress, "calibrated 0 of 2 blocks, solved 1 of 14 layers");
  EXPECT_EQ(status.num_solved, 1u);
  EXPECT_EQ(status.num_attempts, 1u);
  EXPECT_EQ(status.error, "cannot write /x (No space left on device)");
  EXPECT_EQ(status.exit_code, 1);
  ASSERT_EQ(status.warnings.size(), RunStatus::kMaxWarnings);
  EXPECT_EQ(status.warnings.back(), "warning 6");
}

TEST_F(StatusTest, AHeldFolderIsRunningAndLookingWritesNothing) {
  begun();
  cluster::SelfCommunicator comm;
  std::optional<WorkLock> lock(std::in_place, comm, work());
  const auto names = [&] {
    std::map<std::string, std::uintmax_t> all;
    for (const auto& entry : fs::recursive_directory_iterator(work())) {
      if (entry.is_regular_file()) all[entry.path().string()] = entry.file_size();
    }
    return all;
  };
  const auto before = names();
  RunStatus status = read_status(work());
  EXPECT_EQ(status.state, RunState::running);
  EXPECT_THAT(status.held_by, testing::HasSubstr(fmt::format("process {}", ::getpid())));
  EXPECT_EQ(names(), before);
  lock.reset();
  EXPECT_EQ(read_status(work()).state, RunState::resumable);
}

TEST_F(StatusTest, RanksStandSlowestFirst) {
  begun();
  give_sign(0, "node1", 10, 60);
  give_sign(1, "node1", 11, 30);
  give_sign(2, "node2", 12, 90);
  write_file_atomically(work() / "ranks/stop", "75 SIGTERM arrived");
  write_file_atomically(work() / "ranks/rank-00003.99", "half a sign");
  for (const std::size_t rank : {0, 1, 2}) {
    const auto log = log_of(rank);
    log->progress({"solve", "layers", 0, 14, 0, ""});
    if (rank == 0) log->progress({"solve", "layers", 3, 14, 0.2, "q_proj"});
    log->warning("few tokens");
    if (rank == 2) log->warning("slow disk");
  }
  const RunStatus status = read_status(work());
  ASSERT_EQ(status.ranks.size(), 3u);
  EXPECT_EQ(status.ranks[0].rank, 2u);  // nothing solved, and silent for longest
  EXPECT_EQ(status.ranks[0].host, "node2");
  EXPECT_EQ(status.ranks[0].process_id, 12);
  EXPECT_NEAR(status.ranks[0].sign_age_seconds, 90, 30);
  EXPECT_EQ(status.ranks[1].rank, 1u);
  EXPECT_EQ(status.ranks[2].rank, 0u);
  EXPECT_EQ(status.ranks[2].num_solved, 1u);
  EXPECT_EQ(status.warnings, (std::vector<std::string>{"few tokens", "rank 2: slow disk"}));
  EXPECT_EQ(status.state, RunState::resumable);  // the signs are old
}

TEST_F(StatusTest, TheRankThatKnowsMostTellsTheStage) {
  begun();
  give_sign(0, "node1", 10, 60);
  give_sign(1, "node1", 11, 60);
  log_of(0)->progress({"solve", "layers", 3, 14, 0.2, "q_proj"});
  log_of(1)->progress({"solve", "layers", 9, 14, 0.8, "k_proj"});
  EXPECT_EQ(read_status(work()).stage.value().last.done, 9u);
}

TEST_F(StatusTest, WithoutALockFreshSignsOfLifeOfALivingProcessTell) {
  begun();
  give_sign(0, "another-node", 10, 0);
  EXPECT_EQ(read_status(work()).state, RunState::running);
  EXPECT_EQ(read_status(work()).held_by, "");
  give_sign(0, this_host(), ::getpid(), 0);
  EXPECT_EQ(read_status(work()).state, RunState::running);
  give_sign(0, this_host(), 0x7FFFFFFF, 0);  // more than the kernel gives out
  EXPECT_EQ(read_status(work()).state, RunState::resumable);
  give_sign(0, "another-node", 10, 3600);
  EXPECT_EQ(read_status(work()).state, RunState::resumable);
}

TEST_F(StatusTest, AFinishedRunIsFinishedUntilSomethingIsMadeAgain) {
  WorkFolder folder = begun();
  folder.record_finished(std::string(64, 'a'));
  EXPECT_EQ(read_status(work()).state, RunState::finished);
  commit(folder, "solved/block-00000/mlp.up_proj.h5");
  EXPECT_EQ(read_status(work()).state, RunState::resumable);
}

}  // namespace
}  // namespace tessera::jobs
