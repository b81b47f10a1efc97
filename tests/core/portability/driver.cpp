// Calls every function of every table of this build that the processor supports, and compares what it gives
// with the oracle's, byte for byte. The digest of what the oracle gave is the same on every machine.
// Exit status 1 and a line for each of the first calls that differ.
#include <string>

#include "../../../csrc/kernels/dispatch.hpp"
#include "../../../csrc/runtime/subnormals.hpp"
#include "data.hpp"

namespace deltarule {
namespace {

int64_t calls = 0, differences = 0;
uint64_t digest = 0xcbf29ce484222325;

template <class T>
const Kernels<T>& table(const Isa& isa);
template <>
const Kernels<float>& table<float>(const Isa& isa) { return *isa.f32; }
template <>
const Kernels<double>& table<double>(const Isa& isa) { return *isa.f64; }

// f(table, bytes) calls one function and puts what it gave.
template <class T, class F>
void compare(const std::string& call, F f) {
  Bytes want;
  f(table<T>(kIsas[kIsaCount - 1]), want);
  want.add_to(digest);
  ++calls;
  for (int i = 0; i < kIsaCount - 1; ++i) {
    if (!kIsas[i].supported()) continue;
    Bytes got;
    f(table<T>(kIsas[i]), got);
    if (got != want && ++differences <= 20)
      std::printf("%s, float%d: %s differs from the oracle\n", kIsas[i].name, int(8 * sizeof(T)), call.c_str());
  }
}

template <class... Sizes>
std::string text(const char* name, Sizes... sizes) {
  std::string s = name;
  ((s += ' ', s += std::to_string(sizes)), ...);
  return s;
}

template <class T>
int64_t padded(int64_t n) { return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>; }

// f(a, b, c, special): each of 1..40 in each place, several times, then sizes around the blocks.
template <class F>
void each_shape(F f) {
  for (int64_t a = 1; a <= 40; ++a)
    for (int64_t i = 0; i < 6; ++i) f(a, 1 + (7 * a + 13 * i) % 40, 1 + (11 * a + 17 * i) % 40, i % 3 == 2);
  for (const int64_t a : {1, 5, 13, 65})
    for (const int64_t b : {255, 256, 257, 530}) f(a, b, 41 + b % 37, false);
  for (const int64_t a : {63, 64, 65, 129, 1024}) f(a, 13, 37, a == 64);
}

// Rows of x that a call reads: in a row, or gathered by an index.
template <class T>
struct Rows {
  Array<T> values;
  Array<int64_t> index;
  int64_t stride;
  bool gathered;

