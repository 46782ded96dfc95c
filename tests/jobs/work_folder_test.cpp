#include "jobs/work_folder.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "evaluation/perplexity.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

Fingerprint job(const std::string& bits) {
  Fingerprint fingerprint;
  fingerprint.add("quantize.bits", bits);
  return fingerprint;
}

evaluation::Perplexity content(double value) {
  evaluation::Perplexity perplexity;
  perplexity.perplexity = value;
  return perplexity;
}

constexpr RunSize kSize{2, 14};
const std::string kFile = "solved/block-00000/mlp.up_proj.h5";

class WorkFolderTest : public testing::Test {
 protected:
  WorkFolder open() { return WorkFolder(folder_ / "work", log_); }
  WorkFolder started() {
    WorkFolder work = open();
    work.begin(job("2"), kSize, ExistingRun::resume);
    return work;
  }
  test::TemporaryFolder folder_;
  SilentLog log_;
};

TEST_F(WorkFolderTest, LookingAtItCreatesNothing) {
  WorkFolder work = open();
  EXPECT_FALSE(work.holds_run());
  EXPECT_FALSE(fs::exists(work.root()));
  EXPECT_NO_THROW(work.require_usable(ExistingRun::refuse));
}

TEST_F(WorkFolderTest, RefusesARunUnlessToldWhatToDo) {
  started().commit(kFile, "solved", content(1));
  WorkFolder work = open();
  EXPECT_THAT(
      [&] { work.require_usable(ExistingRun::refuse); },
      ThrowsMessage<InputError>(AllOf(HasSubstr("calibrated 0 of 2 blocks, solved 1 of 14 layers"),
                                      HasSubstr("--resume"), HasSubstr("--fresh"))));
  EXPECT_THROW(work.begin(job("2"), kSize, ExistingRun::refuse), InputError);
  EXPECT_NO_THROW(work.begin(job("2"), kSize, ExistingRun::resume));
}

TEST_F(WorkFolderTest, Trap08RefusesAnotherJobNamingTheKey) {
  started();
  WorkFolder work = open();
  EXPECT_THAT([&] { work.begin(job("3"), kSize, ExistingRun::resume); },
              ThrowsMessage<InputError>(HasSubstr("quantize.bits is 3 (the run had 2)")));
}

TEST_F(WorkFolderTest, GivesBackWhatAnEarlierAttemptCommitted) {
  started().commit(kFile, "solved", content(20.363));
  WorkFolder work = started();
  ASSERT_TRUE(work.is_committed(kFile));
  EXPECT_FALSE(work.is_committed("solved/block-00001/mlp.up_proj.h5"));
  evaluation::Perplexity read;
  work.load(kFile, "solved", read);
  EXPECT_EQ(read.perplexity, 20.363);
  EXPECT_THROW(work.load(kFile, "statistics", read), InputError);
}

TEST_F(WorkFolderTest, Trap02AFileThatIsThereButNotJournalledDoesNotCount) {
  started().commit(kFile, "solved", content(1));
  const std::string other = "solved/block-00009/mlp.up_proj.h5";
  fs::create_directories(started().path(other).parent_path());
  fs::copy_file(started().path(kFile), started().path(other));
  EXPECT_FALSE(started().is_committed(other));
}

TEST_F(WorkFolderTest, SetsADamagedFileAside) {
  started().commit(kFile, "solved", content(1));
  const fs::path file = started().path(kFile);
  std::string bytes = read_text_file(file);
  bytes[bytes.size() / 2] ^= 1;
  write_file_atomically(file, bytes);

  WorkFolder work = started();
  EXPECT_FALSE(work.is_committed(kFile));
  EXPECT_FALSE(fs::exists(file));
  EXPECT_EQ(read_text_file(file.string() + ".bad"), bytes);
  work.commit(kFile, "solved", content(1));
  EXPECT_TRUE(started().is_committed(kFile));
}

TEST_F(WorkFolderTest, MakesAFileAgainThatIsGone) {
  started().commit(kFile, "solved", content(1));
  fs::remove(started().path(kFile));
  EXPECT_FALSE(started().is_committed(kFile));
}

TEST_F(WorkFolderTest, FreshDiscardsTheRunButNothingElse) {
  started().commit(kFile, "solved", content(1));
  write_file_atomically(folder_ / "work/tokens-calibration.h5", "tokens");
  write_file_atomically(folder_ / "work/notes.txt", "mine");
  WorkFolder work = open();
  work.begin(job("3"), kSize, ExistingRun::discard);
  EXPECT_FALSE(work.is_committed(kFile));
  EXPECT_FALSE(fs::exists(work.path(kFile)));
  EXPECT_TRUE(fs::exists(folder_ / "work/tokens-calibration.h5"));
  EXPECT_TRUE(fs::exists(folder_ / "work/notes.txt"));
  EXPECT_THROW(open().begin(job("2"), kSize, ExistingRun::resume), InputError);
}

TEST_F(WorkFolderTest, AJournalThatLostItsRunCountsForNothing) {
  started().commit(kFile, "solved", content(1));
  const fs::path journal = folder_ / "work/journal.jsonl";
  std::string text = read_text_file(journal);
  write_file_atomically(journal, "garbage" + text.substr(text.find('\n')));
  EXPECT_FALSE(open().holds_run());
  WorkFolder work = started();
  EXPECT_FALSE(work.is_committed(kFile));
  EXPECT_FALSE(started().is_committed(kFile));  // nor when read again, with a new run behind it
}

TEST_F(WorkFolderTest, SumsTheTimesOfAllAttempts) {
  started().record_stage("solve", 2.5, 1000);
  started().record_stage("solve", 1.0, 900);
  EXPECT_EQ(started().seconds_of("solve"), 3.5);
  EXPECT_EQ(started().seconds_of("calibrate"), 0);
  EXPECT_EQ(started().peak_memory_bytes(), 1000u);
}

TEST_F(WorkFolderTest, IsFinishedUntilSomethingIsMadeAgain) {
  started().record_finished("abc");
  EXPECT_EQ(started().finished_manifest(), "abc");
  EXPECT_EQ(started().how_far(), "finished");
  started().commit(kFile, "solved", content(1));
  EXPECT_EQ(started().finished_manifest(), std::nullopt);
}

}  // namespace
}  // namespace tessera::jobs
