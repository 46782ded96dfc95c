#include "tests/jobs/gate/damage.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "model/safetensors_file.hpp"
#include "model/safetensors_writer.hpp"

namespace fs = std::filesystem;

namespace tessera::test {
namespace {

const std::string kIndex = "model.safetensors.index.json";
const std::string kLayer = "model.layers.1.self_attn.q_proj";
const std::string kTwin = "model.layers.0.self_attn.q_proj";
const std::string kEmbedding = "model.embed_tokens.weight";

std::vector<fs::path> shards(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("model") && name.ends_with(".safetensors")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void swap_layers(const fs::path& folder) {
  std::map<std::string, std::vector<std::byte>> bytes;
  for (const fs::path& shard : shards(folder)) {
    for (const auto& [name, tensor] : read_tensors(shard)) bytes[name] = tensor.bytes;
  }
  for (const fs::path& shard : shards(folder)) {
    StoredTensors tensors = read_tensors(shard);
    for (auto& [name, tensor] : tensors) {
      if (name.starts_with(kLayer)) tensor.bytes = bytes.at(kTwin + name.substr(kLayer.size()));
      if (name.starts_with(kTwin)) tensor.bytes = bytes.at(kLayer + name.substr(kTwin.size()));
    }
    write_tensors(shard, tensors);
  }
}

/// From its file and from the index: nothing is left that would give it away.
void remove_tensor(const fs::path& folder, const std::string& tensor) {
  const fs::path file = file_of(folder, tensor);
  StoredTensors tensors = read_tensors(file);
  tensors.erase(tensor);
  write_tensors(file, tensors);
  replace_text(folder / kIndex, "\"" + tensor + "\":", "\"" + kEmbedding + "-\":");
  std::string index = read_text_file(folder / kIndex);
  const std::size_t begin = index.find("\"" + kEmbedding + "-\"");
  const std::size_t end = index.find_first_of(",}", begin);
  index.erase(begin, index[end] == ',' ? end - begin + 1 : end - begin);
  write_file_atomically(folder / kIndex, index);
}

void repeat_tensor(const fs::path& folder) {
  const fs::path own = file_of(folder, kEmbedding);
  const auto files = shards(folder);
  const fs::path other = files.front() == own ? files.back() : files.front();
  StoredTensors tensors = read_tensors(other);
  tensors[kEmbedding] = read_tensors(own).at(kEmbedding);
  write_tensors(other, tensors);
}

void store_other_head(const fs::path& folder) {
  StoredTensors tensors = read_tensors(shards(folder).front());
  tensors["lm_head.weight"] = read_tensors(file_of(folder, kEmbedding)).at(kEmbedding);
  tensors["lm_head.weight"].bytes.front() ^= std::byte{1};
  write_tensors(shards(folder).front(), tensors);
}

void turn(StoredTensor& tensor) {
  std::swap(tensor.info.shape.at(0), tensor.info.shape.at(1));
}
void make_nan(StoredTensor& tensor) {  // the first half
  tensor.bytes.at(0) = std::byte{0x00};
  tensor.bytes.at(1) = std::byte{0x7E};
}
void flip_bit(StoredTensor& tensor) {
  tensor.bytes.at(0) ^= std::byte{1};
}
/// Codes that any codebook has, of another layer of the same shape, say.
void worsen(StoredTensor& tensor) {
  const std::size_t half = tensor.bytes.size() / 2 / 4 * 4;
  std::rotate(tensor.bytes.begin(), tensor.bytes.begin() + static_cast<std::ptrdiff_t>(half),
              tensor.bytes.end());
}

std::function<void(const fs::path&)> edit(const std::string& tensor,
                                          void (*change)(StoredTensor&)) {
  return [tensor, change](const fs::path& folder) { edit_tensor(folder, tensor, change); };
}

}  // namespace

StoredTensors read_tensors(const fs::path& file) {
  const model::SafetensorsFile stored(file);
  StoredTensors tensors;
  for (const auto& [name, entry] : stored.entries()) {
    tensors[name] = {entry.info, std::vector<std::byte>(entry.bytes)};
    stored.read_bytes(name, tensors[name].bytes);
  }
  return tensors;
}

void write_tensors(const fs::path& file, const StoredTensors& tensors) {
  std::vector<model::TensorToWrite> all;
  std::vector<std::size_t> members;
  for (const auto& [name, tensor] : tensors) {
    members.push_back(all.size());
    all.push_back({name, tensor.info, [bytes = tensor.bytes](std::span<std::byte> out) {
                     std::ranges::copy(bytes, out.begin());
                   }});
  }
  model::write_safetensors_file(file, all, members);
}

fs::path file_of(const fs::path& folder, const std::string& tensor) {
  for (const fs::path& shard : shards(folder)) {
    if (model::SafetensorsFile(shard).contains(tensor)) return shard;
  }
  ADD_FAILURE() << "no file holds " << tensor;
  return {};
}

void edit_tensor(const fs::path& folder, const std::string& tensor,
                 const std::function<void(StoredTensor&)>& change) {
  const fs::path file = file_of(folder, tensor);
  StoredTensors tensors = read_tensors(file);
  change(tensors.at(tensor));
  write_tensors(file, tensors);
}

void replace_text(const fs::path& file, const std::string& text, const std::string& by) {
  std::string content = read_text_file(file);
  const std::size_t place = content.find(text);
  ASSERT_NE(place, std::string::npos) << text << " in " << file;
  write_file_atomically(file, content.replace(place, text.size(), by));
}

LayerParts parts_of(jobs::OutputFormat format) {
  switch (format) {
    case jobs::OutputFormat::vptq:
      return {".indices", ".weight_scale"};
    case jobs::OutputFormat::compressed_tensors:
      return {".weight_packed", ".weight_scale"};
    case jobs::OutputFormat::gptq:
      return {".qweight", ".scales"};
  }
  throw Bug("an OutputFormat without parts");
}

std::vector<Damage> damages(jobs::OutputFormat format) {
  const LayerParts parts = parts_of(format);
  const std::string codes = kLayer + parts.codes, scales = kLayer + parts.scales;
  const std::string first = "model-00001-of-", stale = "model-00077-of-00077.safetensors";
  const auto first_shard = [first](const fs::path& folder) { return shards(folder).front(); };
  return {
      {"flipped bit", "contents", codes, edit(codes, flip_bit), "layers", kLayer},
      {"flipped bit of a norm", "contents", "model.norm.weight",
       edit("model.norm.weight", flip_bit), "originals", "model.norm.weight"},
      {"missing tensor", "tensors", scales,
       [scales](const fs::path& folder) { remove_tensor(folder, scales); }},
      {"duplicated tensor", "shards", kEmbedding, repeat_tensor},
      {"stale shard", "shards", stale,
       [=](const fs::path& folder) { fs::copy_file(first_shard(folder), folder / stale); }},
      {"stale single file", "shards", kIndex,
       [=](const fs::path& folder) {
         fs::copy_file(first_shard(folder), folder / "model.safetensors");
       }},
      {"wrong shape", "tensors", kEmbedding, edit(kEmbedding, turn)},
      {"NaN scale", "values", scales, edit(scales, make_nan)},
      {"swapped layers", "contents", codes, swap_layers, "layers", kTwin},
      {"wrong config", "config", "rope_theta",
       [](const fs::path& folder) {
         replace_text(folder / "config.json", "\"rope_theta\": 10000.0", "\"rope_theta\": 5000.0");
       }},
      {"untied head", "head", "lm_head.weight",
       [](const fs::path& folder) {
         replace_text(folder / "config.json", "\"tie_word_embeddings\": true",
                      "\"tie_word_embeddings\": false");
       }},
      {"another head", "head", "lm_head.weight", store_other_head},
      {"truncated shard", "shards", "model-00001-of-",
       [=](const fs::path& folder) {
         fs::resize_file(first_shard(folder), fs::file_size(first_shard(folder)) - 1);
       }},
      {"missing shard", "shards", "model-00001-of-",
       [=](const fs::path& folder) { fs::remove(first_shard(folder)); }},
      {"missing tokenizer", "tokenizer", "tokenizer.json",
       [](const fs::path& folder) { fs::remove(folder / "tokenizer.json"); }},
      {"another tokenizer", "tokenizer", "tokenizer.json",
       [](const fs::path& folder) { write_file_atomically(folder / "tokenizer.json", "{}"); }},
      {"extra file", "files", "notes.txt",
       [](const fs::path& folder) { write_file_atomically(folder / "notes.txt", "mine"); }},
      {"bad index", "shards", kEmbedding,
       [](const fs::path& folder) {
         const auto all = shards(folder);
         const std::string own = file_of(folder, kEmbedding).filename().string();
         const std::string other =
             (all.front().filename() == own ? all.back() : all.front()).filename().string();
         replace_text(folder / kIndex, "\"" + kEmbedding + "\": \"" + own,
                      "\"" + kEmbedding + "\": \"" + other);
       }},
      {"no index", "shards", kIndex,
       [](const fs::path& folder) { write_file_atomically(folder / kIndex, "{"); }},
      {"worsened layer", "contents", codes, edit(codes, worsen), "layers", kLayer},
  };
}

}  // namespace tessera::test
