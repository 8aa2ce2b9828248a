// What crosses a border: rings between threads, windows between processes. Nanoseconds a value or a
// message, warm.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "client/core/message_reader.hpp"
#include "client/core/message_writer.hpp"
#include "ipc/layout.hpp"
#include "ipc/spsc_ring.hpp"

namespace {

using namespace fanfare;

struct Memory {
    explicit Memory(std::size_t bytes)
        : size((bytes + 4095) / 4096 * 4096),
          data(static_cast<std::byte*>(std::aligned_alloc(4096, size)), std::free) {
        std::memset(data.get(), 0, size);
    }
    std::span<std::byte> span() const { return {data.get(), size}; }
    std::size_t size;
    std::unique_ptr<std::byte, void (*)(void*)> data;
};

// A command's size.
struct Value {
    std::uint64_t words[8];
};

void ring_one_thread(benchmark::State& state) {
    ipc::SpscRing<Value> ring(1024);
    Value value{};
    for (auto _ : state) {
        ring.push(value);
        ring.take(value);
        benchmark::DoNotOptimize(value);
    }
}
BENCHMARK(ring_one_thread);

void ring_two_threads(benchmark::State& state) {
    ipc::SpscRing<Value> ring(1024);
    std::atomic<bool> stop{false};
    std::thread consumer([&] {
        Value value;
        while (!stop.load(std::memory_order_relaxed))
            if (!ring.take(value)) std::this_thread::yield();
    });
    Value value{};
    for (auto _ : state)
        while (!ring.push(value)) std::this_thread::yield();
    stop = true;
    consumer.join();
}
BENCHMARK(ring_two_threads)->UseRealTime();

constexpr std::uint64_t kLog = 1 << 20;
constexpr std::uint32_t kEntries = 4096;

// A window full of messages of one size, as a worker left it.
struct Window {
    explicit Window(std::size_t message_bytes)
        : memory(ipc::ReceiveLayout::for_log(kLog, kEntries).total_bytes),
          page_memory(4096),
          parts(ipc::ReceiveLayout::for_log(kLog, kEntries).init(memory.span(), 1)),
          messages(
              std::min<std::uint64_t>(kEntries, kLog / std::max<std::size_t>(message_bytes, 1)) -
              1) {
        for (std::uint64_t i = 0; i < messages; ++i)
            parts.index[(kFirst + i) % kEntries] = {
                static_cast<std::uint32_t>(kFirst + i),
                static_cast<std::uint32_t>(i * message_bytes),
                static_cast<std::uint16_t>(message_bytes),
                kEntryData | kEntryMessageBegin | kEntryMessageEnd,
                static_cast<std::uint32_t>(message_bytes)};
        parts.header->reserved_log = messages * message_bytes;
        parts.header->reserved_ordinal = kFirst + messages;
        parts.header->start_ordinal = kFirst;
        parts.header->lead = kFirst + messages;
    }
    static constexpr std::uint64_t kFirst = std::uint64_t{1} << 32;
    Memory memory, page_memory;
    ipc::ReceiveParts parts;
    std::uint64_t messages;
};

void read_message(benchmark::State& state) {
    const auto bytes = static_cast<std::size_t>(state.range(0));
    Window window(bytes);
    auto* page = ipc::init_socket_page(window.page_memory.span(), 1, 0);
    client::MessageReader reader(*ipc::ReceiveView::open(window.memory.span()), *page,
                                 client::ReadMode::message);
    std::vector<std::byte> room(bytes);
    reader.place(Window::kFirst);
    for (auto _ : state)
        if (reader.try_recv(room).status != client::ReadStatus::data) reader.place(Window::kFirst);
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read_message)->Arg(32)->Arg(64)->Arg(288)->Arg(1344);

void view_messages(benchmark::State& state) {
    const auto bytes = static_cast<std::size_t>(state.range(0));
    Window window(bytes);
    auto* page = ipc::init_socket_page(window.page_memory.span(), 1, 0);
    client::MessageReader reader(*ipc::ReceiveView::open(window.memory.span()), *page,
                                 client::ReadMode::message);
    std::array<client::ReceivedView, 32> views;
    reader.place(Window::kFirst);
    std::int64_t messages = 0;
    for (auto _ : state) {
        std::size_t count = 0;
        reader.peek(views, count);
        if (count == 0) reader.place(Window::kFirst);
        reader.consume(std::span(views).first(count));
        messages += static_cast<std::int64_t>(count);
    }
    state.SetItemsProcessed(messages);
}
BENCHMARK(view_messages)->Arg(64)->Arg(1344);

// One message written and its room given back at once.
void write_message(benchmark::State& state) {
    const auto bytes = static_cast<std::size_t>(state.range(0));
    const auto layout = ipc::SendLayout::for_log(kLog);
    Memory memory(layout.total_bytes), page_memory(4096);
    const auto parts = layout.init(memory.span(), 1, ipc::SendFormat::message, 1400, 1380);
    auto* page = ipc::init_socket_page(page_memory.span(), 1, 0);
    client::MessageWriter writer(*ipc::SendView::open(memory.span()), *page);
    const std::vector<std::byte> data(bytes, std::byte{7});
    for (auto _ : state) {
        writer.try_send(data);
        parts.header->limit.store(writer.published() + kLog, std::memory_order_relaxed);
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(write_message)->Arg(32)->Arg(64)->Arg(288)->Arg(1344)->Arg(32768);

}  // namespace

BENCHMARK_MAIN();
