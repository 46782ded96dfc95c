#include "forward/embedding.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/architecture.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::forward {
namespace {

using test::random_matrix;
using test::random_weights;

model::ModelConfig config_with(std::size_t vocab_size, bool tied) {
  model::ModelConfig config = test::tiny_config();
  config.vocab_size = vocab_size;
  config.tied_embeddings = tied;
  return config;
}

model::ModelConfig opt_with(std::size_t vocab_size) {
  model::ModelConfig config = test::tiny_opt_config();
  config.vocab_size = vocab_size;
  return config;
}

/// Logits in double precision, from the definition.
std::vector<double> exact_logits(const model::ModelConfig& config,
                                 const test::InMemorySource& source, const float* hidden) {
  const auto values = [&](const std::string& name) { return source.tensors.at(name).values; };
  const auto norm = model::final_norm(config);
  const auto head = values(config.tied_embeddings ? model::embedding_name(config)
                                                  : std::string(model::kHeadName));
  std::vector<double> x(hidden, hidden + config.hidden_size);
  const auto size = static_cast<double>(x.size());
  if (config.norm == model::NormKind::layer) {
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / size;
    for (double& value : x) value -= mean;
  }
  const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  const auto weight = values(norm.weight);
  const auto bias = norm.bias.empty() ? std::vector<float>(x.size()) : values(norm.bias);
  std::vector<double> logits(config.vocab_size);
  for (std::size_t j = 0; j < x.size(); ++j) {
    x[j] = x[j] / std::sqrt(squares / size + config.norm_epsilon) * double{weight[j]} +
           double{bias[j]};
    for (std::size_t i = 0; i < logits.size(); ++i)
      logits[i] += double{head[i * x.size() + j]} * x[j];
  }
  return logits;
}

TEST(EmbeddingAndHead, LogitsAndLikelihoodsAreTheDefinitions) {
  Threads threads(2);
  for (const std::size_t vocab_size : {1, 53, 513, 1100}) {  // one panel and a bit
    for (const auto& config :
         {config_with(vocab_size, false), config_with(vocab_size, true), opt_with(vocab_size)}) {
      const auto source = random_weights(config, 5);
      const EmbeddingAndHead ends(config, source);
      const std::size_t rows = vocab_size == 53 ? 257 : 3;
      Matrix<float> hidden = random_matrix(rows, config.hidden_size, 8), out(rows, vocab_size);
      for (float& value : hidden.view().row_span(1)) value *= 1e-3F;  // where epsilon counts
      ends.logits(hidden, out);
      std::vector<std::uint32_t> targets;
      for (std::size_t i = 0; i < rows; ++i) {
        targets.push_back(static_cast<std::uint32_t>(i * 7 % vocab_size));
      }
      const auto losses = ends.negative_log_likelihood(threads, hidden, targets);
      ASSERT_EQ(losses.size(), rows);
      for (std::size_t i = 0; i < rows; ++i) {
        const auto expected = exact_logits(config, source, hidden.row(i));
        double sum = 0;
        for (std::size_t j = 0; j < vocab_size; ++j) {
          EXPECT_NEAR(out(i, j), expected[j], 1e-5);
          sum += std::exp(expected[j]);
        }
        EXPECT_NEAR(losses[i], std::log(sum) - expected[targets[i]], 1e-5);
      }
    }
  }
}

TEST(EmbeddingAndHead, EmbedsEachTokensRow) {
  const auto config = config_with(53, true);
  const auto source = random_weights(config, 5);
  const std::vector<std::uint32_t> tokens{52, 0, 52};
  Matrix<float> hidden(3, config.hidden_size);
  EmbeddingAndHead(config, source).embed(tokens, tokens.size(), hidden);
  const auto& table = source.tensors.at("model.embed_tokens.weight").values;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(hidden(i, 4), table[tokens[i] * config.hidden_size + 4]);
  }
}

