#pragma once
#include <cstddef>
#include <functional>
#include <memory>

namespace tessera {

/// A fixed team of threads that share out numbered tasks. Passed by reference to whatever may use
/// it; never global.
///
/// What keeps results independent of the number of threads is not here but in the callers: a task's
/// extent is fixed by the problem's shape, it is computed by one thread with sequential kernels,
/// and tasks write to disjoint places.
class Threads {
 public:
  /// @p count threads, the caller's included; 0: the cores this process may use.
  explicit Threads(std::size_t count = 0);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  std::size_t count() const;

  /// Calls @p poll on the calling thread before each of its tasks. What it throws ends the for_each
  /// as a task's exception does: so a run can be interrupted within a tile of work.
  void poll_with(std::function<void()> poll);

  /// Calls task(0) ... task(num_tasks - 1), each once, in any order, and returns when all are done.
  /// The first exception of a task is rethrown here after the others have stopped. Not reentrant: a
  /// task calls sequential code only.
  void for_each(std::size_t num_tasks, const std::function<void(std::size_t)>& task);

  /// The cores the process may use (its affinity mask), at least 1.
  static std::size_t cores_available();

 private:
  struct Team;
  std::unique_ptr<Team> team_;
};

/// Half-open range of tile @p index when @p size elements are cut into tiles of @p tile; the last
/// may be short.
struct Tile {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};
inline std::size_t num_tiles(std::size_t size, std::size_t tile) {
  return (size + tile - 1) / tile;
}
inline Tile tile_at(std::size_t index, std::size_t tile, std::size_t size) {
  const std::size_t begin = index * tile;
  return {begin, begin + tile < size ? begin + tile : size};
}

}  // namespace tessera
