#include "calibration/tokens.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::calibration {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TokenStream stream_of(std::uint32_t count) {
  TokenStream stream;
  for (std::uint32_t t = 0; t < count; ++t) stream.tokens.push_back(t);
  return stream;
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "(no InputError)";
}

TEST(Tokens, SamplesFollowEachOther) {
  const TokenStream stream = stream_of(11);
  EXPECT_THAT(sample(stream, 0, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(sample(stream, 2, 3), ElementsAre(6, 7, 8));
  EXPECT_THAT(sample(stream, 0, 11).size(), 11U);
  EXPECT_THAT(message_of([&] { sample(stream, 3, 3); }),
              AllOf(HasSubstr("11 tokens"), HasSubstr("3 such samples")));
  EXPECT_THAT(message_of([&] { sample(TokenStream{}, 0, 1); }), HasSubstr("0 tokens"));
  EXPECT_THROW(sample(stream, 0, 0), Bug);
}

TEST(Tokens, TooShortATextSaysHowShort) {
  const TokenStream stream = stream_of(11);
  EXPECT_NO_THROW(require_samples(stream, 3, 3, "text"));
  EXPECT_NO_THROW(require_samples(stream, 0, 12, "text"));
  EXPECT_THAT(message_of([&] { require_samples(stream, 4, 3, "calibration.text"); }),
              AllOf(HasSubstr("calibration.text: 11 tokens are 3 samples of 3 (4 samples"),
                    HasSubstr("longer text")));
  EXPECT_THAT(message_of([&] { require_samples(stream, 1, 12, "x"); }),
              HasSubstr("0 samples of 12"));
}

TEST(Tokens, TheDigestOfOneTextIsItsSha256) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "a.txt", "abc");
  EXPECT_EQ(digest_of_texts({folder / "a.txt"}), digest_of_text("abc"));
}

TEST(Tokens, TheDigestTellsApartWhatTokenizesDifferently) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "a.txt", "ab");
  write_file_atomically(folder / "b.txt", "c");
  write_file_atomically(folder / "c.txt", "a");
  write_file_atomically(folder / "d.txt", "bc");
  write_file_atomically(folder / "a.jsonl", "ab");
  EXPECT_NE(digest_of_texts({folder / "a.txt", folder / "b.txt"}),
            digest_of_texts({folder / "c.txt", folder / "d.txt"}));
  EXPECT_NE(digest_of_texts({folder / "a.txt", folder / "b.txt"}),
            digest_of_texts({folder / "b.txt", folder / "a.txt"}));
  EXPECT_NE(digest_of_texts({folder / "a.txt"}), digest_of_texts({folder / "a.jsonl"}));
  EXPECT_THAT(message_of([&] {
                digest_of_texts({folder / "a.txt", folder / "none.txt"});
              }),
              HasSubstr("none.txt"));
  EXPECT_THAT(message_of([&] { digest_of_texts({folder.path()}); }),
              HasSubstr("cannot open the text"));
}

}  // namespace
}  // namespace tessera::calibration
