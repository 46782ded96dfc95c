#include <array>
#include <chrono>
#include <exception>
#include <limits>
#include <utility>

#include <mpi.h>

#include "cluster/communicator.hpp"
#include "cluster/mpi_session.hpp"
#include "cluster/self_communicator.hpp"
#include "core/error.hpp"

namespace tessera::cluster {
namespace {

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(const StopFlag& stop) : stop_(stop) {
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &leaving_), "MPI_Comm_dup");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &tickets_), "MPI_Comm_dup");
  }
  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() > 0 || session_.is_abandoned) return;
    MPI_Comm_free(&tickets_);
    MPI_Comm_free(&leaving_);
  }

  std::size_t rank() const override { return static_cast<std::size_t>(rank_); }
  std::size_t size() const override { return static_cast<std::size_t>(size_); }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibarrier(MPI_COMM_WORLD, &request), "MPI_Ibarrier");
    wait(request, "MPI_Ibarrier");
  }

  std::vector<std::string> all_gather(const std::string& mine) override;
  void exchange(const std::vector<std::span<const double>>& to,
                const std::vector<std::span<double>>& from) override;

  void reset_tickets() override {
    barrier();
    next_ticket_ = 0;
    barrier();
  }

  /// Asked of the first rank by message. One-sided access would need hardware or a component that
  /// not every MPI has between nodes (Debian's Open MPI does not), and waits for no stop flag.
  std::uint64_t draw_ticket() override {
    if (is_first()) {
      progress();
      return next_ticket_++;
    }
    std::array<MPI_Request, 2> requests{};
    check(MPI_Irecv(&drawn_, 1, MPI_UINT64_T, 0, kTicketTag, tickets_, &requests[0]), "MPI_Irecv");
    check(MPI_Isend(nullptr, 0, MPI_BYTE, 0, kTicketTag, tickets_, &requests[1]), "MPI_Isend");
    wait_all(requests, "MPI_Testall");
    return drawn_;
  }

  /// The first rank answers those who wait for a ticket.
  void progress() override {
    if (session_.is_abandoned) return;
    for (;;) {
      int is_asked = 0;
      MPI_Status asker;
      check(MPI_Iprobe(MPI_ANY_SOURCE, kTicketTag, tickets_, &is_asked, &asker), "MPI_Iprobe");
      if (is_asked == 0 || !is_first()) return;
      check(
          MPI_Recv(nullptr, 0, MPI_BYTE, asker.MPI_SOURCE, kTicketTag, tickets_, MPI_STATUS_IGNORE),
          "MPI_Recv");
      check(MPI_Send(&next_ticket_, 1, MPI_UINT64_T, asker.MPI_SOURCE, kTicketTag, tickets_),
            "MPI_Send");
      ++next_ticket_;
    }
  }

  void abandon() override { session_.is_abandoned = true; }

  bool leave_together(double seconds) override {
    if (session_.is_abandoned) return false;
    session_.is_abandoned = true;
    MPI_Request request = MPI_REQUEST_NULL;
    if (MPI_Ibarrier(leaving_, &request) != MPI_SUCCESS) return false;
    int done = 0;
    bool is_late = false;
    wait_until(
        [&] { return is_late || (MPI_Test(&request, &done, MPI_STATUS_IGNORE), done != 0); },
        [&](auto waited) { is_late = std::chrono::duration<double>(waited).count() > seconds; });
    return done != 0;
  }

 private:
  void wait(MPI_Request& request, const char* call) { wait_all({&request, 1}, call); }
  void wait_all(std::span<MPI_Request> requests, const char* call) {
    int done = 0;
    wait_until(
        [&] {
          check(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                            MPI_STATUSES_IGNORE),
                call);
          return done != 0;
        },
        [&](auto) {
          if (stop_.is_set()) abandon();
          stop_.check();
          progress();
        });
  }

  MpiSession session_;
  const StopFlag& stop_;
  int rank_ = 0, size_ = 1;
  static constexpr int kTicketTag = 2;
  MPI_Comm leaving_ = MPI_COMM_NULL;
  MPI_Comm tickets_ = MPI_COMM_NULL;
  std::uint64_t next_ticket_ = 0;  ///< the first rank's counts
  std::uint64_t drawn_ = 0;
};

int as_count(std::size_t value) {
  require(value <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
          "MPI counts elements in an int; cut messages smaller");
  return static_cast<int>(value);
}

std::vector<std::string> MpiCommunicator::all_gather(const std::string& mine) {
  MPI_Request request = MPI_REQUEST_NULL;
  std::vector<int> lengths(size());
  const int length = as_count(mine.size());
  check(MPI_Iallgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD, &request),
        "MPI_Iallgather");
  wait(request, "MPI_Iallgather");
  std::vector<int> offsets(size());
  std::size_t total = 0;
  for (std::size_t r = 0; r < size(); ++r) {
    offsets[r] = as_count(total);
    total += static_cast<std::size_t>(lengths[r]);
  }
  std::string joined(total, '\0');
  check(MPI_Iallgatherv(mine.data(), length, MPI_CHAR, joined.data(), lengths.data(),
                        offsets.data(), MPI_CHAR, MPI_COMM_WORLD, &request),
        "MPI_Iallgatherv");
  wait(request, "MPI_Iallgatherv");
  std::vector<std::string> all;
  for (std::size_t r = 0; r < size(); ++r) {
    all.push_back(
        joined.substr(static_cast<std::size_t>(offsets[r]), static_cast<std::size_t>(lengths[r])));
  }
  return all;
}

void MpiCommunicator::exchange(const std::vector<std::span<const double>>& to,
                               const std::vector<std::span<double>>& from) {
  constexpr int kTag = 1;
  require(to.size() == size() && from.size() == size(), "one span a rank");
  std::vector<MPI_Request> requests;
  for (std::size_t r = 0; r < size(); ++r) {
    if (from[r].empty()) continue;
    check(MPI_Irecv(from[r].data(), as_count(from[r].size()), MPI_DOUBLE, static_cast<int>(r), kTag,
                    MPI_COMM_WORLD, &requests.emplace_back()),
          "MPI_Irecv");
  }
  for (std::size_t step = 0; step < size(); ++step) {
    const std::size_t r = (rank() + step) % size();  // not all to the same rank at once
    if (to[r].empty()) continue;
    check(MPI_Isend(to[r].data(), as_count(to[r].size()), MPI_DOUBLE, static_cast<int>(r), kTag,
                    MPI_COMM_WORLD, &requests.emplace_back()),
          "MPI_Isend");
  }
  wait_all(requests, "MPI_Testall");
}

}  // namespace

std::unique_ptr<Communicator> connect(const LaunchEnvironment& launched, const StopFlag& stop) {
  if (launched.launcher.empty()) return std::make_unique<SelfCommunicator>();
  return std::make_unique<MpiCommunicator>(stop);
}

}  // namespace tessera::cluster
