#include "row_derivatives.hpp"

#include <algorithm>
#include <optional>

#include "affine_in_parts.hpp"
#include "backward.hpp"
#include "forward.hpp"
#include "loss.hpp"
#include "tangents.hpp"
#include "tile_loop.hpp"

namespace deltarule {
namespace {

// n columns of rows with stride ld, to rows without gaps or from them.
template <class T>
void pack_rows(int64_t rows, int64_t n, const T* from, int64_t ld, T* to) {
  for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * ld, n, to + r * n);
}
template <class T>
void unpack_rows(int64_t rows, int64_t n, const T* from, T* to, int64_t ld) {
  for (int64_t r = 0; r < rows; ++r) std::fill(std::copy_n(from + r * n, n, to + r * ld), to + (r + 1) * ld, T(0));
}

// W[1] as [n_1][n_0]: the recursion to dL/dx needs it, training does not.
template <class T>
class FirstLayer {
 public:
  explicit FirstLayer(const Parameters<T>& theta) : layer_(theta.layer(1)), W_(theta.W(1)), ld_(layer_.ld) {
    if (layer_.narrow) return;
    ld_ = row_stride<T>(layer_.n_in);
    transposed_ = make_buffer<T>(layer_.n_out * ld_);
    kernels<T>().transpose(layer_.n_in, layer_.n_out, W_, layer_.ld, transposed_.get(), ld_);
    W_ = transposed_.get();
  }
  // dx = W[1]^T delta[1], padded.
  void backward(int64_t rows, const T* delta, int64_t ld_delta, T* dx, int64_t ldx, const BreakOff& breaks_off) const {
    affine_in_parts<T>(rows, layer_.n_out, padded<T>(layer_.n_in), {delta, ld_delta, nullptr}, W_, ld_, nullptr, false,
                       dx, ldx, breaks_off);
  }

 private:
  const LayerLayout& layer_;
  const T* W_;
  int64_t ld_;
  Buffer<T> transposed_;
};

// Row r to rows r * copies and on, of z and a of every layer.
template <class T>
void repeat_rows(const Architecture& architecture, int64_t rows, int64_t copies, LayerValues<T>& state) {
  for (int64_t l = 1; copies > 1 && l <= architecture.layers(); ++l) {
    const int64_t n = padded<T>(architecture.sizes[l]);
    for (int64_t r = rows - 1; r >= 0; --r)
      for (int64_t to = r * copies + copies - 1; to >= r * copies && to > 0; --to) {
        std::copy_n(state.a(l, r), n, state.a(l, to));
        if (state.z(l, r) != state.a(l, r)) std::copy_n(state.z(l, r), n, state.z(l, to));
      }
  }
}

// dL/dW = delta a^T and dL/db = delta of one row, laid out as theta.
template <class T>
void theta_row(const Architecture& architecture, const T* x, int64_t r, LayerValues<T>& state, T* dtheta,
               const BreakOff& breaks_off) {
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    const int64_t n_in = architecture.sizes[l - 1], n_out = architecture.sizes[l];
    const double work = kMove * static_cast<double>(n_in);
    in_parts(n_out, 1, work, breaks_off, [&](int64_t first, int64_t last) {
      kernels<T>().outer(last - first, n_in, state.delta(l, r) + first, l == 1 ? x : state.a(l - 1, r),
                         dtheta + first * n_in);
    });
    dtheta += n_out * n_in;
  }
  for (int64_t l = 1; l <= architecture.layers(); ++l)
    dtheta = std::copy_n(state.delta(l, r), architecture.sizes[l], dtheta);
}

}  // namespace

