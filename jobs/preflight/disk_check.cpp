#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "core/atomic_file.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "core/random.hpp"
#include "jobs/preflight/checks.hpp"
#include "jobs/preflight/probe_file.hpp"

namespace tessera::jobs {
namespace {

constexpr std::size_t kPiece = std::size_t{4} << 20;  // bytes
constexpr std::size_t kMostPieces = 64;
constexpr double kShareSeconds = 4;  // of the preflight, for writing
constexpr double kSlow = 20e6;       // bytes a second

using Clock = std::chrono::steady_clock;
using Piece = std::vector<std::uint64_t>;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Numbers that no file system can guess, or keep in fewer bytes.
Piece random_piece(std::size_t rank) {
  const CounterRandom random(rank, "preflight", "disk");
  Piece piece(kPiece / sizeof(std::uint64_t));
  for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = random.bits(i);
  return piece;
}

/// One more, behind @p before bytes.
void write_piece(const Descriptor& out, const Piece& piece, const std::filesystem::path& file,
                 std::size_t before) {
  try {
    write_all(out, std::as_bytes(std::span(piece)), file);
  } catch (const MachineError& error) {
    throw MachineError(
        fmt::format("after {}: {}", bytes_text(static_cast<double>(before)), error.what()));
  }
}

/// Pieces written until the share of time was over; the last thing done is a flush.
std::size_t write_and_flush(RunContext& run, const std::filesystem::path& file,
                            const Piece& piece) {
  const Descriptor out(file, O_WRONLY | O_CREAT | O_TRUNC);
  const auto start = Clock::now();
  std::size_t count = 0;
  while (count < kMostPieces && seconds_since(start) < kShareSeconds) {
    run.stop.check();
    write_piece(out, piece, file, count * kPiece);
    ++count;
  }
  if (::fsync(out.get()) != 0) {
    throw MachineError::from_errno("cannot flush " + file.string());
  }
  return count;
}

/// From the disk where the system can forget what it has in memory.
void read_back(const std::filesystem::path& file, const Piece& piece, std::size_t count) {
  const Descriptor in(file, O_RDONLY);
  ::posix_fadvise(in.get(), 0, 0, POSIX_FADV_DONTNEED);
  Piece found(piece.size());
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t done = 0;
    while (done < kPiece) {
      const ssize_t got =
          ::read(in.get(), reinterpret_cast<std::byte*>(found.data()) + done, kPiece - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw MachineError::from_errno("cannot read " + file.string());
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    if (done == kPiece && found == piece) continue;
    throw MachineError(
        fmt::format("{} gives back other bytes than were written, from byte {} on "
                    "(its disk or its server is damaged). Use another file system.",
                    file.parent_path().string(), i * kPiece));
  }
}

}  // namespace

Finding check_disk(RunContext& run, const std::filesystem::path& folder) {
  const std::string name = fmt::format("disk-{}-{}", run.comm.rank(), ::getpid());
  ProbeFile file(folder, name);
  const Piece piece = random_piece(run.comm.rank());
  const auto start = Clock::now();
  const std::size_t count = write_and_flush(run, file.path(), piece);
  const double rate = static_cast<double>(count * kPiece) / std::max(seconds_since(start), 1e-9);
  file.rename_to(file.path().string() + "-whole");
  sync_to_disk(file.path().parent_path());
  read_back(file.path(), piece, count);
  const std::string written = fmt::format("{} written, flushed, renamed and read back in {}",
                                          bytes_text(static_cast<double>(count * kPiece)),
                                          file.path().parent_path().string());
  if (rate >= kSlow) return {Verdict::ok, rate, "bytes/s", written};
  return {
      Verdict::warning, rate, "bytes/s",
      fmt::format("{}, at {}/s a rank (below {}/s a run waits for its files). Use a faster file "
                  "system, or fewer ranks.",
                  written, bytes_text(rate), bytes_text(kSlow))};
}

}  // namespace tessera::jobs
