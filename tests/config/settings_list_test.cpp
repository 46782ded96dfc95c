#include "config/settings_list.hpp"

#include <gmock/gmock.h>

#include "tests/config/sample_settings.hpp"

namespace tessera::config {
namespace {

using test::Sample;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(SettingsList, HoldsEveryKeyWithItsPath) {
  Sample s;
  s.rules = {{"a", {2, 16}}};
  const auto list = settings_list(s);
  EXPECT_THAT(list, Contains(Setting{"flag", "true", true}));
  EXPECT_THAT(list, Contains(Setting{"limit", "none", true}));
  EXPECT_THAT(list, Contains(Setting{"inner.size", "8", true}));
  EXPECT_THAT(list, Contains(Setting{"rules[0].match", "a", true}));
  EXPECT_THAT(list, Contains(Setting{"rules[0].inner.size", "2", true}));
  EXPECT_THAT(list, Contains(Setting{"threads", "0", false}));
}

TEST(SettingsList, DifferentListsNeverLookTheSame) {
  Sample one, two;
  one.patterns = {"a, b"};
  two.patterns = {"a", "b"};
  EXPECT_NE(settings_list(one), settings_list(two));
}

TEST(Differences, NamesKeysWithBothValues) {
  Sample a, b;
  b.count = 3;
  b.limit = 1.5;
  b.patterns = {"x", "y"};
  b.threads = 7;  // without effect
  EXPECT_THAT(differences(settings_list(a), settings_list(b)),
              ElementsAre(Difference{"count", "128", "3"}, Difference{"limit", "none", "1.5"},
                          Difference{"patterns", "[.*]", "[x, y]"}));
  EXPECT_THAT(differences(settings_list(a), settings_list(a)), IsEmpty());
}

TEST(Differences, NamesItemsThatOnlyOneOfThemHas) {
  Sample a, b;
  b.rules = {{"a", {2, 16}}};
  EXPECT_THAT(differences(settings_list(a), settings_list(b)),
              Contains(Difference{"rules[0].match", "none", "a"}));
  EXPECT_THAT(differences(settings_list(b), settings_list(a)),
              Contains(Difference{"rules[0].match", "a", "none"}));
}

}  // namespace
}  // namespace tessera::config
