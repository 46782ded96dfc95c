#include "cli/status_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::cli {
namespace {

using jobs::RunState;
using jobs::RunStatus;
using testing::HasSubstr;
using testing::Not;

RunStatus solving() {
  RunStatus status;
  status.work_dir = "work";
  status.state = RunState::running;
  status.held_by = "process 7 on node1, 2 ranks, since 2026-01-31 12:00:00";
  status.progress = "calibrated 2 of 2 blocks, solved 6 of 14 layers";
  status.num_attempts = 2;
  status.stage = jobs::StageEvents{{"solve", "layers", 2, 14, 0.2, ""},
                                   {"solve", "layers", 6, 14, 0.6, "block 0 mlp.up_proj"},
                                   100,
                                   120};
  status.progress_age_seconds = 3;
  status.ranks = {{1, "node2", 8, 1.5, 1}, {0, "node1", 7, 0.5, 3}};
  return status;
}

TEST(StatusText, NothingThereIsSaidAndNothingElse) {
  RunStatus status;
  status.work_dir = "work";
  EXPECT_EQ(status_text(status),
            "work      work\nstate     nothing there: no run was begun in this folder\n");
  EXPECT_EQ(status_line(status), "nothing there");
}

TEST(StatusText, ARunningOneShowsWhoWhatAndHowLong) {
  const std::string page = status_text(solving());
  for (const char* part :
       {"running (process 7 on node1, 2 ranks", "solved 6 of 14 layers",
        "solve 6/14 layers  12/min  ETA 20s", "3.0s ago  block 0 mlp.up_proj", "attempts  2"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_LT(page.find("node2"), page.find("node1        7"));  // in the order given
}

TEST(StatusText, ALineSaysTheSameInShort) {
  EXPECT_EQ(status_line(solving()),
            "running  calibrated 2 of 2 blocks, solved 6 of 14 layers  solve 6/14 layers  12/min  "
            "ETA 20s");
}

TEST(StatusText, AStageThatIsThroughHasNoTimeLeft) {
  RunStatus status = solving();
  status.stage->last.done = 14;
  status.stage->last.done_cost = 1;
  EXPECT_THAT(status_text(status), Not(HasSubstr("ETA")));
}

TEST(StatusText, ADeadOneSaysWhatEndedItAndHowToGoOn) {
  RunStatus status = solving();
  status.state = RunState::resumable;
  status.warnings = {"few tokens"};
  status.error = "disk full";
  const std::string page = status_text(status);
  EXPECT_THAT(page, HasSubstr("--resume"));
  EXPECT_THAT(page, HasSubstr("warning: few tokens\nthe last attempt ended: disk full\n"));
  EXPECT_THAT(status_line(status), HasSubstr("disk full"));
}

}  // namespace
}  // namespace tessera::cli
