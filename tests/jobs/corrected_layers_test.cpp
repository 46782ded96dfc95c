// v's correction in o's bias: the same logits, and where it is done.
#include "jobs/corrected_layers.hpp"

#include <gtest/gtest.h>

#include "format/integer_folder.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

Matrix<float> logits_of(const model::ModelConfig& config, const model::TensorSource& source) {
  constexpr std::size_t kLength = 19;
  std::vector<std::uint32_t> tokens;
  for (std::uint32_t i = 0; i < 2 * kLength; ++i) tokens.push_back((i * i * 7 + 3) % 53);
  Threads threads(1);
  const forward::EmbeddingAndHead ends(config, source);
  Matrix<float> hidden(tokens.size(), config.hidden_size), logits(tokens.size(), config.vocab_size);
  ends.embed(tokens, kLength, hidden);
  const forward::BlockForward forward(config, kLength);
  for (std::size_t b = 0; b < config.num_blocks; ++b) {
    forward.run(threads, forward::load_block(config, source, b), {2, kLength}, hidden, nullptr);
  }
  ends.logits(hidden, logits);
  return logits;
}

double largest_difference(const Matrix<float>& a, const Matrix<float>& b) {
  double largest = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(double{a.data()[i]} - double{b.data()[i]}));
    size = std::max(size, std::fabs(double{a.data()[i]}));
  }
  return largest / size;
}

/// A constant of every value dimension, for one, two and four query heads that share a value head,
/// and a window that all but the first tokens look back through.
TEST(CorrectedLayers, AConstantOfTheValuesPassesThroughAttention) {
  for (const std::size_t kv_heads : {4, 2, 1}) {
    model::ModelConfig config = test::tiny_config();
    config.num_kv_heads = kv_heads;
    config.qkv_bias = config.o_bias = true;
    config.sliding_window = 5;
    auto in_v = test::random_weights(config, 1);
    auto in_o = in_v;
    const auto plain = logits_of(config, in_v);
    for (std::size_t block = 0; block < 2; ++block) {
      const auto v = model::linear_layer(config, block, model::LinearRole::v).name;
      const auto o = model::linear_layer(config, block, model::LinearRole::o).name;
      std::vector<float> constant;
      for (std::size_t i = 0; i < config.kv_size(); ++i) {
        constant.push_back(0.5f * static_cast<float>(i % 5) - 0.7f);
        in_v.tensors.at(v + ".bias").values[i] += constant.back();
      }
      const auto weight = in_o.read_matrix(o + ".weight", config.hidden_size, config.q_size());
      const auto moved = passed_through_attention(config, weight, constant);
      for (std::size_t i = 0; i < moved.size(); ++i)
        in_o.tensors.at(o + ".bias").values[i] += moved[i];
    }
    const auto expected = logits_of(config, in_v);
    EXPECT_GT(largest_difference(expected, plain), 0.01);
    EXPECT_LT(largest_difference(expected, logits_of(config, in_o)), 2e-6) << kv_heads;
  }
}

class MovedBias : public testing::Test {
 protected:
  MovedBias() {
    job_.quantize.method = Method::aweq;
    job_.quantize.aweq.integers.group_size = 16;
    job_.quantize.aweq.integers.scheme = solver::Scheme::w2a16;
    job_.output.format = OutputFormat::compressed_tensors;
    job_.output.dtype = StoredType::float32;
  }
  /// Runs the job; opens what it left.
  void run() {
    test::run_job(job_);
    prepared_.job = job_;
    prepared_.config = model::read_model_config(job_.model.path);
    prepared_.units = plan_units(prepared_.config, job_.quantize);
    work_ = std::make_unique<WorkFolder>(job_.runtime.work_dir, log_);
  }
  SolvedLayer solved(model::LinearRole role) const {
    return load_solved(*work_, model::linear_layer(prepared_.config, kBlock, role));
  }
  std::vector<float> packed_bias(model::LinearRole role) const {
    const auto layer = model::linear_layer(prepared_.config, kBlock, role);
    return format::IntegerFolder(job_.output.dir)
        .read_vector(layer.name + ".bias", layer.out_features);
  }

  static constexpr std::size_t kBlock = 1;
  test::TemporaryFolder folder_;
  QuantizeJob job_ = test::write_tiny_job(folder_.path(), {.hidden_size = 32,
                                                           .intermediate_size = 64,
                                                           .num_heads = 4,
                                                           .num_kv_heads = 2,
                                                           .num_blocks = 2});
  SilentLog log_;
  PreparedRun prepared_;
  std::unique_ptr<WorkFolder> work_;
};

TEST_F(MovedBias, OHoldsItWhereItsInputStaysAsItIs) {
  run();
  const auto change = solved(model::LinearRole::v).bias_change;
  ASSERT_EQ(change.size(), 16u) << "the job is no test: v's mean error does not pay";
  const SolvedLayer o = solved(model::LinearRole::o);
  auto expected = passed_through_attention(prepared_.config, solver::dequantize(o.layer), change);
  for (std::size_t i = 0; i < o.bias_change.size(); ++i)
    expected[i] = o.bias_change[i] + expected[i];
  const auto found = packed_bias(model::LinearRole::o);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-6);
  EXPECT_EQ(packed_bias(model::LinearRole::v), std::vector<float>(16, 0.0f));
}

/// The packed model is the one with the correction in v, to the logits.
TEST_F(MovedBias, ThePackedModelComputesTheSameAsWithItInV) {
  run();
  const format::IntegerFolder packed(job_.output.dir);
  const auto config = model::read_model_config(job_.output.dir);
  test::InMemorySource in_v;
  for (const auto& [name, shape] : model::expected_tensors(config)) {
    test::InMemorySource::Tensor tensor{shape, std::vector<float>(packed.info(name).count())};
    packed.read(name, tensor.values);
    in_v.tensors[name] = std::move(tensor);
  }
  for (std::size_t block = 0; block < 2; ++block) {
    const auto v = model::linear_layer(config, block, model::LinearRole::v);
    const auto o = model::linear_layer(config, block, model::LinearRole::o);
    in_v.tensors.at(v.name + ".bias").values.assign(v.out_features, 0);
    in_v.tensors.at(o.name + ".bias").values.assign(o.out_features, 0);
    for (const auto& layer : {v, o}) {
      const auto change = load_solved(*work_, layer).bias_change;
      std::ranges::copy(change, in_v.tensors.at(layer.name + ".bias").values.begin());
    }
  }
  EXPECT_LT(largest_difference(logits_of(config, in_v), logits_of(config, packed)), 2e-6);
}

/// Rounding what o reads is no linear map, and so moving is not exact.
TEST_F(MovedBias, VKeepsItWhereOsInputIsRounded) {
  job_.quantize.aweq.integers.scheme = solver::Scheme::w8a8;
  job_.evaluation = {};
  run();
  EXPECT_FALSE(moves_into_o(prepared_, *work_, kBlock));
}

}  // namespace
}  // namespace tessera::jobs
