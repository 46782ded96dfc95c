#include <cmath>
#include <cstring>
#include <numeric>

#include <gtest/gtest.h>

#include "forward/block.hpp"
#include "linalg/gemm.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"
#include "tests/support/relative_error.hpp"

// A block over a sequence that grows, against the same block over the whole sequence.
namespace tessera::forward {
namespace {

using linalg::WeightOrder;
using test::random_matrix;
using test::random_weights;
using test::relative_error;
using test::tiny_config;

struct Variant {
  const char* name;
  void (*change)(model::ModelConfig&);
};

const Variant kVariants[] = {
    {"llama", [](model::ModelConfig&) {}},
    {"qwen2", [](model::ModelConfig& c) { c.qkv_bias = true; }},
    {"all biases", [](model::ModelConfig& c) { c.qkv_bias = c.o_bias = c.mlp_bias = true; }},
    {"qwen3", [](model::ModelConfig& c) { c.qk_norm = true; }},
    {"one head of 80",
     [](model::ModelConfig& c) {
       c.num_heads = c.num_kv_heads = 1;
       c.head_dim = 80;
     }},
    {"more outputs than a tile", [](model::ModelConfig& c) { c.intermediate_size = 200; }},
    {"mistral, window of 1", [](model::ModelConfig& c) { c.sliding_window = 1; }},
    {"mistral, window of 100", [](model::ModelConfig& c) { c.sliding_window = 100; }},
    {"mistral, window of 299", [](model::ModelConfig& c) { c.sliding_window = 299; }},
    {"phi3", [](model::ModelConfig& c) { c = test::tiny_phi3_config(); }},
    {"opt", [](model::ModelConfig& c) { c = test::tiny_opt_config(); }},
};

constexpr std::size_t kLength = 300;  // of the whole sequence: a tile of run and a bit

/// Lengths of the pieces in which the sequence comes; the last is repeated.
std::vector<std::size_t> pieces(std::vector<std::size_t> first) {
  std::size_t left = kLength - std::accumulate(first.begin(), first.end(), std::size_t{0});
  for (const std::size_t last = first.back(); left > 0;) {
    first.push_back(std::min(last, left));
    left -= first.back();
  }
  return first;
}

void extend_by(Threads& threads, const model::ModelConfig& config, const BlockWeights& weights,
               const std::vector<std::size_t>& lengths, Matrix<float>& hidden) {
  const BlockForward forward(config, kLength);
  KeyValueCache cache(config, kLength);
  for (float& value : cache.keys.span()) value = NAN;  // nothing reads what is not there yet
  for (float& value : cache.values.span()) value = NAN;
  std::size_t start = 0;
  for (const std::size_t length : lengths) {
    forward.extend(threads, weights, start, hidden.view().middle_rows(start, length), cache);
    start += length;
  }
  ASSERT_EQ(start, hidden.rows());
}

TEST(Extend, AgreesWithTheWholeSequenceInEveryVariantAndAllPieces) {
  Threads threads(2);
  for (const Variant& variant : kVariants) {
    model::ModelConfig config = tiny_config();
    variant.change(config);
    const auto source = random_weights(config, 3);
    const Matrix<float> input = random_matrix(kLength, config.hidden_size, 1);
    Matrix<float> expected = input.copy();
    BlockForward(config, kLength)
        .run(threads, load_block(config, source, 1), {1, kLength}, expected, nullptr);
    for (const WeightOrder order : {WeightOrder::packed, WeightOrder::plain}) {
      const BlockWeights weights = load_block(config, source, 1, order);
      for (const auto& lengths :
           {pieces({1}), pieces({kLength}), pieces({257, 1}), pieces({64, 65, 1, 1, 7, 1})}) {
        Matrix<float> hidden = input.copy();
        extend_by(threads, config, weights, lengths, hidden);
        // Each is within 1e-5 of the definition (block_test.cpp).
        EXPECT_LT(relative_error(hidden.span(), expected.span()), 2e-5)
            << variant.name << ", pieces of " << lengths[0] << " and " << lengths.back();
      }
    }
  }
}

TEST(Extend, GivesTheSameBitsOnAnyNumberOfThreads) {
  model::ModelConfig config = tiny_config();
  config.intermediate_size = 200;
  const BlockWeights weights = load_block(config, random_weights(config, 3), 0, WeightOrder::plain);
  const Matrix<float> input = random_matrix(kLength, config.hidden_size, 1);
  Threads alone(1);
  Matrix<float> expected = input.copy();
  extend_by(alone, config, weights, pieces({70, 1}), expected);
  for (const std::size_t count : {2, 3}) {
    Threads threads(count);
    Matrix<float> hidden = input.copy();
    extend_by(threads, config, weights, pieces({70, 1}), hidden);
    EXPECT_EQ(std::memcmp(hidden.data(), expected.data(), hidden.size() * sizeof(float)), 0)
        << count;
  }
}

/// Keeps one channel, which depends on the position.
struct ChannelByPosition final : InputSelection {
  void keep(std::span<const float> x, std::size_t position, std::span<float> kept) const override {
    for (std::size_t j = 0; j < x.size(); ++j) kept[j] = j == position * 7 % x.size() ? x[j] : 0;
  }
};

struct DenseResidual final : ResidualProduct {
  explicit DenseResidual(Matrix<float> r) : residual(std::move(r)) {}
  void add(MatrixView<const float> kept, MatrixView<float> y) const override {
    linalg::gemm_reference(1, kept, linalg::Transposed::no, residual, linalg::Transposed::yes, 1,
                           y);
  }
  Matrix<float> residual;
};

void compensate_all(BlockWeights& weights) {
  const auto selection = std::make_shared<ChannelByPosition>();
  for (std::size_t role = 0; role < weights.linear.size(); ++role) {
    const auto& weight = weights.linear[role];
    if (weight.out_features() == 0) continue;  // no MLP that all tokens pass
    weights.compensation[role] = {selection, std::make_shared<DenseResidual>(random_matrix(
                                                 weight.out_features(), weight.in_features(), 9))};
  }
  std::size_t seed = 10;
  for (ExpertWeights& expert : weights.mixture.experts) {
    const auto residual_of = [&](const linalg::PackedWeight& weight) {
      return std::make_shared<DenseResidual>(
          random_matrix(weight.out_features(), weight.in_features(), seed++));
    };
    expert.gate_compensation = {selection, residual_of(expert.gate)};
    expert.up_compensation = {selection, residual_of(expert.up)};
    expert.down_compensation = {selection, residual_of(expert.down)};
  }
}

TEST(Extend, ResidualsAreSelectedByThePositionInTheSequence) {
  Threads threads(2);
  for (const auto& config : {tiny_config(), test::tiny_mixture_config("Qwen2MoeForCausalLM")}) {
    const auto source = random_weights(config, 3);
    BlockWeights whole = load_block(config, source, 0);
    const BlockWeights without = load_block(config, source, 0);
    BlockWeights weights = load_block(config, source, 0, WeightOrder::plain);
    compensate_all(whole);
    compensate_all(weights);
    const Matrix<float> input = random_matrix(kLength, config.hidden_size, 1);
    Matrix<float> hidden = input.copy(), expected = input.copy(), plain = input.copy();
    BlockForward(config, kLength).run(threads, whole, {1, kLength}, expected, nullptr);
    BlockForward(config, kLength).run(threads, without, {1, kLength}, plain, nullptr);
    extend_by(threads, config, weights, pieces({66, 1, 65, 1}), hidden);
    EXPECT_LT(relative_error(hidden.span(), expected.span()), 2e-5) << config.architecture;
    // The residual is not lost in the tolerance.
    EXPECT_GT(relative_error(plain.span(), expected.span()), 1e-2) << config.architecture;
  }
}

TEST(Extend, NoTokensIsNoWorkAndTooManyAreRefused) {
  Threads threads(1);
  const model::ModelConfig config = tiny_config();
  const BlockWeights weights = load_block(config, random_weights(config, 3), 0);
  KeyValueCache cache(config, 8);
  Matrix<float> none(0, config.hidden_size), three(3, config.hidden_size), narrow(1, 2);
  const BlockForward forward(config, 8);
  forward.extend(threads, weights, 8, none, cache);
  forward.extend(threads, weights, 5, three, cache);
  EXPECT_THROW(forward.extend(threads, weights, 6, three, cache), Bug);
  EXPECT_THROW(forward.extend(threads, weights, 0, narrow, cache), Bug);
  EXPECT_THROW(BlockForward(config, 7).extend(threads, weights, 5, three, cache), Bug);
}

}  // namespace
}  // namespace tessera::forward
