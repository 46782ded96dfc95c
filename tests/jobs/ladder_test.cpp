#include "jobs/ladder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::jobs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Ladder, LeavesOutWhatIsNoMoreDampeningThanTheFirstTry) {
  QuantizeSettings settings;
  settings.ladder.dampening = {0.01, 0.05, 0.2, 1};
  EXPECT_THAT(further_dampening(settings), ElementsAre(0.2, 1));  // the first try had 0.05
  settings.dampening_frac = 1;
  EXPECT_THAT(further_dampening(settings), IsEmpty());
  settings.dampening_frac = 0;
  EXPECT_THAT(further_dampening(settings), ElementsAre(0.01, 0.05, 0.2, 1));
}

TEST(Ladder, TellsEveryTry) {
  EXPECT_EQ(text_of({}), "");
  EXPECT_EQ(text_of({{name_of_try(0.05), "it is singular"}, {"plain", ""}}),
            "dampening 0.05 failed (it is singular); plain held");
}

}  // namespace
}  // namespace tessera::jobs
