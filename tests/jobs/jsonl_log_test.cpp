#include "jobs/jsonl_log.hpp"

#include <filesystem>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/json_value.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

std::vector<JsonValue> events(const std::filesystem::path& file) {
  std::istringstream lines(read_text_file(file));
  std::vector<JsonValue> all;
  for (std::string line; std::getline(lines, line);) all.push_back(JsonValue::parse(line, "log"));
  return all;
}

TEST(JsonlLog, EveryEventIsALineAndAnotherAttemptAppends) {
  const test::TemporaryFolder folder;
  const auto file = folder / "logs/rank-00000.jsonl";
  {
    JsonlLog log(file, folder.path());
    log.info("two\nlines");
    log.progress({"solve", "layers", 3, 210, 0.25, "mlp.up_proj"});
  }
  JsonlLog second(file, folder.path());
  second.warning("again");
  second.end(3);

  const auto all = events(file);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[0].at("type").text(), "start");
  EXPECT_EQ(all[1].at("text").text(), "two\nlines");
  EXPECT_EQ(all[2].at("done").integer(), 3);
  EXPECT_EQ(all[2].at("done_cost").number(), 0.25);
  EXPECT_EQ(all[3].at("type").text(), "start");
  EXPECT_EQ(all[4].at("type").text(), "warning");
  EXPECT_EQ(all[5].at("exit_code").integer(), 3);
}

TEST(JsonlLog, IsReadableWhileItIsWritten) {
  const test::TemporaryFolder folder;
  JsonlLog log(folder / "log", folder.path());
  log.detail("x");
  EXPECT_EQ(events(folder / "log").size(), 2u);
}

TEST(JsonlLog, KeepsItsEventsUntilThereIsARun) {
  const test::TemporaryFolder folder;
  const auto file = folder / "work/logs/rank-00000.jsonl";
  JsonlLog log(file, folder / "work/journal.jsonl");
  log.info("early");
  EXPECT_FALSE(std::filesystem::exists(folder / "work"));
  std::filesystem::create_directories(folder / "work");
  write_file_atomically(folder / "work/journal.jsonl", "");
  log.info("late");
  const auto all = events(file);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].at("text").text(), "early");
}

TEST(JsonlLog, ALogThatCannotBeWrittenStopsNothing) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "file", "");
  JsonlLog log(folder / "file/logs/x.jsonl", folder.path());
  EXPECT_NO_THROW(log.info("x"));
}

}  // namespace
}  // namespace tessera::jobs
