// dump_dense_model PACKED OUTPUT
// Writes a packed model as an ordinary float32 model, every layer dequantized by our reader: what
// another program's dequantized weights are compared with, and a model whose logits must be the
// packed one's.
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>

#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"
#include "format/open_weights.hpp"
#include "model/architecture.hpp"
#include "model/safetensors_file.hpp"
#include "model/safetensors_writer.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;

/// The packed folder's plain names: stored tensors without the parts of packed layers, and their
/// weights.
std::set<std::string> plain_names(const fs::path& folder, const model::TensorSource& packed) {
  std::set<std::string> names;
  for (const std::string& name : model::SafetensorsFolder(folder).names()) {
    if (packed.contains(name)) names.insert(name);
  }
  const model::ModelConfig config = model::read_model_config(folder);
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const auto& layer : model::linear_layers(config, block)) {
      names.insert(layer.name + ".weight");
    }
  }
  return names;
}

std::string dense_config(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  const JsonValue config = JsonValue::parse(read_text_file(file), file.string());
  JsonValue dense = JsonValue::object();
  for (const auto& [key, value] : config.entries()) {
    if (key != "quantization_config") dense.set(key, value);
  }
  return dense.set("torch_dtype", "float32").to_text(2);
}

void dump(const fs::path& folder, const fs::path& output) {
  const std::unique_ptr<model::TensorSource> source = format::open_weights(folder);
  const model::TensorSource& packed = *source;
  std::vector<model::TensorToWrite> tensors;
  for (const std::string& name : plain_names(folder, packed)) {
    const model::TensorInfo info{DType::f32, packed.info(name).shape};
    tensors.push_back({name, info, [&packed, name, info](std::span<std::byte> out) {
                         std::vector<float> values(info.count());
                         packed.read(name, values);
                         std::memcpy(out.data(), values.data(), out.size());
                       }});
  }
  fs::create_directories(output);
  model::write_safetensors(output, tensors, std::size_t{1} << 40);
  write_file_atomically(output / "config.json", dense_config(folder));
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "dump_dense_model PACKED OUTPUT\n");
    return 2;
  }
  try {
    tessera::dump(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
