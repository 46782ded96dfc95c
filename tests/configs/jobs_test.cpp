#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "jobs/settings/job_file.hpp"
#include "tests/support/test_data.hpp"

// Every file in configs/jobs is a sound job and survives read, write, read.
namespace tessera::jobs {
namespace {

std::vector<std::filesystem::path> job_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(test::source_folder() / "configs" / "jobs")) {
    files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

TEST(ConfigsJobs, AreYamlFiles) {
  const auto files = job_files();
  EXPECT_GE(files.size(), 3U);
  for (const auto& file : files) EXPECT_EQ(file.extension(), ".yaml") << file;
}

TEST(ConfigsJobs, AreSoundAndUseTheKeysOwnNames) {
  for (const auto& file : job_files()) {
    SCOPED_TRACE(file.string());
    const auto read = read_job(file);
    EXPECT_TRUE(read.notes.empty()) << read.notes.front();
  }
}

TEST(ConfigsJobs, SurviveReadWriteRead) {
  for (const auto& file : job_files()) {
    SCOPED_TRACE(file.string());
    const auto job = read_job(file).job;
    const std::string text = job_text(job);
    const auto again = job_from_text(text, "written");
    EXPECT_EQ(again, job);
    EXPECT_EQ(job_text(again), text);
  }
}

TEST(ConfigsJobs, DoNotWriteIntoEachOthersFolders) {
  std::set<Path> outputs, work;
  for (const auto& file : job_files()) {
    const auto job = read_job(file).job;
    EXPECT_TRUE(outputs.insert(job.output.dir).second) << file;
    EXPECT_TRUE(work.insert(job.runtime.work_dir).second) << file;
  }
}

}  // namespace
}  // namespace tessera::jobs
