#include "jobs/journal.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "core/atomic_file.hpp"
#include "core/descriptor.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

constexpr std::size_t kCheckDigits = 8;

/// A line and, behind a blank, the first digits of its SHA-256: a flipped bit can leave good JSON
/// that says something else.
std::string with_check(const std::string& text) {
  return text + ' ' + digest_of_text(text).substr(0, kCheckDigits);
}

std::string_view without_check(std::string_view line) {
  if (line.size() <= kCheckDigits) throw InputError("cut short");
  const std::string_view text = line.substr(0, line.size() - kCheckDigits - 1);
  if (with_check(std::string(text)) != line) throw InputError("damaged");
  return text;
}

}  // namespace

Journal::Journal(fs::path file) : file_(std::move(file)) {
  if (!fs::exists(file_)) return;
  const std::string content = read_text_file(file_);
  std::string_view rest = content;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    try {
      // A last line without its newline was being written when the machine stopped.
      if (end == std::string_view::npos) throw InputError("cut short");
      lines_.push_back(JsonValue::parse(without_check(text), file_.string()));
      if (!lines_.back().is_object()) {
        lines_.pop_back();
        throw InputError("no object");
      }
    } catch (const InputError&) {
      ++num_damaged_;
    }
  }
}

void Journal::rewrite() {
  std::string content;
  for (const JsonValue& line : lines_) content += with_check(line.to_text()) + "\n";
  write_file_atomically(file_, content);
}

void Journal::replace(std::vector<JsonValue> lines) {
  lines_ = std::move(lines);
  rewrite();
  is_mended_ = true;
}

void Journal::append(const JsonValue& line) {
  if (!is_mended_ && (num_damaged_ > 0 || !fs::exists(file_))) rewrite();
  is_mended_ = true;
  const Descriptor out(file_, O_WRONLY | O_APPEND);
  write_all(out, with_check(line.to_text()) + "\n", file_);
  if (::fdatasync(out.get()) != 0) {
    throw MachineError::from_errno("cannot flush " + file_.string());
  }
  lines_.push_back(line);
}

std::filesystem::path journal_file(const std::filesystem::path& root, std::size_t rank) {
  return root / (rank == 0 ? "journal.jsonl" : fmt::format("journal-rank-{:05}.jsonl", rank));
}

std::vector<std::filesystem::path> later_journals(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(root, none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("journal-rank-") && name.ends_with(".jsonl")) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace tessera::jobs
