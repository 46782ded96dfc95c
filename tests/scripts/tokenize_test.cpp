#include <cstdlib>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "calibration/tokens.hpp"
#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "store/archive.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_data.hpp"

// scripts/tokenize from the outside: the file it writes is the one that store::load reads.
namespace tessera {
namespace {

namespace fs = std::filesystem;
using calibration::TokenStream;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Words between white space; enough to see what is tokenized, and in which order.
constexpr const char* kTokenizer =
    R"({"version": "1.0", "truncation": {"direction": "Right", "max_length": 2,
  "strategy": "LongestFirst", "stride": 0}, "padding": null,
  "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true}],
  "normalizer": null, "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": false},
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
    {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
  "decoder": null, "model": {"type": "WordLevel", "vocab": {"<s>": 0, "one": 1, "two": 2, "three\n": 3, "?": 9},
  "unk_token": "?"}})";

class Tokenize : public ::testing::Test {
 protected:
  void SetUp() override {
    const bool has_python =
        std::getenv("TESSERA_PYTHON") != nullptr ||
        fs::exists(test::source_folder() / ".venv" / "tessera-requirements.txt");
    if (!has_python) GTEST_SKIP() << "no Python for the helpers. Run scripts/setup-python.";
    fs::create_directory(folder_ / "model");
    write_file_atomically(folder_ / "model/tokenizer.json", kTokenizer);
  }

  fs::path write(const std::string& name, const std::string& content) const {
    write_file_atomically(folder_ / name, content);
    return folder_ / name;
  }

  /// Runs the script; what it says is in said_.
  int run(const fs::path& model, const std::vector<fs::path>& texts, const fs::path& output) {
    std::string command = "'" + (test::source_folder() / "scripts/tokenize").string() + "' '" +
                          model.string() + "' --text";
    for (const auto& text : texts) command += " '" + text.string() + "'";
    command += " --output '" + output.string() + "' 2>'" + (folder_ / "said").string() + "'";
    const int status = std::system(command.c_str());
    said_ = read_text_file(folder_ / "said");
    return WEXITSTATUS(status);
  }

  TokenStream tokens_of(const std::vector<fs::path>& texts) {
    EXPECT_EQ(run(folder_ / "model", texts, folder_ / "out.h5"), 0) << said_;
    TokenStream stream;
    store::load(folder_ / "out.h5", {{"kind", "tokens"}, {"version", "1"}}, stream);
    return stream;
  }

  test::TemporaryFolder folder_;
  std::string said_;
};

TEST_F(Tokenize, TakesTextsWholeAndInOrderAndAddsNothing) {
  const auto a = write("a.txt", "one two three\n");
  const auto b = write("b.txt", "two \r\n");
  const TokenStream stream = tokens_of({a, b});
  EXPECT_THAT(stream.tokens, ElementsAre(1, 2, 3, 2, 9))
      << "no truncation, no <s>, newlines untouched";
  EXPECT_EQ(stream.text_digest, calibration::digest_of_texts({a, b}));
  EXPECT_EQ(stream.tokenizer_digest, digest_of_file(folder_ / "model/tokenizer.json"));
  const store::Identity identity = store::ArchiveReader(folder_ / "out.h5").identity();
  EXPECT_EQ(identity.at("text"), stream.text_digest);
  EXPECT_EQ(identity.at("tokenizer"), stream.tokenizer_digest);
}

TEST_F(Tokenize, TakesJsonLinesDocumentByDocument) {
  const auto lines =
      write("a.jsonl", "{\"text\": \"one\"}\n\n{\"id\": 7, \"text\": \"two one\"}\n");
  const TokenStream stream = tokens_of({lines});
  EXPECT_THAT(stream.tokens, ElementsAre(1, 2, 1));
  EXPECT_EQ(stream.text_digest, calibration::digest_of_texts({lines}));
}

