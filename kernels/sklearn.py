"""An estimator for scikit-learn that learns, from past situations, which of them tell of a new one."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from scipy.optimize import minimize
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neighbors import NearestNeighbors
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ModuleNotFoundError as error:
    if error.name not in ("sklearn", "scipy"):
        raise
    raise ModuleNotFoundError(
        'kdexent.sklearn needs scikit-learn: pip install "kdexent[sklearn]"', name=error.name
    ) from None

from . import kde, softmax_loss

__all__ = ["KDEWeights"]


class KDEWeights(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # which have no types
    """The density of y where features are known: a KDE over the nearest past samples, with weights learned.

    The density of y at features f is a KDE over the y_j of the nearest samples, weighted by a softmax of how
    near they are,

        q(y | f) = sum_j S_j K_h(y - y_j),    S = softmax(z),    z_j = -sum_k w_k (f_k - f_jk)^2.

    The weights w_k >= 0 of the features minimise the mean cross-entropy of q, over the other samples, with
    a uniform target on y +- half_width of each.

    Parameters
    ----------
    bandwidth : float, default 1.0
        Bandwidth h of the kernel, in the unit of y.
    half_width : float, default 1.0
        Half the length of the target, in the unit of y.
    kernel : str, default "gaussian"
        One of `kdexent.KERNELS`; one that ends may find no sample in reach, for which there is no loss.
    bins : int, default 32
        Equal bins of the target.
    period : float, optional
        Length of the circle that y lives on, in its unit.
    n_neighbors : int, default 200
        How many of the nearest samples, by features in units of their spread, the density is made of.
    alpha : float, default 0.0
        Factor of w^2 / 2, of weights in units of the features' spread, that is added to the loss.
    max_iter : int, default 100
        Iterations of L-BFGS at most.
    tol : float, default 1e-6
        The largest derivative of the loss at which it stops.
    n_threads : int, optional
        As in `kdexent.loss`.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,)
        The weights w, in units of one over the features' squared.
    loss_ : float
        The loss that was reached, in nats.
    n_iter_ : int
        Iterations that took.
    n_features_in_ : int
        Features seen by `fit`.

    Raises
    ------
    ValueError
        From `fit`, for fewer than two samples of positive weight, and as from `kdexent.loss`.

    Notes
    -----
    An iteration takes O(samples neighbors (features + 1)) time and as much memory. Samples of weight 0 are
    left out. On a circle `predict` returns the direction of the mean.

    Examples
    --------
    >>> import numpy as np
    >>> from kdexent.sklearn import KDEWeights
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> model = KDEWeights(bandwidth=0.1, half_width=0.1).fit(X, X[:, 0])  # the second feature is noise
    >>> bool(model.coef_[0] > 10 * model.coef_[1])
    True
    """

    def __init__(
        self,
        *,
        bandwidth: float = 1.0,
        half_width: float = 1.0,
        kernel: str = "gaussian",
        bins: int = 32,
        period: float | None = None,
        n_neighbors: int = 200,
        alpha: float = 0.0,
        max_iter: int = 100,
        tol: float = 1e-6,
        n_threads: int | None = None,
    ) -> None:
        self.bandwidth, self.half_width, self.kernel = bandwidth, half_width, kernel
        self.bins, self.period, self.n_neighbors, self.alpha = bins, period, n_neighbors, alpha
        self.max_iter, self.tol, self.n_threads = max_iter, tol, n_threads

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> KDEWeights:
        """Learn the weights of the features.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Features of past samples.
        y : array_like, shape (n_samples,)
            Where each was.
        sample_weight : array_like, shape (n_samples,), optional
            How much each counts in the loss.

        Returns
        -------
        KDEWeights
            The estimator itself.
        """
        features, there = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        weight = _check_sample_weight(sample_weight, features, ensure_non_negative=True)
        counts = weight > 0
        self._X, self._y, weight = features[counts], there[counts].astype(np.float64), weight[counts]
        if len(self._X) < 2:
            raise ValueError(f"n_samples = {len(self._X)} of positive weight: two are needed")
        spread = self._X.std(axis=0)
        self._scale = np.where(spread > 0, spread, 1.0)
        count = min(self.n_neighbors, len(self._X) - 1)
        self._near = NearestNeighbors(n_neighbors=count).fit(self._X / self._scale)
        nearest = self._near.kneighbors(return_distance=False)
        distances = self._squares(self._X, nearest)
        share = weight / weight.sum()

        def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            losses, by_z = self._evaluate(distances @ -w, nearest, self._y, kde.loss_and_grad)
            by_w = -np.einsum("i,ij,ijk->k", share, by_z, distances)
            return float(share @ losses + 0.5 * self.alpha * w @ w), by_w + self.alpha * w

        start = np.ones(self._X.shape[1])
        if not np.isfinite(loss(start)[0]):
            raise ValueError(
                f"bandwidth: {self.kernel} of bandwidth {self.bandwidth} reaches no sample from some bins"
            )
        options = {"maxiter": self.max_iter, "gtol": self.tol, "ftol": 0.0}
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start), options=options
        )
        if found.status == 1:
            warnings.warn(f"L-BFGS stopped after max_iter={self.max_iter}", ConvergenceWarning, stacklevel=2)
        self._w, self.coef_ = found.x, found.x / self._scale**2
        self.loss_, self.n_iter_ = float(found.fun), max(int(found.nit), 1)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the mean of y at features.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray, shape (n_samples,)
            Means of the density; on a circle their directions, from 0 to the period.
        """
        z, nearest = self._logits(X)
        weights, y = softmax_loss.softmax(z), self._y[nearest]
        if self.period is None:
            means: NDArray[np.float64] = (weights * y).sum(axis=1)
            return means
        turns = 2j * np.pi / self.period
        directions: NDArray[np.float64] = np.angle((weights * np.exp(turns * y)).sum(axis=1)) / abs(turns)
        return directions % self.period

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return minus the mean cross-entropy of samples: the larger the better.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
            In nats.
        """
        z, nearest = self._logits(X)
        losses = self._evaluate(z, nearest, np.asarray(y, np.float64), kde.loss)
        return -float(np.average(losses, weights=_check_sample_weight(sample_weight, losses)))

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: `score` is no R^2."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def _squares(self, X: NDArray[np.float64], nearest: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return squared distances (n, neighbors, features), in units of the features' spread."""
        squares: NDArray[np.float64] = ((X[:, np.newaxis] - self._X[nearest]) / self._scale) ** 2
        return squares

    def _logits(self, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        nearest = self._near.kneighbors(features / self._scale, return_distance=False)
        return self._squares(features, nearest) @ -self._w, nearest

    def _evaluate(self, z: Any, nearest: NDArray[np.intp], y: NDArray[np.float64], compute: Any) -> Any:
        return compute(
            self._y[nearest],
            z,
            y - self.half_width,
            y + self.half_width,
            bandwidth=self.bandwidth,
            kernel=self.kernel,
            bins=self.bins,
            period=self.period,
            n_threads=self.n_threads,
        )
