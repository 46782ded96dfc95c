#include "jobs/token_cache.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/self_communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "store/archive.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// A helper folder whose `tokenize` is a shell script.
class TokenCache : public testing::Test {
 protected:
  TokenCache() {
    write_file_atomically(folder_ / "text.txt", "once upon a time");
    write_file_atomically(folder_ / "tokenizer.json", "{}");
    run_.helpers = folder_.path();
    request_ = {"calibration",
                {folder_ / "text.txt"},
                {},
                folder_ / "tokenizer.json",
                folder_ / "work/tokens.h5"};
  }
  void helper(const std::string& script) {
    write_file_atomically(folder_ / "tokenize", "#!/bin/sh\n" + script + "\n");
    fs::permissions(folder_ / "tokenize", fs::perms::owner_all);
  }
  calibration::TokenStream stream(std::vector<std::uint32_t> tokens) const {
    return {std::move(tokens), calibration::digest_of_texts(request_.texts),
            digest_of_file(request_.tokenizer)};
  }
  void save(const fs::path& file, const calibration::TokenStream& tokens) const {
    fs::create_directories(file.parent_path());
    store::save(file, {{"kind", "tokens"}, {"version", "1"}}, tokens);
  }

  test::TemporaryFolder folder_;
  SilentLog log_;
  Threads threads_{1};
  cluster::SelfCommunicator alone_;
  StopFlag stop_;
  RunContext run_{threads_, log_, alone_, stop_};
  TokenRequest request_;
};

TEST_F(TokenCache, RunsTheHelperOnceAndThenReadsTheCache) {
  save(folder_ / "made.h5", stream({1, 2, 3}));
  helper("echo run >> \"" + (folder_ / "count").string() + "\"; cp \"" +
         (folder_ / "made.h5").string() + "\" \"$3\"");
  EXPECT_EQ(obtain_tokens(run_, request_).tokens, (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(obtain_tokens(run_, request_).tokens, (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(read_text_file(folder_ / "count"), "run\n");
}

TEST_F(TokenCache, Trap08TokenizesAgainWhenTheTextChangedUnderItsName) {
  save(request_.cache, stream({1, 2, 3}));
  write_file_atomically(folder_ / "text.txt", "another text");
  save(folder_ / "made.h5", stream({7}));
  helper("cp \"" + (folder_ / "made.h5").string() + "\" \"$3\"");
  EXPECT_EQ(obtain_tokens(run_, request_).tokens, (std::vector<std::uint32_t>{7}));
}

TEST_F(TokenCache, TokenizesAgainWhenTheCacheIsDamaged) {
  save(folder_ / "made.h5", stream({7}));
  fs::create_directories(folder_ / "work");
  write_file_atomically(request_.cache, "torn");
  helper("cp \"" + (folder_ / "made.h5").string() + "\" \"$3\"");
  EXPECT_EQ(obtain_tokens(run_, request_).tokens, (std::vector<std::uint32_t>{7}));
}

TEST_F(TokenCache, GivesTheHelperTheModelFolderAndTheTexts) {
  helper("echo \"$@\"; exit 2");
  EXPECT_THAT([&] { obtain_tokens(run_, request_); },
              ThrowsMessage<InputError>(
                  AllOf(HasSubstr("exit code 2"),
                        HasSubstr(folder_.path().string() + " --output " + request_.cache.string() +
                                  " --text " + (folder_ / "text.txt").string()))));
}

TEST_F(TokenCache, RepeatsWhatAFailingHelperSaid) {
  helper("echo 'no such module: tokenizers' >&2; exit 1");
  EXPECT_THAT([&] { obtain_tokens(run_, request_); },
              ThrowsMessage<MachineError>(HasSubstr("no such module: tokenizers")));
}

TEST_F(TokenCache, RefusesTokensOfOtherBytes) {
  auto wrong = stream({1});
  wrong.text_digest = std::string(64, '0');
  save(folder_ / "made.h5", wrong);
  helper("cp \"" + (folder_ / "made.h5").string() + "\" \"$3\"");
  EXPECT_THROW(obtain_tokens(run_, request_), InputError);
}

TEST_F(TokenCache, NamesATextThatIsMissing) {
  request_.texts = {folder_ / "missing.txt"};
  EXPECT_THAT([&] { obtain_tokens(run_, request_); },
              ThrowsMessage<InputError>(HasSubstr("missing.txt")));
}

TEST_F(TokenCache, ReadsAReadyFileWithoutTextOrHelper) {
  save(folder_ / "ready.h5", stream({5, 6}));
  request_.texts.clear();
  request_.ready = folder_ / "ready.h5";
  EXPECT_EQ(obtain_tokens(run_, request_).tokens, (std::vector<std::uint32_t>{5, 6}));
  request_.ready = folder_ / "missing.h5";
  EXPECT_THROW(obtain_tokens(run_, request_), InputError);
}

}  // namespace
}  // namespace tessera::jobs
