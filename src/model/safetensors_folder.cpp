#include <set>

#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_file.hpp"

namespace fs = std::filesystem;

namespace tessera::model {
namespace {

/// What to say about a folder without safetensors files; the weights may be there in another form.
std::string no_weights(const fs::path& folder, std::string_view stem) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    return fmt::format("{} is not a folder (a Hugging Face model folder is expected)",
                       folder.string());
  }
  std::string message = fmt::format("{} holds neither {} nor {}", folder.string(),
                                    shard_file_name(0, 1, stem), index_file_name(stem));
  for (const auto& item : fs::directory_iterator(folder, ignored)) {
    const std::string ending = item.path().extension().string();
    if (ending == ".bin" || ending == ".pt" || ending == ".pth" || ending == ".gguf") {
      return message + fmt::format(
                           " (it holds {}, which cannot be read). Convert the weights to "
                           "safetensors first.",
                           quote_name(item.path().filename().string()));
    }
  }
  return message + " (the weights of the model). Fetch the model again.";
}

}  // namespace

SafetensorsFolder::SafetensorsFolder(const fs::path& folder, std::string_view stem)
    : folder_(folder) {
  std::error_code ignored;
  const fs::path single = folder / shard_file_name(0, 1, stem);
  const fs::path index = folder / index_file_name(stem);
  if (fs::exists(single, ignored)) {
    files_.emplace_back(single);
    for (std::string& name : files_.front().names()) file_of_.emplace(std::move(name), 0);
  } else if (fs::exists(index, ignored)) {
    open_shards(index);
  } else {
    throw InputError(no_weights(folder, stem));
  }
}

void SafetensorsFolder::open_shards(const fs::path& index_file) {
  const ShardIndex index =
      parse_safetensors_index(read_text_file(index_file, kMaxIndexBytes), index_file.string());
  std::map<std::string, std::size_t> number_of;  // shard name -> place in files_
  for (const auto& [tensor, shard] : index) {
    const auto [place, is_new] = number_of.emplace(shard, files_.size());
    if (is_new) {
      std::error_code ignored;
      if (!fs::exists(folder_ / shard, ignored)) {
        throw InputError(
            fmt::format("{}: tensor {} is said to lie in {}, which is not there (a shard is "
                        "missing). Fetch it again.",
                        index_file.string(), quote_name(tensor), quote_name(shard)));
      }
      files_.emplace_back(folder_ / shard);
    }
    if (!files_[place->second].contains(tensor)) {
      throw InputError(fmt::format("{}: tensor {} is said to lie in {}, which does not hold it",
                                   index_file.string(), quote_name(tensor), quote_name(shard)));
    }
    file_of_.emplace(tensor, place->second);
  }
  for (std::size_t i = 0; i < files_.size(); ++i) {
    for (const std::string& name : files_[i].names()) {
      const auto listed = file_of_.find(name);
      if (listed != file_of_.end() && listed->second == i) continue;
      throw InputError(
          fmt::format("{}: tensor {} is not one that {} lists for this shard (shards and "
                      "index do not belong together). Fetch them again.",
                      files_[i].path().string(), quote_name(name), index_file.filename().string()));
    }
  }
}

const SafetensorsFile& SafetensorsFolder::file_with(std::string_view name) const {
  const auto found = file_of_.find(name);
  if (found == file_of_.end()) {
    throw InputError(fmt::format("{} holds no tensor {}", origin(), quote_name(name)));
  }
  return files_[found->second];
}

bool SafetensorsFolder::contains(std::string_view name) const {
  return file_of_.contains(name);
}
TensorInfo SafetensorsFolder::info(std::string_view name) const {
  return file_with(name).entry(name).info;
}
void SafetensorsFolder::read(std::string_view name, std::span<float> out) const {
  file_with(name).read(name, out);
}
void SafetensorsFolder::read_rows(std::string_view name, Tile rows, std::span<float> out) const {
  file_with(name).read_rows(name, rows, out);
}
std::string SafetensorsFolder::origin() const {
  return folder_.string();
}

std::span<const std::byte> SafetensorsFolder::bytes(std::string_view name) const {
  return file_with(name).bytes(name);
}
void SafetensorsFolder::read_bytes(std::string_view name, std::span<std::byte> out) const {
  file_with(name).read_bytes(name, out);
}

std::vector<std::string> SafetensorsFolder::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : file_of_) names.push_back(name);
  return names;
}

}  // namespace tessera::model
