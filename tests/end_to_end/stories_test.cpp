// A whole job on a real model, the 260 thousand parameters of stories260K.
#include <algorithm>

#include <gtest/gtest.h>

#include "calibration/tokens.hpp"
#include "core/atomic_file.hpp"
#include "core/json_value.hpp"
#include "store/archive.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_data.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::string with_spaces_marked(const std::string& text) {
  std::string marked;
  for (const char c : text) {
    if (c == ' ') {
      marked += "\u2581";
    } else {
      marked += c;
    }
  }
  return marked;
}

/// Takes the longest vocabulary entry at every place, or a byte: not the model's own tokenization,
/// but near it.
std::vector<std::uint32_t> longest_matches(const fs::path& tokenizer, const std::string& text) {
  std::map<std::string, std::uint32_t> vocabulary;
  const auto json = JsonValue::parse(read_text_file(tokenizer), "tokenizer.json");
  for (const auto& [word, id] : json.at("model").at("vocab").entries()) {
    vocabulary[word] = static_cast<std::uint32_t>(id.integer());
  }
  constexpr std::uint32_t kFirstByte = 3;  // <0x00>
  const std::string marked = with_spaces_marked(text);
  std::vector<std::uint32_t> tokens;
  for (std::size_t i = 0; i < marked.size();) {
    std::size_t length = std::min<std::size_t>(20, marked.size() - i);
    while (length > 0 && !vocabulary.contains(marked.substr(i, length))) --length;
    tokens.push_back(length > 0 ? vocabulary.at(marked.substr(i, length))
                                : kFirstByte + static_cast<unsigned char>(marked[i]));
    i += std::max<std::size_t>(length, 1);
  }
  return tokens;
}

void save_tokens(const fs::path& file, std::vector<std::uint32_t> tokens) {
  store::save(file, {{"kind", "tokens"}, {"version", "1"}},
              calibration::TokenStream{std::move(tokens), "stories", "longest match"});
}

TEST(Stories, AreScoredAsTransformersDoesAndSurvivePacking) {
  const auto model = test::test_data("models/stories260K");
  const auto text = test::test_data("text/tinystories_917_ascii.txt");
  if (!model) GTEST_SKIP() << test::missing_data("models/stories260K");
  if (!text) GTEST_SKIP() << test::missing_data("text/tinystories_917_ascii.txt");

  const test::TemporaryFolder folder;
  const std::string stories = read_text_file(*text);
  save_tokens(folder / "score.h5",
              longest_matches(*model / "tokenizer.json", stories.substr(0, 20000)));
  save_tokens(folder / "calibrate.h5",
              longest_matches(*model / "tokenizer.json", stories.substr(20000, 40000)));
  jobs::QuantizeJob job;
  job.model.path = *model;
  job.calibration.tokens = folder / "calibrate.h5";
  job.calibration.num_samples = 32;
  job.calibration.max_seq_length = 256;
  job.quantize.vptq.vector_len = 4;
  job.quantize.vptq.num_centroids = 256;
  job.quantize.vptq.num_res_centroids = 16;
  job.evaluation.tokens = folder / "score.h5";
  job.evaluation.context_length = 256;
  job.evaluation.windows = 8;
  job.output.dir = folder / "out";
  job.runtime.work_dir = folder / "work";
  const auto report = test::run_job(job);

  EXPECT_EQ(report.original->num_tokens, 8u * 255u);
  // transformers 4.57.6 in fp32 on the same tokens: 9.421559.
  EXPECT_NEAR(report.original->perplexity, 9.421559, 9.4e-4);
  EXPECT_GT(report.quantized->perplexity, report.original->perplexity);
  EXPECT_LT(report.quantized->perplexity, 2 * report.original->perplexity);
  EXPECT_EQ(jobs::exit_code(report), 0);
}

}  // namespace
}  // namespace tessera
