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

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMaxManifestBytes = std::size_t{64} << 20;

std::vector<std::string> names_below(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) names.push_back(entry.path().lexically_relative(folder).string());
  }
  std::ranges::sort(names);
  return names;
}

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
    if (!is_digest(digest)) {
      throw InputError(fmt::format("sha256 of {} is {} (64 digits of 0-9 and a-f make one)",
                                   model::quote_name(name), model::quote_name(digest)));
    }
    records[name] = {static_cast<std::uint64_t>(bytes), digest};
  }
  return records;
}

}  // namespace

std::map<std::string, FileRecord> record_files(const fs::path& folder) {
  std::map<std::string, FileRecord> files;
  for (const std::string& name : names_below(folder)) {
    if (name == kManifestName) continue;
    files[name] = {fs::file_size(folder / name), digest_of_file(folder / name)};
  }
  return files;
}

std::string manifest_text(const Manifest& manifest) {
  JsonValue files = JsonValue::object();
  for (const auto& [name, file] : manifest.files) {
    files.set(name, JsonValue::object().set("bytes", file.bytes).set("sha256", file.sha256));
  }
  const JsonValue document = JsonValue::object()
                                 .set("manifest_version", kVersion)
                                 .set("versions", object_of(manifest.versions))
                                 .set("inputs", object_of(manifest.inputs))
                                 .set("job", manifest.job)
                                 .set("scores", manifest.scores)
                                 .set("files", std::move(files));
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
    if (const auto version = document.at("manifest_version").integer(); version != kVersion) {
      throw InputError(
          fmt::format("manifest_version is {} (this program knows {})", version, kVersion));
    }
    Manifest manifest;
    manifest.versions = texts_of(document.at("versions"));
    manifest.inputs = texts_of(document.at("inputs"));
    manifest.job = document.at("job").text();
    manifest.scores = document.at("scores");
    manifest.files = read_files(document.at("files"));
    return manifest;
  } catch (const InputError& error) {
    throw InputError(
        fmt::format("{}: {}. The folder is damaged; make it again.", file.string(), error.what()));
  }
}

std::vector<std::string> verify_files(const fs::path& folder, const Manifest& manifest) {
  std::vector<std::string> problems;
  for (const auto& [name, record] : manifest.files) {
    const fs::path file = folder / name;
    std::error_code error;
    const auto bytes = fs::file_size(file, error);
    if (error) {
      problems.push_back(
          fmt::format("{} is missing ({}).", model::quote_name(name), error.message()));
    } else if (bytes != record.bytes) {
      problems.push_back(fmt::format("{} has {} bytes (the manifest says {}).",
                                     model::quote_name(name), bytes, record.bytes));
    } else if (const std::string digest = digest_of_file(file); digest != record.sha256) {
      problems.push_back(fmt::format("{} was changed (its sha256 is {}, the manifest says {}).",
                                     model::quote_name(name), digest, record.sha256));
    }
  }
  for (const std::string& name : names_below(folder)) {
    if (name.ends_with(".safetensors") && !manifest.files.contains(name)) {
      problems.push_back(
          fmt::format("{} is not in the manifest (stale weights?).", model::quote_name(name)));
    }
  }
  return problems;
}

}  // namespace tessera::format
