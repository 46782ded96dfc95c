#include "jobs/kept_together.hpp"

#include <gtest/gtest.h>

#include "tests/support/in_memory_source.hpp"

namespace tessera::jobs {
namespace {

/// Modules of a block that are loaded as one with the one named, itself among them.
std::set<std::string> together_with(const model::ModelConfig& config, const std::string& module) {
  const auto layers = model::linear_layers(config, 1);
  const auto of = std::ranges::find(layers, module, &model::LinearLayer::module);
  std::set<std::string> modules;
  for (const model::LinearLayer& layer : layers) {
    if (are_loaded_as_one(*of, layer)) modules.insert(layer.module);
  }
  return modules;
}

using Names = std::set<std::string>;

TEST(AreLoadedAsOne, LayersThatReadOneInput) {
  const auto llama = test::tiny_config();
  const Names qkv{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
  for (const std::string& module : qkv) EXPECT_EQ(together_with(llama, module), qkv);
  EXPECT_EQ(together_with(llama, "mlp.up_proj"), (Names{"mlp.gate_proj", "mlp.up_proj"}));
  for (const char* module : {"self_attn.o_proj", "mlp.down_proj"}) {
    EXPECT_EQ(together_with(llama, module), Names{module});
  }
  const auto opt = test::tiny_opt_config();
  EXPECT_EQ(together_with(opt, "fc1"), Names{"fc1"});
  EXPECT_EQ(together_with(opt, "self_attn.k_proj"), qkv);
}

TEST(AreLoadedAsOne, WhatIsFusedAlreadyIsAlone) {
  const auto phi = test::tiny_phi3_config();
  EXPECT_EQ(together_with(phi, "self_attn.qkv_proj"), Names{"self_attn.qkv_proj"});
  EXPECT_EQ(together_with(phi, "mlp.gate_up_proj"), Names{"mlp.gate_up_proj"});
}

TEST(AreLoadedAsOne, AllExpertsOfAMixture) {
  const auto mixture = test::tiny_mixture_config("Qwen2MoeForCausalLM");
  EXPECT_EQ(together_with(mixture, "mlp.experts.3.down_proj").size(), 3u * 5);
  EXPECT_EQ(together_with(mixture, "mlp.shared_expert.gate_proj"),
            (Names{"mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj"}));
}

TEST(AreLoadedAsOne, NeverLayersOfTwoBlocks) {
  const auto config = test::tiny_config();
  EXPECT_FALSE(
      are_loaded_as_one(model::linear_layers(config, 0)[0], model::linear_layers(config, 1)[0]));
}

TEST(KeepsTogether, WhereIntegersAreKept) {
  QuantizeJob job;
  job.quantize.ladder.fallback = Fallback::keep;
  job.output.format = OutputFormat::vptq;
  EXPECT_FALSE(keeps_together(job));
  for (const auto format : {OutputFormat::gptq, OutputFormat::compressed_tensors}) {
    job.output.format = format;
    job.quantize.ladder.fallback = Fallback::keep;
    EXPECT_TRUE(keeps_together(job));
    job.quantize.ladder.fallback = Fallback::plain;
    EXPECT_FALSE(keeps_together(job));
  }
}

}  // namespace
}  // namespace tessera::jobs
