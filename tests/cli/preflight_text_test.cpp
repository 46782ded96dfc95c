#include "cli/preflight_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::cli {
namespace {

using jobs::Finding;
using jobs::Verdict;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(PreflightText, OfNothingIsReady) {
  jobs::PreflightReport report;
  report.num_ranks = 1;
  EXPECT_THAT(preflight_text(report), HasSubstr("ready on 1 rank in"));
}

TEST(PreflightText, HasALineForEachCheckAndNamesRanksThatAreNotWell) {
  const Finding slow{Verdict::warning, 5e6, "bytes/s", "slow. Use another."};
  const Finding full{Verdict::failed, 0, "", "the disk is full. Make room."};
  jobs::PreflightReport report;
  report.num_ranks = 4;
  report.checks.push_back({"clock", {Verdict::ok, 0.25, "s", "the clocks agree"}, 0.1, {}});
  report.checks.push_back(
      {"disk", full, 2, {{0, "node1", slow}, {1, "node1", slow}, {3, "node2", full}}});
  const std::string text = preflight_text(report);
  EXPECT_THAT(text,
              HasSubstr("clock          ok               0.25 s    0.1s  the clocks agree\n"));
  EXPECT_THAT(text, HasSubstr("disk           failed"));
  EXPECT_THAT(text, HasSubstr("disk, warning, 2 ranks, from 0 on node1 to 1 on node1: slow."));
  EXPECT_THAT(text, HasSubstr("disk, failed, rank 3 on node2: the disk is full. Make room.\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("would not get through on 4 ranks"), Not(HasSubstr("ready"))));
}

}  // namespace
}  // namespace tessera::cli
