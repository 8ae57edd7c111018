"""Random problems with nasty structure against exact answers, for as long as is asked for.

    python tests/campaign.py --seconds 3600            (or: make campaign SECONDS=3600)
    python tests/campaign.py --seed 1234               one problem again, with all that was compared

Every problem is made from its seed alone. One-shot calls, plans and batches, every gradient, log_density,
every method that applies and the reference are compared with sums in long doubles through ratios of kernel
values; what does not agree is compared again at 40 digits. Allowed are the tolerance asked for,
rounding (some tens of eps of what a gradient is a difference of) and what an ulp does of
those x, z, centres and differences that had to be rounded: nothing where they are exact in binary.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
import traceback
import warnings
from contextlib import nullcontext

import campaign_problems
import mpmath as mp
import numpy as np
import oracle
import ratio_oracle
from strategies import by_tails

import kdexent
from kdexent import reference
from kdexent.arguments.problem import loss_problem
from kdexent.names import COMPACT

WRT = ("z", "x", "bandwidth")
# Error relative to the largest gradient and to the loss that rounding may cost whatever rtol is.
FLOOR = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 2e-6}
SLACK = 100  # eps of what a gradient is a difference of, and one for each image that is added
_PAIRS_AT_40_DIGITS = 20_000


class Exact:
    """The exact answers of a case's rows, and what an ulp of rounded numbers changes in them."""

    def __init__(self, case):
        self.case = case
        self.problem = loss_problem(*case.data, *case.frame)
        P = self.problem
        self.rows = [
            (
                *(np.asarray(part.values[part.at(r)], float) for part in (P.x, P.z, P.centers, P.masses)),
                float(P.bandwidth.values[P.bandwidth.at(r)]),
            )
            for r in range(P.rows)
        ]
        self._moved = None
        self.precise = False
        self.answers = [self.solve(row) for row in self.rows]

    def solve(self, row, solver=ratio_oracle):
        x, z, centers, masses, h = row
        with np.errstate(all="ignore"):
            answer = solver.solve(x, z, centers, masses, h, self.problem.kernel, self.problem.period)
        return answer if solver is ratio_oracle else ratio_oracle.Answer(*map(_long, answer))

    def sharpen(self):
        """Take 40 digits instead, where that is feasible; return whether it was done now."""
        pairs = self.problem.points * self.problem.bins * len(self.rows)
        if self.precise or pairs > _PAIRS_AT_40_DIGITS:
            return False
        self.answers = [self.solve(row, oracle) for row in self.rows]
        self.precise, self._moved = True, None
        return True

    @property
    def moved(self):
        """Return answers of every row after moves by an ulp of what had to be rounded."""
        if self._moved is None:
            rng = np.random.default_rng(0)
            self._moved = [[self.solve(self._move(row, rng, k)) for k in range(5)] for row in self.rows]
        return self._moved

    def _move(self, row, rng, k):
        x, z, centers, masses, h = row
        long = ratio_oracle.Real
        between = centers[:, np.newaxis] - x
        exact = between.astype(long) == centers.astype(long)[:, np.newaxis] - x.astype(long)
        scale = np.maximum(np.abs(x), np.abs(centers).max())
        if self.problem.period is not None:
            scale = np.maximum(scale, self.problem.period)
            exact &= np.abs(between).max() < self.problem.period / 2
        rounded = ~exact.all(axis=0)
        signs = rng.choice([-1.0, 1.0], x.shape) if k else np.where(np.arange(x.size) % 2, 1.0, -1.0)
        x = x.astype(long) + 2 * signs * np.where(rounded, np.spacing(scale), 0)
        with np.errstate(invalid="ignore", over="ignore"):
            top = z.max()
            rounded = (z > -np.inf) & ((z - top).astype(long) != z.astype(long) - long(top))
        z = z.astype(long) + rng.choice([-1.0, 1.0], z.shape) * np.where(rounded, np.spacing(np.abs(top)), 0)
        if not self.case.exact_centers:
            centers = centers.astype(long) + rng.choice([-1.0, 1.0], centers.shape) * np.spacing(
                np.abs(centers).max()
            )
        return x, z, centers, masses, h

    def value(self, name, answers=None):
        """Return what a quantity is, (rows, ...)."""
        answers = self.answers if answers is None else answers
        if name in ("loss", "log_q"):
            return np.array([getattr(answer, name) for answer in answers])
        return np.array([answer.gradients[name] for answer in answers])

    def rounding(self, name):
        """Return how far the moves take a quantity, as (rows,)."""
        with np.errstate(invalid="ignore"):
            changes = [
                np.abs(self.value(name, list(answers)) - self.value(name))
                for answers in zip(*self.moved, strict=True)
            ]
        return 4 * np.nan_to_num(_largest(np.max(changes, axis=0)), nan=np.inf, posinf=np.inf)


