// The acceptance tests 1, 5 and 6 of aweq.md section 7: folding changes no output.
#include "jobs/equalized_weights.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "evaluation/perplexity.hpp"
#include "jobs/plan.hpp"
#include "model/architecture.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

/// A tiny job that equalizes, run to its end, and its model with the scales it found.
class Equalized {
 public:
  Equalized(const test::TinyModel& sizes, StoredType type, const std::string& config_json = "")
      : job_(test::write_tiny_job(folder_.path(), sizes)) {
    if (!config_json.empty()) {
      std::filesystem::remove_all(job_.model.path);
      test::write_model_folder(job_.model.path, config_json);
      job_.quantize.targets = QuantizeSettings().targets;
    }
    job_.quantize.method = Method::aweq;
    job_.quantize.aweq.integers.scheme = solver::Scheme::w8a16;
    job_.quantize.aweq.integers.granularity = solver::Granularity::channel;
    job_.quantize.aweq.integers.rounding = solver::Rounding::rtn;
    job_.quantize.aweq.equalize = solver::Equalize::aweq;
    job_.output.format = OutputFormat::compressed_tensors;
    job_.output.dtype = type;
    test::run_job(job_);
    prepared_.job = job_;
    prepared_.config = model::read_model_config(job_.model.path);
    prepared_.weights = std::make_unique<model::SafetensorsFolder>(job_.model.path);
    prepared_.units = plan_units(prepared_.config, job_.quantize);
    work_ = std::make_unique<WorkFolder>(job_.runtime.work_dir, log_);
    folded_ = std::make_unique<EqualizedWeights>(prepared_, *work_);
  }
  const EqualizedWeights& folded() const { return *folded_; }
  const PreparedRun& prepared() const { return prepared_; }

  /// The losses of some windows; those of the original and of the folded model are to agree.
  std::vector<double> losses(const model::TensorSource& weights) const {
    std::vector<std::uint32_t> tokens;
    for (std::uint32_t i = 0; i < 64; ++i) tokens.push_back((i * i * 7 + 3) % 61);
    const std::vector<std::size_t> windows = {0, 1, 2, 3};
    Threads threads(1);
    SilentLog log;
    return evaluation::window_losses(threads, log, {prepared_.config, weights, ""}, tokens, {16},
                                     windows);
  }
  double largest_change() const {
    const auto before = losses(*prepared_.weights), after = losses(*folded_);
    double largest = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      largest = std::max(largest, std::fabs(after[i] - before[i]) / before[i]);
    }
    return largest;
  }

 private:
  test::TemporaryFolder folder_;
  QuantizeJob job_;
  SilentLog log_;
  PreparedRun prepared_;
  std::unique_ptr<WorkFolder> work_;
  std::unique_ptr<EqualizedWeights> folded_;
};

TEST(EqualizedWeights, TheFunctionIsPreservedForEveryGroupingOfHeads) {
  for (const std::size_t kv_heads : {1, 2, 4}) {
    const test::TinyModel sizes{.hidden_size = 32, .num_heads = 4, .num_kv_heads = kv_heads};
    const Equalized model(sizes, StoredType::float32);
    EXPECT_FALSE(model.folded().changed_tensors().empty());
    EXPECT_LT(model.largest_change(), 1e-5) << kv_heads << " value heads";
  }
}

TEST(EqualizedWeights, TheFunctionIsPreservedForOtherFamilies) {
  EXPECT_LT(Equalized({}, StoredType::float32, test::tiny_opt_json()).largest_change(), 1e-5);
  EXPECT_LT(Equalized({}, StoredType::float32, test::tiny_phi3_json()).largest_change(), 1e-5);
}

