#include "jobs/ledger.hpp"

#include <chrono>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/atomic_file.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

constexpr std::size_t kMaxLedgerBytes = std::size_t{4} << 30;

/// Empty when the lock was taken; else why there is none to take.
std::string lock(const Descriptor& file, const fs::path& path) {
  constexpr int kTries = 600;  // a minute: a holder reads, compares and appends one line
  for (int i = 0; i < kTries; ++i) {
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return "";
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) {
      return fmt::format(
          "{} cannot be locked (the file system has no locks). Let no two runs append at once.",
          path.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw MachineError(
      fmt::format("{} is locked by another process for a minute (a row is appended in less than a "
                  "second). Look "
                  "for a process that hangs there, then try again.",
                  path.string()));
}

Ledger parse(std::string_view content, const fs::path& file) {
  Ledger ledger;
  for (std::size_t number = 1; !content.empty(); ++number) {
    const auto end = content.find('\n');
    const std::string_view text = content.substr(0, end);
    content.remove_prefix(end == std::string_view::npos ? content.size() : end + 1);
    if (text.empty()) continue;
    const std::string origin = fmt::format("{}, line {}", file.string(), number);
    JsonValue json;
    try {
      json = JsonValue::parse(text, origin);
    } catch (const InputError&) {
      ledger.remarks.push_back(
          fmt::format("{} is left out ({} bytes that are no whole line of JSON; it was cut short "
                      "while it was written, or damaged since)",
                      origin, text.size()));
      continue;
    }
    ledger.rows.push_back(ledger_row_from_json(json, origin));
  }
  return ledger;
}

}  // namespace

Ledger read_ledger(const fs::path& file) {
  if (!fs::exists(file)) return {};
  return parse(read_text_file(file, kMaxLedgerBytes), file);
}

Ledger append_to_ledger(const fs::path& file,
                        const std::function<std::optional<LedgerRow>(const Ledger&)>& row_after) {
  if (file.has_parent_path()) fs::create_directories(file.parent_path());
  const Descriptor out(file, O_WRONLY | O_APPEND | O_CREAT);
  const std::string no_lock = lock(out, file);
  const std::string content = read_text_file(file, kMaxLedgerBytes);
  Ledger ledger = parse(content, file);
  if (!no_lock.empty()) ledger.remarks.push_back(no_lock);

  std::optional<LedgerRow> row = row_after(ledger);
  if (!row) return ledger;
  // What was cut short stays, on a line of its own: the new row must not be glued to it.
  const bool is_torn = !content.empty() && content.back() != '\n';
  write_all(out, (is_torn ? "\n" : "") + to_json(*row).to_text() + "\n", file);
  if (::fsync(out.get()) != 0) throw MachineError::from_errno("cannot flush " + file.string());
  ledger.rows.push_back(std::move(*row));
  return ledger;
}

}  // namespace tessera::jobs