def _long(value):
    """Return an mpf, or a list of them, as long doubles."""
    if isinstance(value, list):
        return np.array([_long(v) for v in value])
    return ratio_oracle.Real(mp.nstr(value, 25))


def _largest(values):
    return values.reshape(len(values), -1).max(axis=1)


class Comparison:
    """Compares what one way gives with the exact answers, and keeps what is amiss."""

    def __init__(self, exact, rtol):
        self.exact, self.rtol, self.faults = exact, rtol, []
        self.dtype = exact.problem.dtype

    def _allowed(self, name, expected):
        eps = float(np.finfo(self.dtype).eps)
        relative = max(self.rtol, FLOOR[self.dtype])
        size = np.abs(np.where(np.isfinite(expected), expected, 0)).astype(float)
        if name in ("loss", "log_q"):
            return relative * np.maximum(1, _largest(size)) + 8 * eps * np.abs(
                np.log([h for *_, h in self.exact.rows])
            )
        h = np.array([row[4] for row in self.exact.rows])
        top = np.array([np.exp(-np.log(np.exp(row[1] - row[1].max()).sum())) for row in self.exact.rows])
        with np.errstate(over="ignore"):
            scale = {"z": top, "x": top / h, "bandwidth": 1 / h}[name]
            return relative * _largest(size) + (SLACK + self._images(h)) * eps * scale

    def _images(self, h):
        """Return how many images of a point a compact kernel reaches."""
        problem = self.exact.problem
        wraps = problem.period is not None and problem.kernel in COMPACT
        return 2 * h / problem.period if wraps else 0.0

    def check(self, way, name, found):
        expected = self.exact.value(name)
        found = np.asarray(found).reshape(expected.shape).astype(ratio_oracle.Real)
        fault = self._fault(name, found, expected)
        if fault and self.exact.sharpen():
            fault = self._fault(name, found, self.exact.value(name))
        if fault:
            self.faults.append((way, name, *fault))

    def _fault(self, name, found, expected):
        """Return (error, allowed) or None."""
        largest = ratio_oracle.Real(np.finfo(self.dtype).max)
        # What is beyond the largest float is rounded to infinity, and a loss may be from 2^1023 on.
        expected = np.where(np.abs(expected) > largest, np.copysign(np.inf, expected), expected)
        if np.isnan(found).any():
            return np.nan, 0.0
        with np.errstate(invalid="ignore"):
            error = np.where(found == expected, 0, np.abs(found - expected))
        if name in ("loss", "log_q"):
            same = (np.sign(found) == np.sign(expected)) & np.isinf(found) & (np.abs(expected) >= 2.0**1023)
            error = np.where(same, 0, error)
        error = _largest(error)
        allowed = self._allowed(name, expected)
        if (error <= allowed).all():
            return None
        allowed = allowed + self.exact.rounding(name)
        if (error <= allowed).all():
            return None
        row = int(np.argmax(error - allowed))
        return float(error[row]), float(allowed[row])


def _methods(case):
    """Return the methods that apply to a case, and auto; the error of another says that it does not."""
    for method in kdexent.METHODS:
        if method == "grid":
            continue
        try:
            with np.errstate(all="ignore"):
                kdexent.loss(*case.data, *case.interval, method=method, **case.options)
        except ValueError as error:
            if str(error).startswith("method"):
                continue
        except Exception:
            pass  # reported when it is compared
        yield method


