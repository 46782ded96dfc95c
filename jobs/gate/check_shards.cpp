#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/residual_tensors.hpp"
#include "jobs/gate/checks.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_index.hpp"

namespace tessera::jobs {
namespace {

using model::quote_name;

void check_headers(const OutputFiles& files, Verdict& verdict) {
  for (const WeightFile& file : files.weights()) {
    if (!file.content) verdict.add("shards", file.name, file.problem);
    if (is_of_stem(file.name, model::kModelStem)) continue;
    if (is_of_stem(file.name, format::kResidualStem)) continue;
    verdict.add("shards", file.name,
                fmt::format("{} holds weights under a name that no reader looks for (stale "
                            "weights?). Remove it.",
                            quote_name(file.name)));
  }
}

void check_twice(const OutputFiles& files, Verdict& verdict) {
  for (const auto& [tensor, holders] : files.tensors()) {
    if (holders.size() < 2) continue;
    std::vector<std::string> names;
    for (const WeightFile* file : holders) names.push_back(file->name);
    verdict.add("shards", tensor,
                fmt::format("tensor {} lies in {} files ({}).", quote_name(tensor), names.size(),
                            fmt::join(names, ", ")));
  }
}

/// Without an index there is one file.
void check_single(const OutputFiles& files, std::string_view stem, Verdict& verdict) {
  const std::string single = model::shard_file_name(0, 1, stem);
  for (const WeightFile* file : files.of_stem(stem)) {
    if (file->name == single) continue;
    verdict.add(
        "shards", file->name,
        fmt::format("{} is a shard that no index names ({}). Remove it.", quote_name(file->name),
                    files.has(single) ? single + " holds the weights" : "the index is missing"));
  }
}

void check_place(const OutputFiles& files, const std::string& index, const std::string& tensor,
                 const std::string& shard, Verdict& verdict) {
  if (!files.has(shard)) {
    verdict.add("shards", shard,
                fmt::format("{} names {}, which is missing.", index, quote_name(shard)));
    return;
  }
  const auto found = files.tensors().find(tensor);
  if (found != files.tensors().end()) {
    for (const WeightFile* file : found->second) {
      if (file->name == shard) return;
    }
  }
  for (const WeightFile& file : files.weights()) {
    if (file.name == shard && !file.content) return;  // a damaged header says nothing of tensors
  }
  verdict.add("shards", tensor,
              fmt::format("tensor {} is said to lie in {} by {}, and does not.", quote_name(tensor),
                          quote_name(shard), index));
}

void check_index(const OutputFiles& files, std::string_view stem, Verdict& verdict) {
  const std::string name = model::index_file_name(stem);
  const std::string single = model::shard_file_name(0, 1, stem);
  if (files.has(single)) {
    verdict.add("shards", name,
                fmt::format("{} lies beside {} (readers take one or the other). Remove the one "
                            "that is stale.",
                            name, single));
    return;
  }
  model::ShardIndex index;
  try {
    index = model::parse_safetensors_index(
        read_text_file(files.folder() / name, model::kMaxIndexBytes), name);
  } catch (const InputError& error) {
    verdict.add("shards", name, error.what());
    return;
  }
  for (const auto& [tensor, shard] : index) check_place(files, name, tensor, shard, verdict);
  for (const WeightFile* file : files.of_stem(stem)) {
    bool is_named = false;
    for (const auto& [tensor, shard] : index) is_named = is_named || shard == file->name;
    if (!is_named) {
      verdict.add("shards", file->name,
                  fmt::format("{} is a shard that {} does not name (stale weights?). Remove it.",
                              quote_name(file->name), name));
    }
    if (!is_named || !file->content) continue;
    for (const std::string& tensor : file->content->names()) {
      const auto listed = index.find(tensor);
      if (listed != index.end() && listed->second == file->name) continue;
      verdict.add("shards", tensor,
                  fmt::format("tensor {} lies in {}, where {} does not name it.",
                              quote_name(tensor), quote_name(file->name), name));
    }
  }
}

}  // namespace

void check_shards(const OutputFiles& files, Verdict& verdict) {
  verdict.check("shards").num_looked_at = files.weights().size();
  check_headers(files, verdict);
  check_twice(files, verdict);
  for (const std::string_view stem : {model::kModelStem, format::kResidualStem}) {
    if (files.has(model::index_file_name(stem))) {
      check_index(files, stem, verdict);
    } else {
      check_single(files, stem, verdict);
    }
  }
}

}  // namespace tessera::jobs
