// Every kind of work file, cut short or with a flipped bit: noticed, set aside, made again.
#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "jobs/plan.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;

/// "calibration/block-00001/statistics-..." -> "statistics": files of a kind are alike.
std::string kind_of(const std::string& file) {
  for (const char* kind : {"statistics-", "solved/", "evaluation/", "journal"}) {
    if (file.find(kind) != std::string::npos) return kind;
  }
  return "";
}

/// One file of each kind that resuming reads, from a run whose output is gone.
std::map<std::string, std::string> one_of_each_kind(const fs::path& work) {
  std::map<std::string, std::string> files;
  for (const auto& [file, bytes] : contents_of(work)) {
    if (!kind_of(file).empty()) files[kind_of(file)] = file;
  }
  return files;
}

class TornFiles : public testing::Test {
 protected:
  void SetUp() override {
    test::run_job_on_ranks(job_, ExistingRun::refuse, 2, 1);
    expected_ = contents_of(job_.output.dir);
  }
  void damage_and_resume(const std::string& file, const std::string& bytes) {
    write_file_atomically(job_.runtime.work_dir / file, bytes);
    fs::remove_all(job_.output.dir);
    test::run_job_on_ranks(job_, ExistingRun::resume, 2, 1);
    EXPECT_TRUE(contents_of(job_.output.dir) == expected_);
  }
  /// A run stopped while it calibrates: a hidden-states file it left, and what is in it.
  std::pair<std::string, std::string> stop_between_blocks() {
    for (int event = 1;; ++event) {
      fs::remove_all(job_.output.dir);
      fs::remove_all(job_.runtime.work_dir);
      if (test::run_until_event(job_, 2, event)) throw Bug("no event finds hidden states");
      if (!fs::exists(job_.runtime.work_dir)) continue;  // stopped before anything was written
      const auto files = contents_of(job_.runtime.work_dir);
      const auto found = std::ranges::find_if(
          files, [](const auto& entry) { return jobs::is_hidden_file(entry.first); });
      if (found != files.end()) return *found;
    }
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
  std::map<std::string, std::string> expected_;
};

TEST_F(TornFiles, CutAtTenPlaces) {
  for (const auto& [kind, file] : one_of_each_kind(job_.runtime.work_dir)) {
    const std::string bytes = read_text_file(job_.runtime.work_dir / file);
    for (std::size_t i = 0; i < 10; ++i) {
      damage_and_resume(file, bytes.substr(0, bytes.size() * i / 10));
      ASSERT_FALSE(HasFailure()) << file << " cut to " << bytes.size() * i / 10 << " bytes";
    }
  }
}

TEST_F(TornFiles, WithOneFlippedBit) {
  const auto files = one_of_each_kind(job_.runtime.work_dir);
  EXPECT_GE(files.size(), 4u);
  for (const auto& [kind, file] : files) {
    std::string bytes = read_text_file(job_.runtime.work_dir / file);
    for (std::size_t i = 0; i < 10; ++i) {
      std::string flipped = bytes;
      flipped[(bytes.size() - 1) * i / 9] ^= static_cast<char>(1 << (i % 8));
      damage_and_resume(file, flipped);
      ASSERT_FALSE(HasFailure()) << file << " with a flipped bit in byte "
                                 << (bytes.size() - 1) * i / 9;
    }
  }
}

/// Activations are there only while a run calibrates.
TEST_F(TornFiles, HiddenStatesOfAnInterruptedRun) {
  for (std::size_t i = 0; i < 10; ++i) {
    const auto [file, bytes] = stop_between_blocks();
    std::string flipped = bytes;
    flipped[(bytes.size() - 1) * i / 9] ^= static_cast<char>(1 << (i % 8));
    damage_and_resume(file, i % 2 == 0 ? flipped : bytes.substr(0, bytes.size() * i / 10));
    EXPECT_TRUE(fs::exists(job_.runtime.work_dir / (file + ".bad"))) << file;
  }
}

TEST_F(TornFiles, WhatWasDamagedIsSetAsideAndNotDeleted) {
  const std::string file = "solved/block-00001/mlp.up_proj.h5";
  damage_and_resume(file, "torn");
  EXPECT_EQ(read_text_file(job_.runtime.work_dir / (file + ".bad")), "torn");
}

}  // namespace
}  // namespace tessera
