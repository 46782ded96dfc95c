#include "model/check_tensors.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "model/architecture.hpp"
#include "tests/model/safetensors_bytes.hpp"

namespace tessera::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ModelConfig tiny(std::size_t num_blocks) {
  ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 4;
  config.intermediate_size = 6;
  config.num_blocks = num_blocks;
  config.num_heads = 2;
  config.num_kv_heads = 1;
  config.head_dim = 2;
  config.vocab_size = 8;
  return config;
}

/// Shapes without values.
class Shapes final : public TensorSource {
 public:
  explicit Shapes(const ModelConfig& config) {
    for (const NamedShape& tensor : expected_tensors(config)) shapes[tensor.name] = tensor.shape;
  }
  bool contains(std::string_view name) const override { return shapes.contains(name); }
  TensorInfo info(std::string_view name) const override {
    return {DType::f16, shapes.find(name)->second};
  }
  void read(std::string_view, std::span<float>) const override { throw Bug("weights were read"); }
  std::string origin() const override { return "models/x"; }

  std::map<std::string, std::vector<std::size_t>, std::less<>> shapes;
};

TEST(CheckTensors, ACompleteModelHasNoProblems) {
  const Shapes source(tiny(2));
  EXPECT_THAT(tensor_problems(source, tiny(2)), IsEmpty());
  EXPECT_NO_THROW(check_tensors(source, tiny(2)));
}

TEST(CheckTensors, AllProblemsAreReportedAtOnce) {
  Shapes source(tiny(2));
  source.shapes.erase("lm_head.weight");
  source.shapes.erase("model.layers.1.self_attn.q_proj.weight");
  source.shapes["model.layers.0.mlp.up_proj.weight"] = {4, 6};
  source.shapes["model.layers.0.self_attn.q_proj.bias"] = {4};
  source.shapes["model.layers.0.self_attn.rotary_emb.inv_freq"] = {1};  // nobody minds
  EXPECT_THAT(tensor_problems(source, tiny(2)),
              ElementsAre("model.layers.0.mlp.up_proj.weight is F16 [4, 6], not [6, 4]",
                          "model.layers.1.self_attn.q_proj.weight [4, 4] is missing",
                          AllOf(HasSubstr("lm_head.weight [8, 4] is missing"),
                                HasSubstr("tie_word_embeddings")),
                          AllOf(HasSubstr("model.layers.0.self_attn.q_proj.bias is there"),
                                HasSubstr("LlamaForCausalLM"))));
  EXPECT_THAT(test::input_error_of([&] { check_tensors(source, tiny(2)); }),
              AllOf(HasSubstr("models/x: the weights do not fit config.json (4 tensors)"),
                    HasSubstr("up_proj"), HasSubstr("lm_head"), HasSubstr("bias")));
}

TEST(CheckTensors, ALongListIsCut) {
  const Shapes source(tiny(1));
  const ModelConfig larger = tiny(10);
  EXPECT_THAT(tensor_problems(source, larger), SizeIs(81));
  EXPECT_THAT(test::input_error_of([&] { check_tensors(source, larger); }),
              AllOf(HasSubstr("(81 tensors)"), HasSubstr("... and 61 more")));
}

}  // namespace
}  // namespace tessera::model
