#include "jobs/output_folder.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/manifest.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

/// The path without the slash people type at a folder's end, which would make ".partial" a file
/// inside it.
fs::path plain(const fs::path& folder) {
  const fs::path normal = folder.lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

fs::path beside(const fs::path& output, const char* suffix) {
  return plain(output).string() + suffix;
}

void rename_folder(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw MachineError::from_errno("cannot rename " + from.string() + " to " + to.string());
  }
}

/// True when the two changed places in one step.
bool exchange(const fs::path& a, const fs::path& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

/// Where the file system cannot exchange. Between the steps OUTPUT is missing, and whole as
/// OUTPUT.old.
void replace_in_two_steps(const fs::path& partial, const fs::path& target, const fs::path& old) {
  rename_folder(target, old);
  try {
    rename_folder(partial, target);
  } catch (const MachineError&) {
    rename_folder(old, target);
    throw;
  }
}

fs::path parent_of(const fs::path& folder) {
  return folder.has_parent_path() ? folder.parent_path() : fs::path(".");
}

void sync_tree(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) sync_to_disk(entry.path());
  sync_to_disk(folder);
}

}  // namespace

fs::path partial_folder(const fs::path& output) {
  return beside(output, ".partial");
}

void require_replaceable(const fs::path& output) {
  if (!fs::exists(output)) return;
  if (fs::is_directory(output) &&
      (fs::is_empty(output) || fs::exists(output / format::kManifestName))) {
    return;
  }
  throw InputError(
      fmt::format("output.dir {} exists (and has no {}, so it was not made by this program and is "
                  "not replaced). "
                  "Name another folder, or move this one away.",
                  output.string(), format::kManifestName));
}

fs::path make_partial_folder(const fs::path& output) {
  const fs::path partial = partial_folder(output);
  std::error_code error;
  fs::remove_all(partial, error);
  if (!error) fs::create_directories(partial, error);
  if (error) {
    throw MachineError(
        fmt::format("cannot make an empty {} ({})", partial.string(), error.message()));
  }
  return partial;
}

void restore_output(const fs::path& output) {
  const fs::path target = plain(output), old = beside(output, ".old");
  if (fs::exists(target) || !fs::exists(old / format::kManifestName)) return;
  rename_folder(old, target);
  sync_to_disk(parent_of(target));
}

void publish_folder(const fs::path& output) {
  const fs::path target = plain(output);
  const fs::path partial = partial_folder(output);
  const fs::path old = beside(output, ".old");
  require_replaceable(target);
  sync_tree(partial);
  if (!fs::exists(target)) {
    rename_folder(partial, target);
  } else if (!exchange(partial, target)) {
    fs::remove_all(old);  // OUTPUT is there: this one is from a run that published
    replace_in_two_steps(partial, target, old);
  }
  sync_to_disk(parent_of(target));
  fs::remove_all(partial);
  fs::remove_all(old);
}

}  // namespace tessera::jobs
