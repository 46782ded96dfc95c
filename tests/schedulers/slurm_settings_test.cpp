#include "schedulers/launch/slurm_settings.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::schedulers {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

struct Collected : Problems {
  std::map<std::string, std::string> found;
  void add(std::string_view key, const std::string& problem) override {
    found.emplace(key, problem);
  }
};
std::map<std::string, std::string> problems_of(const SlurmSettings& settings) {
  Collected problems;
  check(problems, settings);
  return problems.found;
}

TEST(TimeLimit, IsReadAsSlurmReadsIt) {
  const std::pair<const char*, long> table[] = {
      // man sbatch: --time
      {"90", 5400},        {"1:30", 90},          {"04:00:00", 14400},   {"2-0", 172800},
      {"1-12:30", 131400}, {"1-00:00:01", 86401}, {"100:00:00", 360000}, {"0", 0}};
  for (const auto& [text, seconds] : table) {
    ASSERT_TRUE(parse_time_limit(text)) << text;
    EXPECT_EQ(parse_time_limit(text)->count(), seconds) << text;
  }
  for (const char* text :
       {"", "4h", "-1", "1-", "-", "1:2:3:4", ":30", "1:", "1--2", "99999999999999999999"})
    EXPECT_FALSE(parse_time_limit(text)) << text;
}

TEST(SlurmSettings, DefaultsAreGood) {
  EXPECT_THAT(problems_of({}), IsEmpty());
}

TEST(SlurmSettings, WhatCannotBeALineOfABatchScriptIsRefused) {
  SlurmSettings settings;
  settings.time = "four hours";
  settings.partition = "gpu; rm";
  settings.options = {"--exclusive", "exclusive"};
  settings.mpi = "";
  const auto found = problems_of(settings);
  EXPECT_THAT(found, Contains(Pair("time", HasSubstr("HH:MM:SS"))));
  EXPECT_THAT(found, Contains(Pair("partition", HasSubstr("gpu; rm"))));
  EXPECT_THAT(found, Contains(Pair("options[1]", HasSubstr("--name=value"))));
  EXPECT_THAT(found, Contains(Pair("mpi", HasSubstr("pmix"))));
  EXPECT_EQ(found.size(), 4U);
}

TEST(SlurmSettings, AWarningBeforeTheStartIsRefused) {
  SlurmSettings settings;
  settings.time = "00:10:00";
  EXPECT_THAT(problems_of(settings), ElementsAre(Pair("signal_seconds", HasSubstr("600"))));
  settings.signal_seconds = 599;
  EXPECT_THAT(problems_of(settings), IsEmpty());
}

TEST(SbatchLines, AskOnlyForWhatIsWanted) {
  EXPECT_THAT(
      sbatch_lines({}, "nightly"),
      ElementsAre("#SBATCH --job-name=nightly", "#SBATCH --nodes=1", "#SBATCH --ntasks-per-node=1",
                  "#SBATCH --time=04:00:00", "#SBATCH --signal=B:USR1@600", "#SBATCH --requeue",
                  "#SBATCH --open-mode=append", "#SBATCH --output=%x_%j.log"));
  SlurmSettings settings;
  settings.nodes = 2;
  settings.cpus_per_task = 16;
  settings.mem = "240G";
  settings.constraint = "h100&nvme";
  settings.options = {"--exclusive"};
  settings.requeue = false;
  const auto lines = sbatch_lines(settings, "a");
  EXPECT_THAT(lines, Contains("#SBATCH --nodes=2"));
  EXPECT_THAT(lines, Contains("#SBATCH --cpus-per-task=16"));
  EXPECT_THAT(lines, Contains("#SBATCH --mem=240G"));
  EXPECT_THAT(lines, Contains("#SBATCH --constraint=h100&nvme"));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("--partition"))));
  EXPECT_THAT(lines, Contains("#SBATCH --no-requeue"));
  EXPECT_EQ(lines.back(), "#SBATCH --exclusive");
}

}  // namespace
}  // namespace tessera::schedulers
