"""The benchmark cases of classifiers and distributions, and what else computes them.

As `cases`, they need nothing but NumPy and public names of kdexent, asked for when a case is called.
"""

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

Arguments = tuple[Any, ...]

BOTH = ("loss_error", "gradient_error")
_ONLY = {"softmax": BOTH[1:], "entropy": BOTH[:1], "kl_divergence": BOTH[:1]}


class Prepared(NamedTuple):
    """A peer's call on a case, and what makes of its result that of the case's function."""

    call: Callable[[], Any]
    result: Callable[[Any], Any] = lambda value: value


class Peer(NamedTuple):
    """What others offer for a case; `prepare` takes a number of threads and the case's arguments."""

    name: str
    module: str  # which has to be installed
    prepare: Callable[..., Prepared]
    compares: bool = True  # or computes something else


class ClassifierCase(NamedTuple):
    """A function on data of a size; `make` returns its arguments, the same every time."""

    name: str
    shape: tuple[int, ...]  # of what is given, classes last
    function: str  # of kdexent and of kdexent.reference
    make: Callable[[], Arguments]
    peers: tuple[Peer, ...]
    errors: tuple[str, ...] = BOTH  # which there are; an array counts as a gradient, a number as a loss
    group: str = CLASSIFIERS
    named: tuple[str, ...] = ()  # the last of the arguments, where the function takes them by name

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
        call = self._to(getattr(kdexent, self.function), arguments)
        return call if self.errors != BOTH else partial(call, out=np.full_like(arguments[0], np.nan))

    def exact(self, arguments: Arguments) -> Callable[[], Any]:
        """Return the same call of the reference."""
        return self._to(getattr(kdexent.reference, self.function), arguments)

    def _to(self, function: Callable[..., Any], arguments: Arguments) -> Callable[..., Any]:
        first = len(arguments) - len(self.named)
        return partial(function, *arguments[:first], **dict(zip(self.named, arguments[first:], strict=True)))


def _copy(n_threads: int, z: NDArray[Any], *_: Any) -> Prepared:
    """Return what every pass over the logits takes at least."""
    return Prepared(partial(np.copyto, np.empty_like(z), z))


def _jax(loss: Callable[..., Any]) -> Peer:
    """Return the peer for a loss of jax and the arguments, differentiated by the first."""

    def prepare(n_threads: int, *arguments: NDArray[Any]) -> Prepared:
        import jax  # noqa: PLC0415  # need not be installed
        from jax import jit as compiled  # noqa: PLC0415  # need not be installed

        jax.config.update("jax_enable_x64", True)
        arrays = [jax.numpy.asarray(array) for array in arguments]
        run = compiled(jax.value_and_grad(partial(loss, jax)))
        return Prepared(lambda: jax.block_until_ready(run(*arrays)))

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


def _sklearn(n_threads: int, z: NDArray[Any], y: NDArray[Any]) -> Prepared:
    """Return the call of a loss of scikit-learn, which takes no mean: for classes, or one label an entry."""
    from sklearn import _loss  # noqa: PLC0415  # need not be installed

    loss = _loss.HalfMultinomialLoss(n_classes=z.shape[1]) if y.ndim == 1 else _loss.HalfBinomialLoss()
    scores = z if y.ndim == 1 else z.ravel()
    out = {"loss_out": np.empty(len(scores)), "gradient_out": np.empty_like(scores)}
    labels = y.ravel().astype(z.dtype)
    call = partial(loss.loss_gradient, labels, scores, **out, n_threads=n_threads)
    return Prepared(call, lambda value: (value[0].mean(), (value[1] / len(scores)).reshape(z.shape)))


def _linear_model(n_threads: int, W: NDArray[Any], X: NDArray[Any], y: NDArray[Any]) -> Prepared:
    from sklearn._loss import HalfMultinomialLoss  # noqa: PLC0415  # need not be installed
    from sklearn.linear_model._linear_loss import LinearModelLoss  # noqa: PLC0415  # need not be installed

    loss = LinearModelLoss(HalfMultinomialLoss(n_classes=len(W)), fit_intercept=False)
    coef, labels = np.asfortranarray(W), y.astype(X.dtype)
    return Prepared(partial(loss.loss_gradient, coef, X, labels, n_threads=n_threads))


