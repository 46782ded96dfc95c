#include "tests/format/packed_fixtures.hpp"

#include "core/atomic_file.hpp"
#include "model/architecture.hpp"
#include "tests/support/random_matrix.hpp"

namespace fs = std::filesystem;

namespace tessera::test {
namespace {

model::TensorToWrite random_tensor(const model::NamedShape& tensor, std::uint64_t seed) {
  const model::TensorInfo info{DType::f32, tensor.shape};
  return {tensor.name, info, [info, seed](std::span<std::byte> out) {
            convert_from_float(DType::f32, random_matrix(1, info.count(), seed).span(), out.data());
          }};
}

}  // namespace

std::string tiny_config_json(const std::string& more) {
  return R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",)" +
         more +
         R"("hidden_size": 40, "intermediate_size": 52, "num_hidden_layers": 1,
            "num_attention_heads": 5, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 33,
            "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
            "torch_dtype": "float32"})";
}

void write_tiny_model(const fs::path& folder, const std::string& more) {
  write_random_model(folder, tiny_config_json(more));
}

void write_random_model(const fs::path& folder, const std::string& config_json) {
  fs::create_directories(folder);
  write_file_atomically(folder / "config.json", config_json);
  std::vector<model::TensorToWrite> tensors;
  for (const auto& tensor : model::expected_tensors(model::read_model_config(folder))) {
    tensors.push_back(random_tensor(tensor, tensors.size()));
  }
  model::write_safetensors(folder, tensors, std::size_t{1} << 30);
}

std::map<std::string, solver::VptqLayer> pack_tiny_model(const fs::path& folder,
                                                         const fs::path& output,
                                                         const LayerWishes& wishes,
                                                         format::Permutation permutation,
                                                         std::size_t max_shard_bytes) {
  const model::ModelConfig config = model::read_model_config(folder);
  const model::SafetensorsFolder original(folder);
  std::map<std::string, RandomLayer> wanted;
  std::map<std::string, solver::VptqLayer> layers;
  format::LayerSizes sizes;
  for (const model::LinearLayer& linear : model::linear_layers(config, 0)) {
    RandomLayer& layer = wanted[linear.name];
    layer.out_features = linear.out_features;
    layer.in_features = linear.in_features;
    wishes(linear.name, layer);
    layers.emplace(linear.name, random_vptq_layer(linear.name, layer));
    sizes.emplace(linear.name, random_sizes(linear.name, layer));
  }
  const StoredType type = sizes.begin()->second.stored_type;
  const auto load = [&](const std::string& name) {
    return random_vptq_layer(name, wanted.at(name));
  };
  fs::create_directories(output);
  const format::PackedModel packed{
      config, original, format::vptq_tensors(sizes, load, permutation), {}, type};
  model::write_safetensors(output, format::packed_model_tensors(packed), max_shard_bytes);
  write_file_atomically(output / "config.json",
                        format::vptq_config_json(config, sizes, type, permutation));
  return layers;
}

}  // namespace tessera::test
