"""The benchmark cases of classifiers and distributions, and what else computes them.

As `cases`, they need nothing but NumPy and public names of kdexent, asked for when a case is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import kdexent

# One more for every change after which a case of the same name and size is another problem, or one is gone.
VERSION = 1

CLASSIFIERS = "classes and entropies"

Arguments = tuple[NDArray[Any], ...]

_BOTH = ("loss_error", "gradient_error")


class Prepared(NamedTuple):
    """A peer's call on a case, and what makes of its result that of the case's function."""

    call: Callable[[], Any]
    result: Callable[[Any], Any] | None  # None: it computes something else


class Peer(NamedTuple):
    """What others offer for a case; `prepare` takes a number of threads and the case's arguments."""

    name: str
    module: str  # which has to be installed
    prepare: Callable[..., Prepared]


class ClassifierCase(NamedTuple):
    """A function on data of a size; `make` returns its arguments, the same every time."""

    name: str
    shape: tuple[int, ...]  # of what is given, classes last
    function: str  # of kdexent and of kdexent.reference
    make: Callable[[], Arguments]
    peers: tuple[Peer, ...]
    errors: tuple[str, ...] = _BOTH  # which there are; an array counts as a gradient, a number as a loss

    @property
    def group(self) -> str:
        return CLASSIFIERS

    @property
    def size(self) -> str:
        return "×".join(f"{number:,}" for number in self.shape)

    @property
    def title(self) -> str:
        return f"{self.name}, {self.size.replace('×', ' x ')}"

    @property
    def entries(self) -> int:
        """How many logits, probabilities or features there are."""
        return math.prod(self.shape[:2])

    def fast(self, arguments: Arguments) -> Callable[[], Any]:
        """Return the call that is measured, which writes a gradient into memory it is given."""
        call = partial(getattr(kdexent, self.function), *arguments)
        return call if self.errors != _BOTH else partial(call, out=np.full_like(arguments[0], np.nan))

    def exact(self, arguments: Arguments) -> Callable[[], Any]:
        """Return the same call of the reference."""
        return partial(getattr(kdexent.reference, self.function), *arguments)


def _copy(n_threads: int, z: NDArray[Any], *_: Any) -> Prepared:
    """Return what every pass over the logits takes at least."""
    return Prepared(partial(np.copyto, np.empty_like(z), z), None)


def _jax(loss: Callable[..., Any]) -> Peer:
    """Return the peer for a loss of jax and the arguments, differentiated by the first."""

    def prepare(n_threads: int, *arguments: NDArray[Any]) -> Prepared:
        import jax  # noqa: PLC0415  # need not be installed
        from jax import jit as compiled  # noqa: PLC0415  # need not be installed

        jax.config.update("jax_enable_x64", True)
        arrays = [jax.numpy.asarray(array) for array in arguments]
        run = compiled(jax.value_and_grad(partial(loss, jax)))
        return Prepared(lambda: jax.block_until_ready(run(*arrays)), lambda result: result)

    return Peer("JAX", "jax", prepare)


def _torch(loss: Callable[..., Any]) -> Peer:
    """Return the peer for a loss of torch.nn.functional and the arguments, differentiated by the first."""

    def prepare(n_threads: int, *arguments: NDArray[Any]) -> Prepared:
        import torch  # noqa: PLC0415  # need not be installed

        torch.set_num_threads(n_threads)
        by, *others = (torch.from_numpy(array) for array in arguments)
        by.requires_grad_()

        def call() -> tuple[Any, Any]:
            by.grad = None
            value = loss(torch.nn.functional, by, *others)
            value.backward()
            return value, by.grad

        return Prepared(call, lambda result: (result[0].item(), result[1].numpy()))

    return Peer("PyTorch", "torch", prepare)


def _multinomial(n_threads: int, z: NDArray[Any], y: NDArray[Any]) -> Prepared:
    from sklearn._loss import HalfMultinomialLoss  # noqa: PLC0415  # need not be installed

    return _per_sample(HalfMultinomialLoss(n_classes=z.shape[1]), y, z, n_threads)


def _binomial(n_threads: int, z: NDArray[Any], y: NDArray[Any]) -> Prepared:
    from sklearn._loss import HalfBinomialLoss  # noqa: PLC0415  # need not be installed

    call, result = _per_sample(HalfBinomialLoss(), y.ravel(), z.ravel(), n_threads)
    assert result is not None
    return Prepared(call, lambda found: (result(found)[0], result(found)[1].reshape(z.shape)))


def _per_sample(loss: Any, y: NDArray[Any], z: NDArray[Any], n_threads: int) -> Prepared:
    """Return the call of a loss of scikit-learn, which takes no mean."""
    out = {"loss_out": np.empty(len(z)), "gradient_out": np.empty_like(z)}
    call = partial(loss.loss_gradient, y.astype(z.dtype), z, **out, n_threads=n_threads)
    return Prepared(call, lambda found: (found[0].mean(), found[1] / len(z)))


