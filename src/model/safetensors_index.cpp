#include "model/safetensors_index.hpp"

#include <set>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "model/quoted_name.hpp"

namespace tessera::model {
namespace {

bool is_plain_file_name(std::string_view name) {
  constexpr std::string_view kEnding = ".safetensors";
  if (!name.ends_with(kEnding) || name.size() == kEnding.size()) return false;
  for (const char c : name) {
    if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20) return false;
  }
  return true;
}

}  // namespace

ShardIndex parse_safetensors_index(std::string_view json, const std::string& origin) {
  require_input(json.size() <= kMaxIndexBytes,
                fmt::format("{} is {} bytes long (at most {} are expected of an index)", origin,
                            json.size(), kMaxIndexBytes));
  const JsonValue document = JsonValue::parse(json, origin);
  if (!document.is_object() || !document.contains("weight_map") ||
      !document.at("weight_map").is_object()) {
    throw InputError(
        fmt::format("{} has no object weight_map (tensor name -> shard). Fetch it again.", origin));
  }
  ShardIndex index;
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : document.at("weight_map").entries()) {
    if (!shard.is_text() || !is_plain_file_name(shard.text())) {
      throw InputError(
          fmt::format("{}: tensor {} is said to lie in {} (the name of a .safetensors file "
                      "beside the index is expected, without path parts)",
                      origin, quote_name(tensor),
                      shard.is_text() ? quote_name(shard.text()) : "something unnamed"));
    }
    shards.insert(shard.text());
    if (shards.size() > kMaxShards) {
      throw InputError(fmt::format("{} names more than {} shards", origin, kMaxShards));
    }
    index.emplace(tensor, shard.text());
  }
  require_input(!index.empty(), fmt::format("{}: weight_map is empty", origin));
  return index;
}

std::string safetensors_index_json(const ShardIndex& index, std::size_t total_bytes) {
  nlohmann::ordered_json document;
  document["metadata"]["total_size"] = total_bytes;
  // Through nlohmann::json, whose objects are maps: ordered_json and JsonValue look a new key up
  // linearly.
  document["weight_map"] = nlohmann::json(index);
  return document.dump(2) + "\n";
}

std::string shard_file_name(std::size_t shard, std::size_t num_shards, std::string_view stem) {
  require(shard < num_shards, "a shard's number is below their count");
  if (num_shards == 1) return fmt::format("{}.safetensors", stem);
  return fmt::format("{}-{:05}-of-{:05}.safetensors", stem, shard + 1, num_shards);
}

std::string index_file_name(std::string_view stem) {
  return fmt::format("{}.safetensors.index.json", stem);
}

}  // namespace tessera::model