  Rows(Random& random, int64_t rows, int64_t stride, bool special)
      : values(random.values<T>(rows * stride, special)), index(random.indices(rows, rows)), stride(stride),
        gathered(random.below(2) == 1) {}
  InputRows<T> view() const { return {values.get(), stride, gathered ? index.get() : nullptr}; }
};

template <class T>
void check_products(Random& random) {
  constexpr int64_t L = kLanes<T>;
  each_shape([&](int64_t rows, int64_t n_in, int64_t n, bool special) {
    const int64_t n_out = padded<T>(n), ld = n_out + L * random.below(2);
    const Rows<T> x(random, rows, n_in + random.below(2), special);
    const Array<T> W = random.values<T>(n_in * ld, special), b = random.values<T>(n_out, special);
    const int64_t start = random.below(4);  // 0: from 0, 1: on top of z, else from b
    const Array<T> z0 = random.values<T>(rows * ld, false);
    compare<T>(text("affine", rows, n_in, n_out), [&](const Kernels<T>& k, Bytes& bytes) {
      Array<T> z = z0;
      k.affine(rows, n_in, n_out, x.view(), W.get(), ld, start > 1 ? b.get() : nullptr, start == 1, z.get(), ld);
      bytes.put(z);
    });
  });
  each_shape([&](int64_t rows, int64_t n_in, int64_t n, bool special) {
    const int64_t n_out = 1 + n % 10, ldw = padded<T>(n_in), ldz = padded<T>(n_out);
    const Rows<T> x(random, rows, n_in, special);
    const Array<T> W = random.values<T>(n_out * ldw, special), b = random.values<T>(n_out, special);
    const int64_t start = random.below(4);
    const Array<T> z0 = random.values<T>(rows * ldz, false);
    compare<T>(text("affine_narrow", rows, n_in, n_out), [&](const Kernels<T>& k, Bytes& bytes) {
      Array<T> z = z0;
      const T* from = start > 1 ? b.get() : nullptr;
      k.affine_narrow(rows, n_in, n_out, x.view(), W.get(), ldw, from, start == 1, z.get(), ldz);
      bytes.put(z);
    });
  });
  each_shape([&](int64_t rows, int64_t n_i, int64_t n_j, bool special) {
    const int64_t ldg = padded<T>(n_j) + L * random.below(2);
    const Rows<T> P(random, rows, n_i, special), Q(random, rows, n_j, special);
    const Array<T> G0 = random.values<T>(n_i * ldg, false);
    const bool add = random.below(2) == 1;
    compare<T>(text("weight_gradient", rows, n_i, n_j), [&](const Kernels<T>& k, Bytes& bytes) {
      Array<T> G = G0, S(n_i * padded<T>(n_j));
      k.weight_gradient(rows, n_i, n_j, P.view(), Q.view(), add, S.get(), G.get(), ldg);
      bytes.put(G, n_j, padded<T>(n_j), ldg);
    });
    // Each rule, plain or with weight decay, or with that and L1.
    const int64_t kind = random.below(3 * kRules), ld = n_j + random.below(3);
    const Rule rule = Rule(kind / 3);
    const DescentStep<T> step{rule, T(0.0625), T(kind % 3 > 0 ? 0.01 : 0), T(kind % 3 > 1 ? 0.02 : 0),
                              T(0.9), T(0.1), T(0.99), T(0.01), T(0.001), T(0.998)};
    const Array<T> w0 = random.values<T>(n_i * ld, special), m0 = random.values<T>(n_i * ld, false);
    Array<T> v0 = random.values<T>(n_i * ld, false);
    for (int64_t i = 0; i < v0.size(); ++i) v0[i] *= v0[i];
    const auto on = [=](Array<T>& w, Array<T>& m, Array<T>& v) {
      const RuleRow& row = kRuleRows[int(rule)];
      T *first = row.has_m ? m.get() : nullptr, *second = row.has_v ? v.get() : nullptr;
      return Descent<T>{step, w.get(), first, second, ld};
    };
    const std::string call = text("weight_descent (rows, n_i, n_j, kind)", rows, n_i, n_j, kind);
    compare<T>(call, [&](const Kernels<T>& k, Bytes& bytes) {
      Array<T> w = w0, m = m0, v = v0, S(n_i * padded<T>(n_j));
      const T* G = add ? G0.get() : nullptr;
      bytes.put(int(k.weight_descent(rows, n_i, n_j, P.view(), Q.view(), S.get(), G, ldg, on(w, m, v))));
      bytes.put(w);
      bytes.put(m);
      bytes.put(v);
    });
    compare<T>(text("descend (rows, n, kind)", n_i, n_j, kind), [&](const Kernels<T>& k, Bytes& bytes) {
      Array<T> w = w0, m = m0, v = v0;
      bytes.put(int(k.descend(n_i, n_j, G0.get(), ldg, on(w, m, v))));
      bytes.put(w);
      bytes.put(m);
      bytes.put(v);
    });
  });
}

template <class T>
void check_dropout(Random& random) {
  for (int64_t rows = 1; rows <= 40; ++rows) {
    const int64_t n = 1 + random.below(70), ld = n + random.below(3), first = random.below(1 << 20);
    const uint64_t key = random.bits();
    const auto threshold = static_cast<uint32_t>(random.bits());
    const Array<T> a = random.values<T>(rows * ld, rows % 4 == 0);
    compare<T>(text("drop", rows, n), [&](const Kernels<T>& k, Bytes& bytes) {
      Array<T> out = a;
      k.drop(rows, n, key, first, first % 64, threshold, T(1.25), out.get(), out.get(), ld);
      bytes.put(out);
    });
  }
}

template <class T>
void check_activations(Random& random) {
  for (int32_t g = 0; g < kActivations; ++g)
    for (int64_t rows = 1; rows <= 40; rows += 3) {
      const Activation activation = Activation(g);
      const int64_t n = kLanes<T> * (1 + rows % 3), ld = n + kLanes<T> * (rows % 2);
      const bool special = rows % 2 == 0, in_place = rows % 3 == 0;
      const T slope(0.25), wide(rows % 5 == 0 ? 40 : 3);
      Array<T> z0 = random.values<T>(rows * ld, special);
      for (int64_t i = 0; i < z0.size(); ++i) z0[i] *= wide;
      const Array<T> delta0 = random.values<T>(rows * ld, special);
      compare<T>(text("activate", g, rows, n), [&](const Kernels<T>& k, Bytes& bytes) {
        Array<T> z = z0, a = delta0, delta = delta0;
        k.activate(activation, slope, rows, n, z.get(), in_place ? z.get() : a.get(), ld);
        bytes.put(in_place ? z : a);
        k.activate_backward(activation, slope, rows, n, z0.get(), in_place ? z.get() : a.get(), delta.get(), ld);
        bytes.put(delta);
        k.activate_curvature(activation, rows, n, z0.get(), a.get(), z0.get(), delta0.get(), delta.get(), ld);
        bytes.put(delta);
      });
    }
}

bool is_defined(Output output, Loss loss) {
  switch (loss) {
    case Loss::binary_cross_entropy:
    case Loss::cross_entropy: return output == Output::sigmoid || output == Output::softmax;
    case Loss::poisson:
      return output == Output::sigmoid || output == Output::softplus || output == Output::softmax || output == Output::exp;
    default: return true;
  }
}

template <class T>
void check_loss(Random& random, const OutputLoss<T>& f, int64_t rows, int64_t n, bool special) {
  const int64_t ld = padded<T>(n) + kLanes<T> * random.below(2);
  const bool gathered = random.below(2) == 1, classes = random.below(3) == 0, weighted = random.below(2) == 1;
  const bool want_delta = random.below(4) != 0;
  const Array<T> z0 = random.values<T>(rows * ld, special);
  Array<T> y = random.values<T>(rows * n, special);
  for (int64_t i = 0; i < y.size(); ++i) y[i] = random.below(4) ? std::abs(y[i]) / T(2) : T(random.below(2));
  const Array<int64_t> index = random.indices(rows, rows), c = random.indices(rows, n);
  Array<double> weight(rows);
  for (int64_t i = 0; i < rows; ++i) weight[i] = double(random.below(4));
  const Targets<T> targets{y.get(), classes ? c.get() : nullptr, n, gathered ? index.get() : nullptr};
  const std::string call = text("loss (output, loss, rows, n)", int(f.layer.output), int(f.loss), rows, n);
  compare<T>(call, [&](const Kernels<T>& k, Bytes& bytes) {
    Array<T> z = z0, delta = z0;
    Array<double> row_loss(rows);
    k.loss(f, rows, n, z.get(), delta.get(), ld, targets, weighted ? weight.get() : nullptr, 1.0 / double(rows),
           want_delta, row_loss.get());
    bytes.put(row_loss);
    if (want_delta) bytes.put(delta);
  });
  compare<T>("derivatives of the " + call, [&](const Kernels<T>& k, Bytes& bytes) {
    Array<T> u = z0, g = z0, scratch(3 * ld);
    const double* w = weighted ? weight.get() : nullptr;
    k.loss_gradient(f, rows, n, z0.get(), g.get(), ld, targets, w, 0.5, scratch.get());
    bytes.put(g);
    k.loss_curvature(f, rows, n, z0.get(), u.get(), ld, targets, w, 0.5, want_delta, scratch.get());
    bytes.put(u);
  });
}

template <class T>
void check_outputs_and_losses(Random& random) {
  for (int32_t o = 0; o < kOutputs; ++o) {
    for (int64_t n = 1; n <= 41; ++n) {
      const int64_t rows = 1 + 7 * n % 9, ldz = padded<T>(n), ldy = n + n % 2;
      const Array<T> z0 = random.values<T>(rows * ldz, n % 3 == 0), y0 = random.values<T>(rows * ldy, false);
      compare<T>(text("output", o, rows, n), [&](const Kernels<T>& k, Bytes& bytes) {
        Array<T> z = z0, y_hat = y0;
        k.output({Output(o), T(0.01)}, rows, n, z.get(), ldz, y_hat.get(), ldy);
        bytes.put(y_hat);
        Array<T> u = z0, z_again = z0;
        k.output_jacobian({Output(o), T(0.01)}, rows, n, z_again.get(), u.get(), ldz);
        bytes.put(u);
        Array<T> G(rows * n);
        k.outer(rows, n, z0.get(), y0.get(), G.get());
        bytes.put(G);
      });
    }
    for (int32_t l = 0; l < kLosses; ++l)
      if (is_defined(Output(o), Loss(l)))
        for (int64_t n = 1; n <= 40; n += 1 + n / 4)
          for (const bool special : {false, true})
            check_loss<T>(random, {{Output(o), T(0.01)}, Loss(l), T(0.75)}, 1 + (5 * n + o + l) % 40, n, special);
  }
}

template <class T>
void check_copies_and_scans(Random& random) {
  each_shape([&](int64_t rows, int64_t columns, int64_t, bool special) {
    const int64_t ld_from = columns + random.below(3), ld_to = rows + random.below(3);
    const Array<T> from = random.values<T>(rows * ld_from, special), to0 = random.values<T>(columns * ld_to, false);
    compare<T>(text("transpose", rows, columns), [&](const Kernels<T>& k, Bytes& bytes) {
      Array<T> to = to0;
      k.transpose(rows, columns, from.get(), ld_from, to.get(), ld_to);
      bytes.put(to);
    });
  });
  for (const int64_t n : {0, 1, 7, 40, 1023, 1024, 1025, 2500})
    for (int kind = 0; kind < 4; ++kind) {
      using Limits = std::numeric_limits<T>;
      Array<T> x = random.values<T>(n, false);
      const T outside[] = {T(0), T(3), -Limits::infinity(), Limits::quiet_NaN()};
      if (n > 0) x[random.below(n)] = outside[kind];
      compare<T>(text("first_outside (n, kind)", n, kind), [&](const Kernels<T>& k, Bytes& bytes) {
        bytes.put(k.first_outside(n, x.get(), T(-2), T(2)));
        bytes.put(int(k.all_finite(n, x.get())));
      });
    }
}

template <class T>
void check() {
  Random random(sizeof(T));
  check_products<T>(random);
  check_dropout<T>(random);
  check_activations<T>(random);
  check_outputs_and_losses<T>(random);
  check_copies_and_scans<T>(random);
}

}  // namespace
}  // namespace deltarule

int main() {
  using namespace deltarule;
  const FlushSubnormals mode;
  check<float>();
  check<double>();
  std::string names;
  for (int i = 0; i < kIsaCount; ++i)
    if (kIsas[i].supported()) names += std::string(" ") + kIsas[i].name;
  std::printf("tables%s, %lld calls, %lld differ, digest %016llx\n", names.c_str(), (long long)calls,
              (long long)differences, (unsigned long long)digest);
  return differences != 0;
}