template <class T>
PassEnd propagate(const Network<T>& network, const Batch<T>& batch, const Quantities<T>& to, int threads,
                  const Interrupt& interrupt) {
  const Reading use(network.lock);
  const Architecture& architecture = network.architecture;
  const Parameters<T>& theta = network.theta;
  const int team_of = team_size(training_work(architecture) * static_cast<double>(batch.rows), threads);
  TileLoop loop(batch.rows, row_tiles(network.plan, batch.rows, team_of), interrupt);
  std::vector<LayerValues<T>> states;
  for (int i = 0; i < team_of; ++i) states.emplace_back(architecture, loop.largest_tile(), false, true);
  const Buffer<T> scratch = make_buffer<T>(row_stride<T>(architecture.n_outputs()) * team_of);
  const OutputLoss<T> f = output_loss<T>(architecture);
  const double scale = reduction_scale(architecture, total_weight(batch));
  const int64_t L = architecture.layers(), n_out = architecture.n_outputs();
  run_team(team_of, [&](const TeamThread& team) {
    LayerValues<T>& state = states[static_cast<size_t>(team.rank())];
    const auto put = [&](const std::vector<T*>& arrays, int64_t l, int64_t first, int64_t rows, const T* from) {
      if (arrays.empty()) return;
      const int64_t n = architecture.sizes[l];
      pack_rows(rows, n, from, state.ld(l), arrays[static_cast<size_t>(l - 1)] + first * n);
    };
    loop.each(team, [&](int64_t first, int64_t last, const BreakOff& breaks_off) {
      const Batch<T> tile = batch.slice(first, last);
      forward(architecture, theta, tile, 0, tile.rows, state, breaks_off);
      for (int64_t l = 1; l <= L; ++l) put(to.z, l, first, tile.rows, state.z(l, 0));
      for (int64_t l = 1; l < L; ++l) put(to.a, l, first, tile.rows, state.a(l, 0));
      T *z = state.z(L, 0), *delta = state.delta(L, 0);
      const int64_t ld = state.ld(L);
      std::copy_n(z, tile.rows * ld, delta);
      kernels<T>().output(f.layer, tile.rows, n_out, delta, ld, to.a.back() + first * n_out, n_out);
      if (!to.losses) return true;
      kernels<T>().loss_gradient(f, tile.rows, n_out, z, delta, ld, tile.y, tile.weight, scale,
                                 scratch.get() + team.rank() * ld);
      pack_rows(tile.rows, n_out, delta, ld, to.dy_hat + first * n_out);
      const double largest = loss_and_delta(architecture, tile, 0, tile.rows, scale, state, to.losses + first);
      put(to.delta, L, first, tile.rows, delta);
      for (int64_t l = L - 1; l >= 1; --l) {
        backward_product(theta, l, tile.rows, state.delta(l + 1, 0), state.ld(l + 1), 0,
                         padded<T>(architecture.sizes[l]), false, state.delta(l, 0), state.ld(l), breaks_off);
        put(to.da, l, first, tile.rows, state.delta(l, 0));
        backward_layer(architecture, theta, l, tile, 0, tile.rows, 0, padded<T>(architecture.sizes[l]), state,
                       breaks_off);
        put(to.delta, l, first, tile.rows, state.delta(l, 0));
      }
      return largest < INFINITY;
    });
  });
  return loop.end();
}