TEST_F(Tokenize, AnEmptyTextGivesNoTokens) {
  EXPECT_TRUE(tokens_of({write("a.txt", "")}).tokens.empty());
}

TEST_F(Tokenize, TwiceGivesTheSameBytes) {
  const auto text = write("a.txt", "one two");
  ASSERT_EQ(run(folder_ / "model", {text}, folder_ / "a.h5"), 0) << said_;
  ASSERT_EQ(run(folder_ / "model", {text}, folder_ / "b.h5"), 0) << said_;
  EXPECT_EQ(digest_of_file(folder_ / "a.h5"), digest_of_file(folder_ / "b.h5"));
}

TEST_F(Tokenize, MistakesAreNamedAndLeaveNothing) {
  const auto expect = [&](const fs::path& model, const fs::path& text, const std::string& place,
                          const std::string& problem) {
    EXPECT_EQ(run(model, {text}, folder_ / "out.h5"), 2);
    EXPECT_THAT(said_, AllOf(HasSubstr("tokenize: "), HasSubstr(place), HasSubstr(problem)));
    EXPECT_THAT(said_, ::testing::Not(HasSubstr("Traceback")));
    EXPECT_FALSE(fs::exists(folder_ / "out.h5"));
  };
  const auto good = write("good.txt", "one");
  const auto model = folder_ / "model";
  expect(model, folder_ / "none.txt", "none.txt", "does not exist");
  expect(model, write("latin.txt", "caf\xe9"), "latin.txt: byte 3", "no UTF-8");
  expect(model, write("bad.jsonl", "{\"text\": \"one\"}\n{\"texts\": 1}\n"), "bad.jsonl:2",
         "no JSON object with a text");
  expect(model, write("number.jsonl", "{\"text\": 1}\n"), "number.jsonl:1",
         "no JSON object with a text");
  expect(model, write("empty.jsonl", "\n"), "empty.jsonl", "no documents");
  expect(folder_ / "none", good, "none/tokenizer.json", "does not exist");
  write("model/tokenizer.json", "{\"version\"");
  expect(model, good, "model/tokenizer.json", "no tokenizer");
}

/// The test strings of a tokenizer and the tokens they have, all of one tokenizer as one stream.
struct Vectors {
  std::vector<std::string> texts;
  std::vector<std::uint32_t> tokens;
};

Vectors read_vectors(const fs::path& stem) {
  constexpr std::string_view kMark = "\n__ggml_vocab_test__\n";
  Vectors vectors;
  const std::string inputs = read_text_file(stem.string() + ".inp");
  for (std::size_t begin = 0, end; (end = inputs.find(kMark, begin)) != std::string::npos;
       begin = end + kMark.size()) {
    vectors.texts.push_back(inputs.substr(begin, end - begin));
  }
  std::istringstream outputs(read_text_file(stem.string() + ".out"));
  for (std::uint32_t token = 0; outputs >> token;) vectors.tokens.push_back(token);
  return vectors;
}

TEST_F(Tokenize, GivesTheTokensThatAnotherImplementationGives) {
  const auto data = test::test_data("tokenizers");
  if (!data) GTEST_SKIP() << test::missing_data("tokenizers");
  for (const auto& [model, name] :
       {std::pair("llama2", "llama-spm"), std::pair("llama3", "llama-bpe")}) {
    const Vectors vectors =
        read_vectors(*data / "vectors" / (std::string("ggml-vocab-") + name + ".gguf"));
    ASSERT_GT(vectors.texts.size(), 40U);
    std::vector<fs::path> files;
    for (const std::string& text : vectors.texts) {
      files.push_back(write(std::to_string(files.size()) + ".txt", text));
    }
    ASSERT_EQ(run(*data / model, files, folder_ / "out.h5"), 0) << said_;
    TokenStream stream;
    store::load(folder_ / "out.h5", {{"kind", "tokens"}}, stream);
    EXPECT_EQ(stream.tokens, vectors.tokens) << model;
  }
}

}  // namespace
}  // namespace tessera
