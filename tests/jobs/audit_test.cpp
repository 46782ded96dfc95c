#include "jobs/stages/audit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

TEST(AuditProblems, NameTheInputTheCountAndTheLimit) {
  const InputAudit found{"block 3, mlp_input", 10, 2, 3, 6};
  EXPECT_THAT(audit_problems(found, {}), IsEmpty());
  EXPECT_THAT(audit_problems(
                  found, {.max_dead_channels = 0.2, .max_constant_channels = 0.3, .min_rank = 0.6}),
              IsEmpty());
  EXPECT_THAT(audit_problems(
                  found, {.max_dead_channels = 0.1, .max_constant_channels = 0.2, .min_rank = 0.7}),
              ElementsAre("block 3, mlp_input: 2 of 10 channels were zero for every token "
                          "(calibration.audit.max_dead_channels is 0.1)",
                          "block 3, mlp_input: 3 of 10 channels had one value for every token "
                          "(calibration.audit.max_constant_channels is 0.2)",
                          "block 3, mlp_input: the Hessian's numerical rank is 6 of 10 "
                          "(calibration.audit.min_rank is 0.7)"));
}

TEST(RepeatedSamples, AreNamedWithTheFirstOfTheirKind) {
  const std::vector<std::uint32_t> tokens = {1, 2, 3, 4, 1, 2, 5, 6, 1, 2, 3, 4, 9};
  EXPECT_THAT(repeated_samples(tokens, 6, 2),
              ElementsAre("2 repeats 0", "4 repeats 0", "5 repeats 1"));
  EXPECT_THAT(repeated_samples(tokens, 1, 2), IsEmpty());
}

/// 19 tokens cannot fill 24 channels: the gate stands before the solve, on any number of ranks.
TEST(Audit, StopsAJobWhoseTokensCannotFillItsHessians) {
  const test::TemporaryFolder folder;
  QuantizeJob job = test::write_tiny_job(folder.path());
  job.calibration.num_samples = job.calibration.num_shards = 1;
  job.calibration.audit.min_rank = 0.9;
  for (const std::size_t ranks : {1, 3}) {
    EXPECT_THAT([&] { test::run_job_on_ranks(job, ExistingRun::discard, ranks, 1); },
                ThrowsMessage<InputError>(
                    AllOf(HasSubstr("block 1, mlp_input: the Hessian's numerical rank is 19 of 24"),
                          HasSubstr("Calibrate on more and other text"))));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "work" / "solved"));
  job.calibration.audit.min_rank = 0.5;  // another limit is no other job
  EXPECT_EQ(exit_code(test::run_job(job, ExistingRun::resume)), 0);
}

}  // namespace
}  // namespace tessera::jobs