template <class T>
PassEnd pull_back(const Network<T>& network, const PullBack<T>& call, int threads, const Interrupt& interrupt) {
  const Reading use(network.lock);
  const Architecture& architecture = network.architecture;
  const Parameters<T>& theta = network.theta;
  const int64_t rows = call.batch.rows, seeds = call.seeds(), D = theta.count();
  const int64_t n_in = architecture.n_inputs(), n_out = architecture.n_outputs(), L = architecture.layers();
  const double work = forward_work(architecture) * static_cast<double>(rows) * static_cast<double>(1 + seeds);
  const TimedTeam timed(network.pull_backs, team_size(work, threads), rows * seeds);
  TileLoop loop(rows, std::min(rows, row_tiles(network.plan, rows * seeds, timed.size())), interrupt);
  const int64_t tile_rows = loop.largest_tile(), ldx = row_stride<T>(n_in);
  std::vector<LayerValues<T>> states;
  for (int i = 0; i < timed.size(); ++i) states.emplace_back(architecture, tile_rows * seeds, false);
  const Buffer<T> dx = make_buffer<T>(call.dx ? tile_rows * seeds * ldx * timed.size() : 0);
  const Buffer<double> row_loss = make_buffer<double>(tile_rows * timed.size());
  std::optional<FirstLayer<T>> first_layer;
  if (call.dx) first_layer.emplace(theta);
  const double scale = call.reduced ? reduction_scale(architecture, total_weight(call.batch)) : 1.0;
  run_team(timed.size(), [&](const TeamThread& team) {
    LayerValues<T>& state = states[static_cast<size_t>(team.rank())];
    T* dx_tile = dx.get() + team.rank() * tile_rows * seeds * ldx;
    loop.each(team, [&](int64_t first, int64_t last, const BreakOff& breaks_off) {
      const Batch<T> tile = call.batch.slice(first, last);
      const int64_t ld = state.ld(L), seeded = tile.rows * seeds;
      forward(architecture, theta, tile, 0, tile.rows, state, breaks_off);
      repeat_rows(architecture, tile.rows, seeds, state);
      T *z = state.z(L, 0), *delta = state.delta(L, 0);
      if (call.from == PullBack<T>::From::loss) {
        double* losses = row_loss.get() + team.rank() * tile_rows;
        if (!(loss_and_delta(architecture, tile, 0, tile.rows, scale, state, losses) < INFINITY)) return false;
      } else {
        if (call.from == PullBack<T>::From::given)
          unpack_rows(seeded, n_out, tile.y.values, delta, ld);
        else
          for (int64_t r = 0; r < seeded; ++r) {
            std::fill_n(delta + r * ld, ld, T(0));
            delta[r * ld + call.first + r % seeds] = T(1);
          }
        kernels<T>().output_jacobian(output_layer<T>(architecture), seeded, n_out, z, delta, ld);
      }
      backward(architecture, theta, tile, 0, seeded, state, breaks_off);
      if (call.dx) {
        first_layer->backward(seeded, state.delta(1, 0), state.ld(1), dx_tile, ldx, breaks_off);
        pack_rows(seeded, n_in, dx_tile, ldx, call.dx + first * seeds * n_in);
      }
      for (int64_t r = 0; call.dtheta && r < seeded && !breaks_off(); ++r)
        theta_row(architecture, tile.x.data + r / seeds * tile.x.stride, r, state,
                  call.dtheta + (first * seeds + r) * D, breaks_off);
      return true;
    });
  });
  return loop.end();
}

template <class T>
PassEnd push_forward(const Network<T>& network, const PushForward<T>& call, int threads, const Interrupt& interrupt) {
  const Reading use(network.lock);
  const Architecture& architecture = network.architecture;
  const Parameters<T>& theta = network.theta;
  const int64_t rows = call.batch.rows, L = architecture.layers(), n_out = architecture.n_outputs();
  const double work = forward_work(architecture) * static_cast<double>(rows) * (call.theta_dot ? 3.0 : 2.0);
  const TimedTeam timed(network.push_forwards, team_size(work, threads), rows);
  TileLoop loop(rows, row_tiles(network.plan, rows, timed.size()), interrupt);
  std::vector<LayerValues<T>> states, tangents;
  for (int i = 0; i < timed.size(); ++i) {
    states.emplace_back(architecture, loop.largest_tile(), false);
    tangents.emplace_back(architecture, loop.largest_tile(), false);
  }
  std::optional<Parameters<T>> theta_dot;
  if (call.theta_dot) theta_dot.emplace(architecture).from_theta(call.theta_dot, theta_dot->values());
  run_team(timed.size(), [&](const TeamThread& team) {
    LayerValues<T>&state = states[static_cast<size_t>(team.rank())], &dots = tangents[static_cast<size_t>(team.rank())];
    loop.each(team, [&](int64_t first, int64_t last, const BreakOff& breaks_off) {
      const Batch<T> tile = call.batch.slice(first, last);
      const T* x_dot = call.x_dot ? call.x_dot + first * architecture.n_inputs() : nullptr;
      forward(architecture, theta, tile, 0, tile.rows, state, breaks_off);
      forward_tangents(architecture, theta, tile, 0, tile.rows, theta_dot ? &*theta_dot : nullptr, x_dot, state, dots,
                       breaks_off);
      kernels<T>().output_jacobian(output_layer<T>(architecture), tile.rows, n_out, state.z(L, 0), dots.z(L, 0),
                                   dots.ld(L));
      pack_rows(tile.rows, n_out, dots.z(L, 0), dots.ld(L), call.y_dot + first * n_out);
      return true;
    });
  });
  return loop.end();
}

#define DELTARULE_INSTANTIATE(T)                                                                               \
  template PassEnd propagate(const Network<T>&, const Batch<T>&, const Quantities<T>&, int, const Interrupt&); \
  template PassEnd pull_back(const Network<T>&, const PullBack<T>&, int, const Interrupt&);                    \
  template PassEnd push_forward(const Network<T>&, const PushForward<T>&, int, const Interrupt&);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
