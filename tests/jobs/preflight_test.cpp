#include "jobs/preflight.hpp"

#include <fstream>
#include <mutex>
#include <new>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/thread_communicator.hpp"
#include "core/error.hpp"
#include "model/safetensors_file.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

using testing::Not;

/// What each rank got to read.
std::vector<CheckReport> on_ranks(std::size_t num_ranks,
                                  const std::function<Finding(cluster::Communicator&)>& check) {
  const StopFlag stop;
  std::mutex mutex;
  std::vector<CheckReport> reports(num_ranks);
  cluster::run_as_threads(num_ranks, stop, [&](cluster::Communicator& comm) {
    auto report = try_on_all_ranks(comm, "check", [&] { return check(comm); });
    const std::lock_guard lock(mutex);
    reports[comm.rank()] = std::move(report);
  });
  return reports;
}

PreflightReport preflight_on_ranks(const QuantizeJob& job, std::size_t num_ranks) {
  StopFlag stop;
  PreflightReport of_first;
  cluster::run_as_threads(num_ranks, stop, [&](cluster::Communicator& comm) {
    SilentLog log;
    Threads threads(1);
    RunContext run{threads, log, comm, stop};
    auto report = preflight(run, job);
    if (comm.is_first()) of_first = std::move(report);
  });
  return of_first;
}

std::vector<std::string> names_of(const PreflightReport& report) {
  std::vector<std::string> names;
  for (const CheckReport& check : report.checks) names.push_back(check.name);
  return names;
}

const CheckReport& check_named(const PreflightReport& report, const std::string& name) {
  const auto found = std::ranges::find(report.checks, name, &CheckReport::name);
  require(found != report.checks.end(), "the check was made");
  return *found;
}

TEST(TryOnAllRanks, OfOneRankIsItsOwn) {
  const Finding finding{Verdict::warning, 3, "s", "so so"};
  const auto report = on_ranks(1, [&](cluster::Communicator&) { return finding; }).front();
  EXPECT_EQ(report.finding, finding);
  ASSERT_EQ(report.by_rank.size(), 1u);
  EXPECT_EQ(report.by_rank[0].host, cluster::host_name());
}

TEST(TryOnAllRanks, WhatFailsOnOneIsToldOnAllAndHangsNone) {
  const auto reports = on_ranks(3, [](cluster::Communicator& comm) -> Finding {
    if (comm.rank() == 1) throw MachineError("cannot write (disk full)");
    return {Verdict::ok, 1, "s", "well"};
  });
  for (const CheckReport& report : reports) {
    EXPECT_EQ(report.finding.verdict, Verdict::failed);
    EXPECT_EQ(report.finding.sentence, "cannot write (disk full)");
    ASSERT_EQ(report.by_rank.size(), 1u);
    EXPECT_EQ(report.by_rank[0].rank, 1u);
  }
}

TEST(TryOnAllRanks, JoinsTheWorst) {
  const auto report = on_ranks(4, [](cluster::Communicator& comm) -> Finding {
                        if (comm.rank() == 3) throw std::bad_alloc();
                        if (comm.rank() == 2) throw std::logic_error("a bug");
                        return {comm.rank() == 1 ? Verdict::warning : Verdict::ok, 0, "", "seen"};
                      }).front();
  EXPECT_EQ(report.finding.verdict, Verdict::failed);
  ASSERT_EQ(report.by_rank.size(), 3u);
  EXPECT_EQ(report.by_rank[0].finding.verdict, Verdict::warning);
  EXPECT_EQ(report.by_rank[1].finding.sentence, "a bug");
  EXPECT_THAT(report.by_rank[2].finding.sentence, HasSubstr("out of memory"));
}

TEST(TryOnAllRanks, AWishToStopIsNoFinding) {
  EXPECT_THROW(on_ranks(2,
                        [](cluster::Communicator& comm) -> Finding {
                          if (comm.rank() == 1) throw Interrupted("SIGTERM arrived");
                          return {};
                        }),
               Interrupted);
}

TEST(Preflight, OfAGoodJobIsWellAndLeavesNothing) {
  const test::TemporaryFolder folder;
  const QuantizeJob job = test::write_tiny_job(folder.path());
  for (const std::size_t ranks : {1, 3}) {
    const auto before = test::contents_of(folder.path());
    const PreflightReport report = preflight_on_ranks(job, ranks);
    EXPECT_FALSE(report.has_failed()) << to_json(report).to_text(2);
    EXPECT_EQ(report.num_ranks, ranks);
    EXPECT_THAT(names_of(report), ElementsAre("model", "weights", "tokens", "memory", "disk",
                                              "space", "shared folder", "locks", "clock",
                                              "ordered sum", "k-means", "factorization"));
    EXPECT_EQ(test::contents_of(folder.path()), before);
  }
}

TEST(Preflight, WithoutAModelTriesWhatNeedsNone) {
  const test::TemporaryFolder folder;
  const QuantizeJob job = test::write_tiny_job(folder.path());
  const fs::path weights = folder / "model" / "model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 8);
  const PreflightReport report = preflight_on_ranks(job, 2);
  EXPECT_TRUE(report.has_failed());
  const CheckReport& model = check_named(report, "model");
  EXPECT_EQ(model.finding.verdict, Verdict::failed);
  EXPECT_THAT(model.finding.sentence, HasSubstr("model.safetensors"));
  EXPECT_EQ(model.by_rank.size(), 2u);
  EXPECT_THAT(names_of(report), Contains("clock"));
  EXPECT_THAT(names_of(report), Not(Contains("factorization")));
}

/// Each rank reads another block, so that many ranks read many.
TEST(Preflight, FindsAWeightThatIsNotFinite) {
  const test::TemporaryFolder folder;
  const QuantizeJob job = test::write_tiny_job(folder.path());
  const model::SafetensorsFile weights(folder / "model" / "model.safetensors");
  const auto& entry = weights.entry("model.layers.1.mlp.up_proj.weight");
  std::fstream file(weights.path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(entry.offset));
  file.write("\x00\x00\xc0\x7f", 4);  // NaN
  file.close();
  const PreflightReport report = preflight_on_ranks(job, 3);
  const CheckReport& found = check_named(report, "weights");
  ASSERT_EQ(found.by_rank.size(), 1u);
  EXPECT_EQ(found.by_rank[0].rank, 1u);
  EXPECT_THAT(found.finding.sentence, HasSubstr("model.layers.1.mlp.up_proj.weight"));
  EXPECT_THAT(found.finding.sentence, HasSubstr("NaN at row 0, column 0"));
}

TEST(Preflight, IsADocument) {
  PreflightReport report;
  report.num_ranks = 2;
  report.checks.push_back({"disk",
                           {Verdict::failed, 5, "bytes/s", "slow"},
                           0.5,
                           {{1, "node07", {Verdict::failed, 5, "bytes/s", "slow"}}}});
  const JsonValue json = to_json(report);
  EXPECT_TRUE(json.at("failed").boolean());
  const JsonValue& check = json.at("checks").items().at(0);
  EXPECT_EQ(check.at("name").text(), "disk");
  EXPECT_EQ(check.at("verdict").text(), "failed");
  EXPECT_EQ(check.at("ranks").items().at(0).at("host").text(), "node07");
  EXPECT_EQ(to_json(PreflightReport{}).at("checks").items().size(), 0u);
  EXPECT_FALSE(to_json(PreflightReport{}).at("failed").boolean());
}

}  // namespace
}  // namespace tessera::jobs