def _scipy(function: Callable[..., Any]) -> Peer:
    """Return the peer for a function of scipy and the arguments."""

    def prepare(n_threads: int, *arguments: NDArray[Any]) -> Prepared:
        import scipy.special  # noqa: PLC0415  # need not be installed
        import scipy.stats  # noqa: PLC0415  # need not be installed

        return Prepared(partial(function, scipy, *arguments))

    return Peer("SciPy", "scipy", prepare)


def _by_class(jax: Any, z: Any, y: Any) -> Any:
    # As optax has it.
    chosen = jax.numpy.take_along_axis(z, y[:, np.newaxis], axis=1)[:, 0]
    return (jax.nn.logsumexp(z, axis=1) - chosen).mean()


_COPY = Peer("np.copyto", "numpy", _copy, compares=False)
_SKLEARN = Peer("scikit-learn", "sklearn", _sklearn)


def _rng() -> np.random.Generator:
    return np.random.default_rng(20131104)


def _normal(*shape: int) -> NDArray[np.float64]:
    return 2 * _rng().standard_normal(shape)


def _classes(rows: int, classes: int) -> NDArray[np.int64]:
    return _rng().integers(classes, size=rows)


def _labelled(rows: int, classes: int) -> Arguments:
    return _normal(rows, classes), _classes(rows, classes)


def _masses(count: int, *shape: int) -> Arguments:
    """Return distributions along the last axis, uniform among all there are."""
    drawn = _rng().standard_exponential((count, *shape))
    return tuple(drawn / drawn.sum(axis=-1, keepdims=True))


def _case(
    name: str, shape: tuple[int, ...], function: str, make: Callable[[], Arguments], *peers: Peer
) -> ClassifierCase:
    return ClassifierCase(name, shape, function, make, peers, _ONLY.get(function, BOTH))


def suite(quick: bool = False) -> list[ClassifierCase]:
    """Return the cases, a tenth of most with `quick`."""
    return cases_of(10 if quick else 1)


def cases_of(of: int) -> list[ClassifierCase]:
    """Return the cases, most of them so many times smaller."""
    many, wide, narrow = 10_000_000 // of, (20_000 // of, 1_000), (20_000 // of, 100)
    features, classes = (100_000 // of, 100), 10
    return [
        *[
            _case(
                "softmax cross-entropy",
                shape,
                "softmax_cross_entropy_and_grad",
                partial(_labelled, *shape),
                _SKLEARN,
                _jax(_by_class),
                _torch(lambda F, z, y: F.cross_entropy(z, y)),
                _COPY,
            )
            for shape in ((1_000, 10), (100_000 // of, 10), wide)
        ],
        _case(
            "softmax, soft labels",
            narrow,
            "softmax_cross_entropy_and_grad",
            lambda: (_normal(*narrow), *_masses(1, *narrow)),
            _jax(lambda jax, z, t: -(t * jax.nn.log_softmax(z)).sum(axis=1).mean()),
            _torch(lambda F, z, t: F.cross_entropy(z, t)),
            _COPY,
        ),
        _case(
            "sigmoid cross-entropy",
            narrow,
            "sigmoid_cross_entropy_and_grad",
            lambda: (_normal(*narrow), _rng().integers(2, size=narrow).astype(np.float64)),
            _SKLEARN,
            _jax(lambda jax, z, t: (jax.nn.softplus(z) - t * z).mean()),
            _torch(lambda F, z, t: F.binary_cross_entropy_with_logits(z, t)),
            _COPY,
        ),
        _case(
            "linear softmax",
            (*features, classes),
            "linear_softmax_loss_and_grad",
            lambda: (_normal(classes, 100) / 10, _normal(*features), _classes(features[0], classes)),
            Peer("scikit-learn", "sklearn", _linear_model),
            _jax(lambda jax, W, X, y: _by_class(jax, X @ W.T, y)),
            _torch(lambda F, W, X, y: F.cross_entropy(X @ W.T, y)),
        ),
        _case(
            "softmax",
            wide,
            "softmax",
            lambda: (_normal(*wide),),
            _scipy(lambda scipy, z: scipy.special.softmax(z, axis=1)),
            _COPY,
        ),
        _case(
            "entropy",
            (many,),
            "entropy",
            lambda: _masses(1, many),
            _scipy(lambda scipy, p: scipy.stats.entropy(p)),
        ),
        _case(
            "KL divergence",
            (many,),
            "kl_divergence",
            lambda: _masses(2, many),
            _scipy(lambda scipy, p, q: scipy.special.rel_entr(p, q).sum()),
        ),
    ]
