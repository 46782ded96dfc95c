#include "jobs/assembled_shards.hpp"

#include <set>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/digest.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/settings/describe_job.hpp"

namespace tessera::jobs {
namespace {

constexpr const char* kKind = "assembled";
constexpr std::string_view kFolder = "assembled/";

std::string digests_text(const WorkFolder& work, const std::string& file) {
  return fmt::format("{}", fmt::join(work.digests_of(file), " "));
}

/// The solved layer that "model.layers.3.mlp.up_proj.centroids.weight" belongs to; empty: none.
std::string layer_of(const std::string& tensor, const std::map<std::string, std::string>& layers) {
  for (std::string name = tensor; name.find('.') != std::string::npos;) {
    name.resize(name.rfind('.'));
    if (layers.contains(name)) return name;
  }
  return "";
}

}  // namespace

std::string assembled_file(const std::string& shard) {
  return std::string(kFolder) + shard + ".h5";
}

std::map<std::string, AssembledShard> assembled_shards(const WorkFolder& work) {
  std::map<std::string, AssembledShard> shards;
  for (const std::string& file : work.committed_below(std::string(kFolder))) {
    if (!work.is_intact(file)) continue;  // then the shard is written again
    const std::string name = file.substr(kFolder.size(), file.size() - kFolder.size() - 3);
    work.load(file, kKind, shards[name]);
  }
  return shards;
}

AssembledShards::AssembledShards(const PreparedRun& prepared, WorkFolder& work)
    : prepared_(prepared), work_(work), known_(assembled_shards(work)) {
  Digest base;
  base.add_text(TESSERA_VERSION)
      .add_text(name_of_value(prepared.job.output.format))
      .add_text(name_of_value(prepared.job.output.dtype));
  for (const auto& [file, digest] : prepared.input_digests) base.add_text(file).add_text(digest);
  for (const std::string& file : work.committed_below("equalized/")) {
    base.add_text(file).add_text(digests_text(work, file));
  }
  base_ = base.hex();
  for (const LayerUnit& unit : prepared.units) {
    std::string& digests = digests_of_layer_[unit.layer.name];
    for (const std::string& file : files_of(prepared, unit.layer)) {
      digests += digests_text(work, file) + ";";
    }
  }
}

AssembledShard AssembledShards::recipe_of(const std::vector<model::TensorToWrite>& tensors,
                                          std::span<const std::size_t> members,
                                          const model::Metadata& metadata) const {
  Digest recipe;
  recipe.add_text(base_);
  std::set<std::string> layers;
  for (const std::size_t i : members) {
    const model::TensorToWrite& tensor = tensors[i];
    const std::string layer = layer_of(tensor.name, digests_of_layer_);
    recipe.add_text(tensor.name).add_text(tensor.info.to_text());
    if (layer.empty()) continue;
    recipe.add_text(digests_of_layer_.at(layer));
    layers.insert(layer);
  }
  for (const auto& [key, value] : metadata) recipe.add_text(key).add_text(value);
  return {recipe.hex(), "", {layers.begin(), layers.end()}};
}

std::optional<Path> AssembledShards::find(const AssembledShard& wanted) const {
  for (const auto& [file, shard] : known_) {
    if (shard.recipe != wanted.recipe) continue;
    const Path published = prepared_.job.output.dir / file;
    if (std::filesystem::exists(published) && digest_of_file(published) == shard.digest) {
      return published;
    }
  }
  return std::nullopt;
}

void AssembledShards::commit(const std::string& file, const AssembledShard& shard) {
  const auto known = known_.find(file);
  if (known != known_.end() && known->second.recipe == shard.recipe &&
      known->second.digest == shard.digest) {
    return;
  }
  work_.commit(assembled_file(file), kKind, shard);
}

}  // namespace tessera::jobs
