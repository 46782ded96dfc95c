#include "format/manifest.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "model/quoted_name.hpp"

namespace fs = std::filesystem;

namespace tessera::format {
namespace {

constexpr std::int64_t kVersion = 2;
constexpr std::int64_t kVersionWithoutTensors = 1;
constexpr std::size_t kMaxManifestBytes = std::size_t{64} << 20;

JsonValue object_of(const std::map<std::string, std::string>& texts) {
  JsonValue object = JsonValue::object();
  for (const auto& [key, text] : texts) object.set(key, text);
  return object;
}

std::map<std::string, std::string> texts_of(const JsonValue& object) {
  std::map<std::string, std::string> texts;
  for (const auto& [key, value] : object.entries()) texts[key] = value.text();
  return texts;
}

/// A manifest may come from anywhere: it must not make us look outside its folder.
bool is_inside(const std::string& name) {
  const fs::path path(name);
  if (name.empty() || path.is_absolute()) return false;
  return std::ranges::none_of(path, [](const fs::path& part) { return part == ".."; });
}

bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

void require_digest(const std::string& name, const std::string& digest) {
  if (is_digest(digest)) return;
  throw InputError(fmt::format("sha256 of {} is {} (64 digits of 0-9 and a-f make one)",
                               model::quote_name(name), model::quote_name(digest)));
}

std::map<std::string, FileRecord> read_files(const JsonValue& files) {
  std::map<std::string, FileRecord> records;
  for (const auto& [name, file] : files.entries()) {
    if (!is_inside(name)) {
      throw InputError(fmt::format("file {} leaves the folder", model::quote_name(name)));
    }
    const std::int64_t bytes = file.at("bytes").integer();
    const std::string& digest = file.at("sha256").text();
    if (bytes < 0)
      throw InputError(fmt::format("file {} has {} bytes", model::quote_name(name), bytes));
    require_digest(name, digest);
    records[name] = {static_cast<std::uint64_t>(bytes), digest};
  }
  return records;
}

std::map<std::string, TensorRecord> read_tensors(const JsonValue& tensors) {
  std::map<std::string, TensorRecord> records;
  for (const auto& [name, tensor] : tensors.entries()) {
    records[name] = {tensor.at("form").text(), tensor.at("sha256").text()};
    require_digest(name, records[name].sha256);
  }
  return records;
}

JsonValue files_json(const std::map<std::string, FileRecord>& records) {
  JsonValue files = JsonValue::object();
  for (const auto& [name, file] : records) {
    files.set(name, JsonValue::object().set("bytes", file.bytes).set("sha256", file.sha256));
  }
  return files;
}

JsonValue tensors_json(const std::map<std::string, TensorRecord>& records) {
  JsonValue tensors = JsonValue::object();
  for (const auto& [name, tensor] : records) {
    tensors.set(name, JsonValue::object().set("form", tensor.form).set("sha256", tensor.sha256));
  }
  return tensors;
}

}  // namespace

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (!entry.is_directory() && name != kManifestName) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

FileRecord record_of(const fs::path& file) {
  return {fs::file_size(file), digest_of_file(file)};
}

std::string manifest_text(const Manifest& manifest) {
  JsonValue document = JsonValue::object()
                           .set("manifest_version", kVersion)
                           .set("versions", object_of(manifest.versions))
                           .set("inputs", object_of(manifest.inputs))
                           .set("job", manifest.job)
                           .set("scores", manifest.scores)
                           .set("files", files_json(manifest.files))
                           .set("config", manifest.config)
                           .set("tensors", tensors_json(manifest.tensors));
  if (!manifest.degraded.empty()) document.set("degraded", object_of(manifest.degraded));
  return document.to_text(2) + "\n";
}

void write_manifest(const fs::path& folder, const Manifest& manifest) {
  write_file_atomically(folder / kManifestName, manifest_text(manifest));
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path file = folder / kManifestName;
  if (!fs::exists(file)) {
    throw InputError(
        fmt::format("{} has no {} (it is written last, so the folder is incomplete or was "
                    "not made by this program). Make it again.",
                    folder.string(), kManifestName));
  }
  const JsonValue document =
      JsonValue::parse(read_text_file(file, kMaxManifestBytes), file.string());
  try {
    const std::int64_t version = document.at("manifest_version").integer();
    if (version != kVersion && version != kVersionWithoutTensors) {
      throw InputError(fmt::format("manifest_version is {} (this program knows {} and {})", version,
                                   kVersionWithoutTensors, kVersion));
    }
    Manifest manifest;
    manifest.versions = texts_of(document.at("versions"));
    manifest.inputs = texts_of(document.at("inputs"));
    manifest.job = document.at("job").text();
    manifest.scores = document.at("scores");
    manifest.files = read_files(document.at("files"));
    if (document.contains("degraded")) manifest.degraded = texts_of(document.at("degraded"));
    if (version == kVersionWithoutTensors) return manifest;
    manifest.config = document.at("config");
    manifest.tensors = read_tensors(document.at("tensors"));
    return manifest;
  } catch (const InputError& error) {
    throw InputError(
        fmt::format("{}: {}. The folder is damaged; make it again.", file.string(), error.what()));
  }
}

std::string file_problem(const fs::path& folder, const std::string& name,
                         const FileRecord& record) {
  const fs::path file = folder / name;
  std::error_code error;
  const auto bytes = fs::file_size(file, error);
  if (error) return fmt::format("{} is missing ({}).", model::quote_name(name), error.message());
  if (bytes != record.bytes) {
    return fmt::format("{} has {} bytes (the manifest says {}).", model::quote_name(name), bytes,
                       record.bytes);
  }
  const std::string digest = digest_of_file(file);
  if (digest == record.sha256) return "";
  return fmt::format("{} was changed (its sha256 is {}, the manifest says {}).",
                     model::quote_name(name), digest, record.sha256);
}

}  // namespace tessera::format
