#include "config/reference_page.hpp"

#include <gmock/gmock.h>

#include "tests/config/sample_settings.hpp"

namespace tessera::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(ReferencePage, HasARowForEveryKey) {
  const std::string page = reference_page("# Page\n", schema_of<test::Sample>());
  EXPECT_THAT(page, StartsWith("# Page\n"));
  EXPECT_THAT(page, HasSubstr("| `flag` | true or false | `true` |  | a truth \\| or not |\n"));
  EXPECT_THAT(page, HasSubstr("| `count` | whole number | `128` | at least 1 | how many; also read "
                              "as `nsamples` |\n"));
  EXPECT_THAT(page, HasSubstr("| `folder` | path | required |  | a path |\n"));
  EXPECT_THAT(page, HasSubstr("| `color` | name | `red` | red, dark_blue | one of two |\n"));
  EXPECT_THAT(page, HasSubstr("| `memory` | size | `0` |  | a size |\n"));
  EXPECT_THAT(page, HasSubstr("| `limit` | number | none | at least 1 | may be left out |\n"));
  EXPECT_THAT(page, HasSubstr("| `patterns` | list of patterns | `[.*]` |  | a list |\n"));
  EXPECT_THAT(page, HasSubstr("| `bits` | list of whole numbers | none | one of 2, 3, 4, 8 |"));
  EXPECT_THAT(page, HasSubstr("| `threads` | whole number | `0` | at least 0 | cores; without "
                              "effect on the result |\n"));
}

TEST(ReferencePage, RefersToSectionsOfATypeMetBefore) {
  const std::string page = reference_page("", schema_of<test::Sample>());
  EXPECT_THAT(page, HasSubstr("## inner\n\nA section.\n\n| key |"));
  EXPECT_THAT(page, HasSubstr("## rules[].inner\n\nWhat differs.\n\nThe keys of `inner`.\n"));
}

}  // namespace
}  // namespace tessera::config