/// Router, shared expert and all experts take what the norm lost; experts' up and down are paired.
TEST(EqualizedWeights, TheFunctionOfMixturesIsPreserved) {
  for (const char* family : {"Mixtral", "Qwen2Moe", "Qwen3Moe"}) {
    const Equalized model({}, StoredType::bfloat16, test::tiny_mixture_json(family));
    EXPECT_LT(model.largest_change(), 1e-5) << family;
    const auto shared = model.folded().scale_of(1, model::InputRole::mlp_input);
    const auto of_expert = model.folded().scale_of(1, {model::InputRole::mlp_input, 3});
    ASSERT_EQ(shared.size(), 32u);
    EXPECT_EQ(of_expert.data(), shared.data());
    EXPECT_NE(*std::ranges::max_element(shared), *std::ranges::min_element(shared));
    const auto hidden_0 = model.folded().scale_of(1, {model::InputRole::mlp_hidden, 0});
    const auto hidden_1 = model.folded().scale_of(1, {model::InputRole::mlp_hidden, 1});
    ASSERT_EQ(hidden_0.size(), 32u);
    EXPECT_FALSE(std::ranges::equal(hidden_0, hidden_1));
    const auto router = model::steering_layers(model.prepared().config, 1)[0].name + ".weight";
    const auto before = model.prepared().weights->read_matrix(router, 4, 32);
    const auto after = model.folded().read_matrix(router, 4, 32);
    for (std::size_t j = 0; j < 32; ++j) EXPECT_FLOAT_EQ(after(2, j), before(2, j) * shared[j]);
  }
}

/// Columns follow what the rounded norm really lost: without that, bfloat16 norms cost 2^-9 a
/// channel.
TEST(EqualizedWeights, NormsRoundedToTheStoredTypeCostNothing) {
  const Equalized model({}, StoredType::bfloat16);
  EXPECT_LT(model.largest_change(), 1e-5);
  const auto names = model::attention_norm(model.prepared().config, 1);
  for (const float value : model.folded().read_vector(names.weight, 24)) {
    EXPECT_EQ(rounded_to(StoredType::bfloat16, value), value);
  }
}

/// Of a tensor that is changed, and of one that is not.
TEST(EqualizedWeights, RowsAreThoseOfTheWhole) {
  const Equalized equalized({}, StoredType::float32);
  const model::ModelConfig& config = equalized.prepared().config;
  const model::LinearLayer up = model::linear_layer(config, 1, model::LinearRole::up);
  for (const auto& [name, rows] : {std::pair{up.name + ".weight", up.out_features},
                                   std::pair{model::embedding_name(config), config.vocab_size}}) {
    const auto whole = equalized.folded().read_matrix(name, rows, config.hidden_size);
    const auto some =
        equalized.folded().read_matrix_rows(name, rows, config.hidden_size, {5, rows});
    EXPECT_TRUE(std::ranges::equal(some.span(), whole.span().subspan(5 * config.hidden_size)))
        << name;
  }
}

TEST(EqualizedWeights, QueryHeadsOfAGroupShareTheirScales) {
  const Equalized model({.hidden_size = 32, .num_heads = 4, .num_kv_heads = 2},
                        StoredType::float32);
  const auto scale = model.folded().scale_of(1, model::InputRole::attention_output);
  ASSERT_EQ(scale.size(), 32u);
  for (std::size_t j = 0; j < 8; ++j) {
    EXPECT_EQ(scale[j], scale[8 + j]);
    EXPECT_EQ(scale[16 + j], scale[24 + j]);
  }
  EXPECT_EQ(tied_channels(model.prepared().config, model::InputRole::attention_output)[25], 9u);
}

TEST(EqualizedWeights, TheGateIsNotScaledByWhatComesAfterIt) {
  const Equalized model({}, StoredType::float32);
  const auto input = model.folded().scale_of(0, model::InputRole::mlp_input);
  const auto before =
      model.prepared().weights->read_matrix("model.layers.0.mlp.gate_proj.weight", 36, 24);
  const auto after = model.folded().read_matrix("model.layers.0.mlp.gate_proj.weight", 36, 24);
  for (std::size_t i = 0; i < 36; ++i) {
    for (std::size_t j = 0; j < 24; ++j) EXPECT_FLOAT_EQ(after(i, j), before(i, j) * input[j]);
  }
}

}  // namespace
}  // namespace tessera::jobs
