#include "cluster/agreement.hpp"

#include <exception>
#include <filesystem>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::cluster {
namespace {

enum class Kind : char { none = '0', input = 'i', machine = 'm', interrupted = 's', bug = 'b' };

struct Failure {
  Kind kind = Kind::none;
  std::string message;

  std::string to_text() const { return static_cast<char>(kind) + message; }
  static Failure from_text(const std::string& text) {
    return {static_cast<Kind>(text.at(0)), text.substr(1)};
  }
};

Failure classify(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Interrupted& e) {
    return {Kind::interrupted, e.what()};
  } catch (const InputError& e) {
    return {Kind::input, e.what()};
  } catch (const Error& e) {
    return {Kind::machine, e.what()};
  } catch (const std::filesystem::filesystem_error& e) {
    return {Kind::machine, e.what()};
  } catch (const std::bad_alloc&) {
    return {Kind::machine, "out of memory"};
  } catch (const std::exception& e) {
    return {Kind::bug, e.what()};
  }
}

[[noreturn]] void throw_as(const Failure& failure, std::size_t rank) {
  const std::string text = fmt::format("rank {}: {}", rank, failure.message);
  if (failure.kind == Kind::input) throw InputError(text);
  if (failure.kind == Kind::interrupted) throw Interrupted(failure.message);
  if (failure.kind == Kind::bug) throw Bug(text);
  throw MachineError(text);
}

}  // namespace

void agree_on(Communicator& comm, const std::function<void()>& step) {
  std::exception_ptr error;
  Failure mine;
  try {
    step();
  } catch (...) {
    error = std::current_exception();
    mine = classify(error);
  }
  if (comm.size() == 1) {
    if (error) std::rethrow_exception(error);
    return;
  }
  const auto all = comm.all_gather(mine.to_text());
  for (std::size_t r = 0; r < all.size(); ++r) {
    const Failure failure = Failure::from_text(all[r]);
    if (failure.kind == Kind::none) continue;
    if (r == comm.rank()) std::rethrow_exception(error);
    throw_as(failure, r);
  }
}

void on_first_rank(Communicator& comm, const std::function<void()>& step) {
  agree_on(comm, [&] {
    if (comm.is_first()) step();
  });
}

std::string broadcast(Communicator& comm, const std::string& text) {
  return comm.all_gather(comm.is_first() ? text : "").front();
}

}  // namespace tessera::cluster
