#include "jobs/fingerprint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::jobs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Fingerprint made_of(std::initializer_list<std::pair<std::string, std::string>> parts) {
  Fingerprint fingerprint;
  for (const auto& [key, value] : parts) fingerprint.add(key, value);
  return fingerprint;
}

const std::string kDigest(64, 'a');
const std::string kOtherDigest(64, 'b');

TEST(Fingerprint, OfNothingDiffersFromOfSomethingEmpty) {
  EXPECT_NE(Fingerprint().id(), made_of({{"", ""}}).id());
  EXPECT_EQ(Fingerprint().id().size(), 64u);
}

TEST(Fingerprint, DoesNotMixKeysWithValues) {
  EXPECT_NE(made_of({{"ab", "c"}}).id(), made_of({{"a", "bc"}}).id());
}

TEST(Fingerprint, DoesNotDependOnTheOrderOfAdding) {
  EXPECT_EQ(made_of({{"a", "1"}, {"b", "2"}}).id(), made_of({{"b", "2"}, {"a", "1"}}).id());
}

TEST(Fingerprint, NamesEveryKeyThatDiffers) {
  const auto job = made_of({{"bits", "2"}, {"seed", "7"}, {"new", "x"}, {"same", "1"}});
  const auto run = made_of({{"bits", "3"}, {"seed", "8"}, {"old", "y"}, {"same", "1"}});
  EXPECT_THAT(job.differences_from(run),
              ElementsAre("bits is 2 (the run had 3)", "new is x (the run had none)",
                          "seed is 7 (the run had 8)", "old is gone (the run had y)"));
  EXPECT_THAT(job.differences_from(job), IsEmpty());
}

TEST(Fingerprint, SaysOfContentsOnlyThatTheyDiffer) {
  const auto job =
      made_of({{"the content of config.json", kDigest}, {"the content of x", kDigest}});
  const auto run = made_of({{"the content of config.json", kOtherDigest}});
  EXPECT_THAT(job.differences_from(run),
              ElementsAre("the content of config.json is another", "the content of x is new"));
}

TEST(Fingerprint, SurvivesJson) {
  const auto fingerprint = made_of({{"quantize.targets[0]", ".*_proj"}, {"text", "a \"b\"\n"}});
  EXPECT_EQ(Fingerprint::from_json(fingerprint.to_json()), fingerprint);
}

}  // namespace
}  // namespace tessera::jobs
