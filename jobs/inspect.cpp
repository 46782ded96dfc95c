#include "jobs/inspect.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "format/residual_file.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

[[noreturn]] void refuse(const fs::path& path, const char* why) {
  throw InputError(fmt::format(
      "{} {}. Name a model folder, an output, a work folder, a .safetensors file, the index of "
      "residuals or an .h5 file.",
      path.string(), why));
}

JsonValue contents_of(const fs::path& path) {
  if (fs::is_directory(path)) {
    if (fs::exists(path / "config.json")) return inspect_model_folder(path);
    if (fs::exists(path / "journal.jsonl")) return inspect_work_folder(path);
    if (format::holds_residuals(path)) return inspect_residuals(path);
    refuse(path, "is a folder with neither config.json nor journal.jsonl");
  }
  if (!fs::exists(path)) refuse(path, "does not exist");
  if (format::holds_residuals(path)) return inspect_residuals(path);
  if (path.extension() == ".safetensors") return inspect_safetensors_file(path);
  if (path.extension() == ".h5") return inspect_work_file(path);
  refuse(path, "is no kind of file that this program knows by its ending");
}

}  // namespace

JsonValue inspect(const fs::path& path) {
  const JsonValue contents = contents_of(path);
  JsonValue document = JsonValue::object();
  document.set("path", path.string());
  for (const auto& [key, value] : contents.entries()) document.set(key, value);
  return document;
}

}  // namespace tessera::jobs
