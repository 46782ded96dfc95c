#include "jobs/run_record.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "core/digest.hpp"
#include "jobs/plan.hpp"

namespace tessera::jobs {

JsonValue run_line(const Fingerprint& fingerprint, const std::string& id, const RunSize& size) {
  return JsonValue::object()
      .set("run", fingerprint.to_json())
      .set("id", id)
      .set("size",
           JsonValue::object().set("blocks", size.num_blocks).set("layers", size.num_layers));
}

JsonValue stage_line(const std::string& stage, double seconds, std::uint64_t peak_memory_bytes) {
  return JsonValue::object()
      .set("stage", stage)
      .set("seconds", seconds)
      .set("peak_memory_bytes", peak_memory_bytes);
}

JsonValue commit_line(const std::string& file, const std::string& digest) {
  return JsonValue::object().set("commit", file).set("sha256", digest);
}

JsonValue finished_line(const std::string& manifest_digest, const std::string& commits) {
  return JsonValue::object().set("finished", manifest_digest).set("commits", commits);
}

void RunRecord::take(const JsonValue& line) {
  if (line.contains("run")) {
    forget();
    run_ = Fingerprint::from_json(line.at("run"));
    run_id_ = line.at("id").text();
    const JsonValue& size = line.at("size");
    size_ = {static_cast<std::size_t>(size.at("blocks").integer()),
             static_cast<std::size_t>(size.at("layers").integer())};
  } else if (line.contains("commit")) {
    committed_[line.at("commit").text()].insert(line.at("sha256").text());
  } else if (line.contains("stage")) {
    seconds_[line.at("stage").text()] += line.at("seconds").number();
    peak_memory_bytes_ = std::max(
        peak_memory_bytes_, static_cast<std::uint64_t>(line.at("peak_memory_bytes").integer()));
  } else if (line.contains("finished")) {
    finished_ = line.at("finished").text();
    finished_commits_ = line.at("commits").text();
  }
}

std::vector<std::string> RunRecord::committed_below(const std::string& prefix) const {
  std::vector<std::string> files;
  for (const auto& [file, digests] : committed_) {
    if (file.starts_with(prefix)) files.push_back(file);
  }
  return files;
}

std::size_t RunRecord::num_calibrated() const {
  std::set<std::string> blocks;
  for (const std::string& file : committed_below("calibration/")) {
    if (file.find("/statistics-") != std::string::npos)
      blocks.insert(file.substr(0, file.rfind('/')));
  }
  return blocks.size();
}

std::size_t RunRecord::num_solved() const {
  return committed_below("solved/").size();
}

std::string RunRecord::how_far() const {
  if (finished_manifest()) return "finished";
  return fmt::format("calibrated {} of {} blocks, solved {} of {} layers", num_calibrated(),
                     size_.num_blocks, num_solved(), size_.num_layers);
}

double RunRecord::seconds_of(const std::string& stage) const {
  const auto found = seconds_.find(stage);
  return found == seconds_.end() ? 0 : found->second;
}

std::string RunRecord::digest_of_commits() const {
  Digest digest;
  for (const auto& [file, digests] : committed_) {
    if (is_hidden_file(file)) continue;
    digest.add_text(file);
    for (const std::string& one : digests) digest.add_text(one);
  }
  return digest.hex();
}

std::optional<std::string> RunRecord::finished_manifest() const {
  if (!finished_ || finished_commits_ != digest_of_commits()) return std::nullopt;
  return finished_;
}

std::vector<JsonValue> RunRecord::lines_without(const std::set<std::string>& made_again,
                                                const Fingerprint& fingerprint) const {
  std::vector<JsonValue> lines = {run_line(fingerprint, run_id_, size_)};
  for (const auto& [file, digests] : committed_) {
    if (made_again.contains(file)) continue;
    for (const std::string& digest : digests) lines.push_back(commit_line(file, digest));
  }
  for (const auto& [stage, seconds] : seconds_) {
    lines.push_back(stage_line(stage, seconds, peak_memory_bytes_));
  }
  return lines;
}

}  // namespace tessera::jobs
