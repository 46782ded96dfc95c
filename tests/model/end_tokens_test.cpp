#include "model/end_tokens.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

TEST(EndTokens, AreANumberOrAListOrNone) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(read_end_tokens(folder.path()), IsEmpty());
  for (const char* none : {"{}", R"({"eos_token_id": null})", R"({"eos_token_id": []})", "[]"}) {
    write_file_atomically(folder / "config.json", none);
    EXPECT_THAT(read_end_tokens(folder.path()), IsEmpty()) << none;
  }
  write_file_atomically(folder / "config.json", R"({"eos_token_id": 2})");
  EXPECT_THAT(read_end_tokens(folder.path()), ElementsAre(2));
  write_file_atomically(folder / "config.json", R"({"eos_token_id": [128001, 128009, 0]})");
  EXPECT_THAT(read_end_tokens(folder.path()), ElementsAre(128001, 128009, 0));
}

TEST(EndTokens, GenerationConfigGoesFirst) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "config.json", R"({"eos_token_id": 2})");
  write_file_atomically(folder / "generation_config.json", R"({"eos_token_id": [5, 6]})");
  EXPECT_THAT(read_end_tokens(folder.path()), ElementsAre(5, 6));
  write_file_atomically(folder / "generation_config.json", R"({"pad_token_id": 0})");
  EXPECT_THAT(read_end_tokens(folder.path()), ElementsAre(2));
}

TEST(EndTokens, RefusesWhatIsNoToken) {
  const test::TemporaryFolder folder;
  for (const char* bad : {"-1", "2.5", "4294967296", "\"</s>\"", "[1, null]", "true"}) {
    write_file_atomically(folder / "config.json", std::string(R"({"eos_token_id": )") + bad + "}");
    EXPECT_THAT([&] { read_end_tokens(folder.path()); },
                ThrowsMessage<InputError>(AllOf(HasSubstr("config.json: eos_token_id is "),
                                                HasSubstr("a token's number"))))
        << bad;
  }
}

}  // namespace
}  // namespace tessera::model
