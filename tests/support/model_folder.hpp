#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/atomic_file.hpp"
#include "core/dtype.hpp"
#include "model/safetensors_writer.hpp"
#include "tests/support/in_memory_source.hpp"

// Model folders of few channels with random weights. Users link tessera::model.
namespace tessera::test {

/// The config.json of an OPT: 2 blocks, 3 heads of 12. @p more: further keys, each with a comma
/// behind it.
inline std::string tiny_opt_json(const std::string& more = "") {
  return R"({"architectures": ["OPTForCausalLM"], "model_type": "opt",)" + more +
         R"("activation_function": "relu", "do_layer_norm_before": true, "hidden_size": 36,
            "ffn_dim": 44, "num_hidden_layers": 2, "num_attention_heads": 3, "vocab_size": 61,
            "max_position_embeddings": 128, "word_embed_proj_dim": 36, "torch_dtype": "float32"})";
}

/// The config.json of a Phi-3: 2 blocks, 4 heads of 10 over 2 key-value heads.
inline std::string tiny_phi3_json(const std::string& more = "") {
  return R"({"architectures": ["Phi3ForCausalLM"], "model_type": "phi3",)" + more +
         R"("hidden_act": "silu", "hidden_size": 40, "intermediate_size": 44,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "vocab_size": 61, "max_position_embeddings": 128, "rms_norm_eps": 1e-05,
            "sliding_window": 12, "torch_dtype": "float32"})";
}

/// The config.json of a mixture of experts of 32 channels, each expert of 32 too: 2 blocks, 4 heads
/// of 8. @p family: "Mixtral", "Qwen2Moe", "Qwen3Moe"
inline std::string tiny_mixture_json(const std::string& family, int num_experts = 4,
                                     int experts_per_token = 2) {
  const std::string experts = family == "Mixtral"
                                  ? R"("intermediate_size": 32, "num_local_experts": )"
                                  : R"("intermediate_size": 96, "moe_intermediate_size": 32,
                               "shared_expert_intermediate_size": 64, "num_experts": )";
  return R"({"architectures": [")" + family + R"(ForCausalLM"], )" + experts +
         std::to_string(num_experts) + R"(, "num_experts_per_tok": )" +
         std::to_string(experts_per_token) +
         R"(, "hidden_act": "silu", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
            "vocab_size": 61, "max_position_embeddings": 128, "rms_norm_eps": 1e-05,
            "torch_dtype": "float32"})";
}

/// Writes config.json, model.safetensors (F32) and a tokenizer.json nobody reads.
inline void write_model_folder(const std::filesystem::path& folder, const std::string& config_json,
                               std::uint64_t seed = 1) {
  const InMemorySource source =
      random_weights(model::parse_model_config(config_json, "config.json"), seed);
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "config.json", config_json);
  write_file_atomically(folder / "tokenizer.json", "{}");
  std::vector<model::TensorToWrite> tensors;
  for (const auto& [name, tensor] : source.tensors) {
    const std::vector<float>& values = tensor.values;
    tensors.push_back({name, {DType::f32, tensor.shape}, [&values](std::span<std::byte> out) {
                         convert_from_float(DType::f32, values, out.data());
                       }});
  }
  model::write_safetensors(folder, tensors, std::size_t{1} << 30);
}

}  // namespace tessera::test