TEST(EmbeddingAndHead, LearnedPositionsAreAddedAndCountFromEachSequencesStart) {
  const auto config = opt_with(53);
  const auto source = random_weights(config, 5);
  const std::vector<std::uint32_t> tokens{52, 0, 52, 7, 7, 1};
  const EmbeddingAndHead ends(config, source);
  Matrix<float> hidden(6, config.hidden_size);
  const auto& table = source.tensors.at("model.decoder.embed_tokens.weight").values;
  const auto& positions = source.tensors.at("model.decoder.embed_positions.weight").values;
  for (const std::size_t length : {1, 2, 3, 6}) {
    ends.embed(tokens, length, hidden);
    for (std::size_t i = 0; i < 6; ++i) {
      const std::size_t row = i % length + 2;  // the first two are for padding
      EXPECT_EQ(hidden(i, 4), table[tokens[i] * config.hidden_size + 4] +
                                  positions[row * config.hidden_size + 4]);
    }
  }
}

TEST(EmbeddingAndHead, ASequenceEndsWhereLearnedPositionsDo) {
  const auto config = opt_with(53);
  const EmbeddingAndHead ends(config, random_weights(config, 5));
  const std::vector<std::uint32_t> tokens(config.max_positions + 1, 3);
  Matrix<float> hidden(tokens.size(), config.hidden_size);
  EXPECT_NO_THROW(ends.embed(std::span(tokens).first(300), 300, hidden.view().middle_rows(0, 300)));
  EXPECT_THAT([&] { ends.embed(tokens, tokens.size(), hidden); },
              ::testing::ThrowsMessage<InputError>(
                  ::testing::HasSubstr("the length of a sequence is 301 tokens (OPTForCausalLM has "
                                       "learned positions for 300")));
  EXPECT_THROW(ends.embed(tokens, 2, hidden), Bug);  // no whole number of sequences
}

/// Counts what is read of a source at once.
class CountingSource final : public model::TensorSource {
 public:
  explicit CountingSource(const model::TensorSource& base) : base_(base) {}
  bool contains(std::string_view name) const override { return base_.contains(name); }
  model::TensorInfo info(std::string_view name) const override { return base_.info(name); }
  std::string origin() const override { return base_.origin(); }
  void read(std::string_view name, std::span<float> out) const override {
    note(out.size());
    base_.read(name, out);
  }
  void read_rows(std::string_view name, Tile rows, std::span<float> out) const override {
    note(out.size());
    base_.read_rows(name, rows, out);
  }
  std::size_t most() const { return most_; }
  std::size_t total() const { return total_; }

 private:
  void note(std::size_t size) const {
    most_ = std::max(most_, size);
    total_ += size;
  }
  const model::TensorSource& base_;
  mutable std::size_t most_ = 0, total_ = 0;
};

/// Of a vocabulary of less than a slab, of one slab, and of two and a bit.
TEST(EmbeddingAndHead, LeftInTheSourceTheyGiveTheSameBits) {
  Threads threads(2);
  for (const std::size_t vocab_size : {1, 53, 4096, 8193}) {
    for (const auto& config :
         {config_with(vocab_size, false), config_with(vocab_size, true), opt_with(vocab_size)}) {
      const auto source = random_weights(config, 5);
      const CountingSource counted(source);
      const EmbeddingAndHead loaded(config, source), left(config, counted, Kept::in_source);
      std::vector<std::uint32_t> tokens;
      for (std::size_t i = 0; i < 258; ++i) {
        tokens.push_back(
            static_cast<std::uint32_t>((i * 7 + 3) % std::min<std::size_t>(vocab_size, 40)));
      }
      Matrix<float> hidden(258, config.hidden_size), other(258, config.hidden_size);
      const std::size_t before = counted.total();
      loaded.embed(tokens, 129, hidden);
      left.embed(tokens, 129, other);
      EXPECT_TRUE(std::ranges::equal(hidden.span(), other.span()));
      EXPECT_LE(counted.total() - before, 40 * config.hidden_size) << "each row once";
      EXPECT_EQ(loaded.negative_log_likelihood(threads, hidden, tokens),
                left.negative_log_likelihood(threads, hidden, tokens));
      const std::size_t slab = std::min(vocab_size, EmbeddingAndHead::kHeadSlab);
      EXPECT_LE(counted.most(), std::max(slab, config.max_positions + 2) * config.hidden_size);
      Matrix<float> logits(3, vocab_size), others(3, vocab_size);
      loaded.logits(hidden.view().middle_rows(0, 3), logits);
      left.logits(threads, hidden.view().middle_rows(0, 3), others);
      EXPECT_TRUE(std::ranges::equal(logits.span(), others.span()));
    }
  }
}