def run_case(case, only=None):
    """Yield (way, name, error, allowed) of whatever disagrees; way is '<implementation> <form> rtol'."""
    exact = Exact(case)
    tolerances = case.tolerances

    def attempt(way, comparison, names, call):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                values = call()
        except Exception as error:
            text = "".join(traceback.format_exception_only(error)).strip()
            if text.startswith(("ValueError: method", "ValueError: bandwidth")):
                return  # it says that it cannot
            comparison.faults.append((way, text[:150], np.nan, 0.0))
            return
        for name, value in zip(names, values, strict=True):
            comparison.check(way, name, value)

    def everything(module, form, comparison, options):
        def gradients():
            loss, by = module.loss_and_grad(*case.data, *case.interval, wrt=WRT, **options)
            return loss, *by

        def density():
            about = {k: v for k, v in options.items() if k not in ("bins", "rule", "target")}
            return (module.log_density(*case.data, exact.problem.centers.values, **about),)

        call = (*case.data, *case.interval)
        attempt(f"{form} loss_and_grad(all)", comparison, ("loss", *WRT), gradients)
        attempt(
            f"{form} loss_and_grad(z)",
            comparison,
            ("loss", "z"),
            lambda: module.loss_and_grad(*call, **options),
        )
        attempt(f"{form} loss", comparison, ("loss",), lambda: (module.loss(*call, **options),))
        attempt(f"{form} log_density", comparison, ("log_q",), density)

    def planned(form, comparison, options):
        x, z = case.data
        plan = []

        def gradients():
            plan.append(kdexent.Plan(x, *case.interval, **options))
            loss, by = plan[0].loss_and_grad(z, wrt=WRT)
            return loss, *by

        def again():
            return (*plan[0].loss_and_grad(z), plan[0].loss(z), plan[0].log_density(z))

        attempt(f"{form} plan loss_and_grad(all)", comparison, ("loss", *WRT), gradients)
        if plan:
            attempt(f"{form} plan", comparison, ("loss", "z", "loss", "log_q"), again)

    if only in (None, "reference"):
        comparison = Comparison(exact, 0.0)
        everything(reference, "reference", comparison, case.options)
        yield from comparison.faults
    for method in () if only == "reference" else _methods(case):
        if only not in (None, method):
            continue
        for rtol in tolerances:
            comparison = Comparison(exact, rtol)
            options = {**case.options, "method": method, "rtol": rtol}
            with by_tails() if case.tails else nullcontext():
                everything(kdexent, f"{method} rtol={rtol:g}", comparison, options)
                if case.plans:
                    planned(f"{method} rtol={rtol:g}", comparison, options)
            yield from comparison.faults


def describe(case):
    x, z = case.data
    about = ", ".join(
        f"{name}={value!r}" if np.ndim(value) == 0 else f"{name}: array {np.shape(value)}"
        for name, value in case.options.items()
    )
    a, b = case.interval
    return f"x {x.shape} {x.dtype}, z {z.shape}, [{a!r}, {b!r}], {about}; {'; '.join(case.notes)}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--start", type=int, help="the first seed; otherwise one by the clock")
    parser.add_argument("--seed", type=int, help="run this one problem only")
    parser.add_argument("--only", help="'reference' or the name of one method")
    parser.add_argument("--kernel", help="only this kernel's problems")
    parser.add_argument("--tame", action="store_true", help="leave out the extreme scales")
    parser.add_argument("--shown", type=int, default=3, help="disagreements of a problem that are printed")
    options = parser.parse_args()
    if not ratio_oracle.AVAILABLE:
        sys.exit("the exact answers need a long double of 64 bits")
    first = options.start if options.start is not None else time.time_ns() // 1000 % 10**9
    seeds = [options.seed] if options.seed is not None else range(first, first + 10**9)
    end, tried, bad = time.monotonic() + options.seconds, 0, 0
    summary = collections.Counter()
    for seed in seeds:
        if time.monotonic() > end:
            break
        case = campaign_problems.make_case(seed, tame=options.tame)
        if options.kernel not in (None, case.options["kernel"]):
            continue
        tried += 1
        faults = list(run_case(case, options.only))
        if options.seed is not None:
            print(describe(case))
        if faults:
            bad += 1
            print(f"--seed {seed}{' --tame' if options.tame else ''}: {describe(case)}")
            shown = faults if options.seed is not None else faults[: options.shown]
            for way, name, error, allowed in shown:
                print(f"    {way}: {name}: error {error:.3g}, allowed {allowed:.3g}")
            if len(shown) < len(faults):
                print(f"    and {len(faults) - len(shown)} more")
            sys.stdout.flush()
        for key in {(fault[0].split()[0], case.options["kernel"], fault[1][:60]) for fault in faults}:
            summary[key] += 1
    print(f"{tried} problems from seed {seeds[0]}, {bad} with disagreements")
    for (who, kernel, what), count in sorted(summary.items()):
        print(f"    {count:5d}  {who:10s} {kernel:13s} {what}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