def _linear_model(n_threads: int, W: NDArray[Any], X: NDArray[Any], y: NDArray[Any]) -> Prepared:
    from sklearn._loss import HalfMultinomialLoss  # noqa: PLC0415  # need not be installed
    from sklearn.linear_model._linear_loss import LinearModelLoss  # noqa: PLC0415  # likewise

    loss = LinearModelLoss(HalfMultinomialLoss(n_classes=len(W)), fit_intercept=False)
    coef, labels = np.asfortranarray(W), y.astype(X.dtype)
    return Prepared(partial(loss.loss_gradient, coef, X, labels, n_threads=n_threads), lambda found: found)


def _scipy(function: Callable[..., Any]) -> Peer:
    """Return the peer for a function of scipy and the arguments."""

    def prepare(n_threads: int, *arguments: NDArray[Any]) -> Prepared:
        import scipy.special  # noqa: PLC0415  # need not be installed
        import scipy.stats  # noqa: PLC0415  # likewise

        return Prepared(partial(function, scipy, *arguments), lambda result: result)

    return Peer("SciPy", "scipy", prepare)


def _by_class(jax: Any, z: Any, y: Any) -> Any:
    # As optax has it.
    chosen = jax.numpy.take_along_axis(z, y[:, np.newaxis], axis=1)[:, 0]
    return (jax.nn.logsumexp(z, axis=1) - chosen).mean()


_COPY = Peer("np.copyto", "numpy", _copy)
_OF_CLASSES = (
    Peer("scikit-learn", "sklearn", _multinomial),
    _jax(_by_class),
    _torch(lambda F, z, y: F.cross_entropy(z, y)),
    _COPY,
)
_OF_PROBABILITIES = (
    _jax(lambda jax, z, t: -(t * jax.nn.log_softmax(z)).sum(axis=1).mean()),
    _torch(lambda F, z, t: F.cross_entropy(z, t)),
    _COPY,
)
_OF_SIGMOID = (
    Peer("scikit-learn", "sklearn", _binomial),
    _jax(lambda jax, z, t: (jax.nn.softplus(z) - t * z).mean()),
    _torch(lambda F, z, t: F.binary_cross_entropy_with_logits(z, t)),
    _COPY,
)
_OF_LINEAR = (
    Peer("scikit-learn", "sklearn", _linear_model),
    _jax(lambda jax, W, X, y: _by_class(jax, X @ W.T, y)),
    _torch(lambda F, W, X, y: F.cross_entropy(X @ W.T, y)),
)
_OF_SOFTMAX = (_scipy(lambda scipy, z: scipy.special.softmax(z, axis=1)), _COPY)
_OF_ENTROPY = (_scipy(lambda scipy, p: scipy.stats.entropy(p)),)
_OF_KL = (_scipy(lambda scipy, p, q: scipy.special.rel_entr(p, q).sum()),)


def _rng() -> np.random.Generator:
    return np.random.default_rng(20131104)


def _normal(*shape: int) -> NDArray[np.float64]:
    return 2 * _rng().standard_normal(shape)


def _classes(rows: int, classes: int) -> NDArray[np.int64]:
    return _rng().integers(classes, size=rows)


def _masses(count: int, *shape: int) -> Arguments:
    """Return distributions along the last axis, uniform among all there are."""
    drawn = _rng().standard_exponential((count, *shape))
    return tuple(drawn / drawn.sum(axis=-1, keepdims=True))


def _by_classes(rows: int, classes: int) -> ClassifierCase:
    return ClassifierCase(
        "softmax cross-entropy",
        (rows, classes),
        "softmax_cross_entropy_and_grad",
        lambda: (_normal(rows, classes), _classes(rows, classes)),
        _OF_CLASSES,
    )


def suite(quick: bool = False) -> list[ClassifierCase]:
    """Return the cases, a tenth of most with `quick`."""
    of = 10 if quick else 1
    many, wide, narrow = 10_000_000 // of, (20_000 // of, 1_000), (20_000 // of, 100)
    features, classes = (100_000 // of, 100), 10
    return [
        _by_classes(1_000, 10),
        _by_classes(100_000 // of, 10),
        _by_classes(*wide),
        ClassifierCase(
            "softmax, soft labels",
            narrow,
            "softmax_cross_entropy_and_grad",
            lambda: (_normal(*narrow), *_masses(1, *narrow)),
            _OF_PROBABILITIES,
        ),
        ClassifierCase(
            "sigmoid cross-entropy",
            narrow,
            "sigmoid_cross_entropy_and_grad",
            lambda: (_normal(*narrow), _rng().integers(2, size=narrow).astype(np.float64)),
            _OF_SIGMOID,
        ),
        ClassifierCase(
            "linear softmax",
            (*features, classes),
            "linear_softmax_loss_and_grad",
            lambda: (_normal(classes, 100) / 10, _normal(*features), _classes(features[0], classes)),
            _OF_LINEAR,
        ),
        ClassifierCase(
            "softmax", wide, "softmax", lambda: (_normal(*wide),), _OF_SOFTMAX, ("gradient_error",)
        ),
        ClassifierCase("entropy", (many,), "entropy", lambda: _masses(1, many), _OF_ENTROPY, ("loss_error",)),
        ClassifierCase(
            "KL divergence", (many,), "kl_divergence", lambda: _masses(2, many), _OF_KL, ("loss_error",)
        ),
    ]
