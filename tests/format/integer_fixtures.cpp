#include "tests/format/integer_fixtures.hpp"

#include "core/atomic_file.hpp"
#include "format/companion_files.hpp"
#include "format/packed_model.hpp"
#include "model/architecture.hpp"
#include "tests/format/packed_fixtures.hpp"

namespace fs = std::filesystem;

namespace tessera::test {

void write_small_model(const fs::path& folder, const std::string& more) {
  write_random_model(
      folder,
      R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",)" +
          more +
          R"("hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 33,
             "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
             "torch_dtype": "float32"})");
}

std::map<std::string, solver::IntegerLayer> pack_integer_model(
    const fs::path& folder, const fs::path& output, format::IntegerFormat format,
    const IntegerWishes& wishes, format::DeclaredBiases biases, std::size_t max_shard_bytes) {
  const model::ModelConfig config = model::read_model_config(folder);
  const model::SafetensorsFolder original(folder);
  std::map<std::string, RandomIntegers> wanted;
  std::map<std::string, solver::IntegerLayer> layers;
  format::IntegerSizes sizes;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const model::LinearLayer& linear : model::linear_layers(config, block)) {
      RandomIntegers layer;
      layer.out_features = linear.out_features;
      layer.in_features = linear.in_features;
      layer.has_bias = linear.has_bias;
      if (!wishes(linear.name, layer)) continue;
      wanted[linear.name] = layer;
      layers.emplace(linear.name, random_integer_layer(linear.name, layer));
      sizes.emplace(linear.name, random_sizes(linear.name, layer));
    }
  }
  const auto load = [&](const std::string& name) {
    return random_integer_layer(name, wanted.at(name));
  };
  const StoredType type = sizes.begin()->second.scale_type;
  const format::PackedModel packed{
      config, original, format::integer_tensors(sizes, load, format), {}, type};
  fs::create_directories(output);
  model::write_safetensors(output, format::packed_model_tensors(packed), max_shard_bytes);
  write_file_atomically(output / "config.json",
                        format::integer_config_json(config, sizes, type, format, biases));
  if (format == format::IntegerFormat::gptq) {
    write_file_atomically(output / "quantize_config.json",
                          format::gptq_quantize_config_json(config, sizes));
  }
  format::copy_companion_files(folder, output);
  return layers;
}

}  // namespace tessera::test