TEST(EmbeddingAndHead, LeftInTheSourceWhatIsNotFiniteIsNamedWhereItIsRead) {
  Threads threads(1);
  const auto config = config_with(5000, true);
  auto source = random_weights(config, 5);
  source.tensors.at("model.embed_tokens.weight").values[4999 * config.hidden_size + 7] = NAN;
  const EmbeddingAndHead ends(config, source, Kept::in_source);
  Matrix<float> hidden(1, config.hidden_size);
  const std::vector<std::uint32_t> sound{4998}, damaged{4999};
  EXPECT_NO_THROW(ends.embed(sound, 1, hidden));
  const auto message = ::testing::ThrowsMessage<InputError>(
      ::testing::HasSubstr("'model.embed_tokens.weight' holds NaN at row 4999, column 7"));
  EXPECT_THAT([&] { ends.embed(damaged, 1, hidden); }, message);
  EXPECT_THAT([&] { ends.negative_log_likelihood(threads, hidden, sound); }, message);
}

/// Rows between the parts are left out; each part's have the bits they have alone.
TEST(EmbeddingAndHead, PartsAreScoredAsIfEachWereAlone) {
  const auto config = config_with(700, false);
  const EmbeddingAndHead ends(config, random_weights(config, 5));
  const Matrix<float> hidden = random_matrix(600, config.hidden_size, 8);
  const std::vector<std::uint32_t> targets(600, 699);
  const std::vector<Tile> parts{{0, 1}, {3, 300}, {300, 300}, {301, 599}};
  Threads threads(2);
  const auto losses = ends.negative_log_likelihood(threads, hidden, targets, parts);
  std::vector<double> expected(600);
  for (const Tile& part : parts) {
    const auto alone =
        ends.negative_log_likelihood(threads, hidden.view().middle_rows(part.begin, part.size()),
                                     std::span(targets).subspan(part.begin, part.size()));
    std::ranges::copy(alone, expected.begin() + static_cast<std::ptrdiff_t>(part.begin));
  }
  EXPECT_EQ(losses, expected);
}

TEST(EmbeddingAndHead, LikelihoodsHaveTheSameBitsOnAnyNumberOfThreads) {
  const auto config = config_with(700, false);
  const EmbeddingAndHead ends(config, random_weights(config, 5));
  const Matrix<float> hidden = random_matrix(600, config.hidden_size, 8);
  const std::vector<std::uint32_t> targets(600, 699);
  Threads alone(1), three(3);
  EXPECT_EQ(ends.negative_log_likelihood(alone, hidden, targets),
            ends.negative_log_likelihood(three, hidden, targets));
}

TEST(EmbeddingAndHead, ATokenOutsideTheVocabularyIsNamed) {
  Threads threads(1);
  const auto config = config_with(53, true);
  const EmbeddingAndHead ends(config, random_weights(config, 5));
  Matrix<float> hidden(2, config.hidden_size);
  const std::vector<std::uint32_t> tokens{0, 53};
  const auto message = ::testing::ThrowsMessage<InputError>(::testing::AllOf(
      ::testing::HasSubstr("token 53 at position 1"), ::testing::HasSubstr("0 to 52")));
  EXPECT_THAT([&] { ends.embed(tokens, tokens.size(), hidden); }, message);
  EXPECT_THAT([&] { ends.negative_log_likelihood(threads, hidden, tokens); }, message);
}

}  // namespace
}  // namespace tessera::forward
