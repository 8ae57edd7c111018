"""The estimator is one to scikit-learn, and learns what tells of y."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import kdexent
from kdexent.sklearn import KDEWeights

# Samples are data of each other: a twin of one tells all of it, where one of twice the weight does not.
TWINS = "a sample that comes twice is its own neighbor"
FAILS = {"check_sample_weight_equivalence_on_dense_data": TWINS}


@pytest.mark.filterwarnings("ignore:L-BFGS stopped:sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([KDEWeights(max_iter=20)], expected_failed_checks=lambda _: FAILS)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def samples(count=200, seed=0):
    """Return features of which only the first tells of y."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 3)) * [1.0, 1.0, 100.0]
    return X, X[:, 0] + 0.05 * rng.normal(size=count)


def test_learns_which_features_tell():
    X, y = samples()
    model = KDEWeights(bandwidth=0.1, half_width=0.1).fit(X, y)
    w = model.coef_ * X.var(axis=0)
    assert w[0] > 20 * max(w[1:])
    flat = KDEWeights(bandwidth=0.1, half_width=0.1, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        flat.fit(X, y)
    new, there = samples(seed=1)
    assert model.score(new, there) > flat.score(new, there) + 0.5
    assert abs(model.predict(new) - there).mean() < 0.2
    assert 1 <= model.n_iter_ <= 100


def test_loss_is_that_of_the_formula():
    X, y = samples(40)
    model = KDEWeights(bandwidth=0.3, half_width=0.2, bins=16, alpha=0.01).fit(X, y)
    z = -(((X[:, np.newaxis] - X) ** 2) @ model.coef_)
    z[np.diag_indices(40)] = -np.inf
    losses = kdexent.reference.loss(y, z, y - 0.2, y + 0.2, bandwidth=0.3, bins=16)
    w = model.coef_ * X.var(axis=0)
    assert model.loss_ == pytest.approx(losses.mean() + 0.005 * w @ w, rel=1e-8)


def test_samples_of_no_weight_are_left_out():
    X, y = samples(60)
    weight = np.random.default_rng(2).integers(0, 3, 60)
    options = {"bandwidth": 0.2, "half_width": 0.2}
    weighed = KDEWeights(**options).fit(X, y, sample_weight=weight)
    without = KDEWeights(**options).fit(X[weight > 0], y[weight > 0], sample_weight=weight[weight > 0])
    np.testing.assert_allclose(weighed.coef_, without.coef_)
    with pytest.raises(ValueError, match="n_samples = 1 of positive weight"):
        KDEWeights().fit(X, y, sample_weight=np.arange(60) == 0)


def test_circle():
    X, y = samples(300)
    angles = (3.0 + y) % 4.0
    model = KDEWeights(bandwidth=0.1, half_width=0.1, kernel="von_mises", period=4.0).fit(X, angles)
    away = (model.predict(X) - angles + 2.0) % 4.0 - 2.0
    assert np.median(abs(away)) < 0.1
    assert (model.predict(X) >= 0).all() and (model.predict(X) < 4.0).all()


def test_pipelines_and_searches():
    X, y = samples(120)
    pipeline = make_pipeline(StandardScaler(), KDEWeights(half_width=0.1, max_iter=20))
    grid = {"kdeweights__bandwidth": [0.1, 3.0]}
    with pytest.warns(ConvergenceWarning):
        search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_params_ == {"kdeweights__bandwidth": 0.1}


def test_a_kernel_that_reaches_nothing_is_named():
    X, y = samples(30)
    with pytest.raises(ValueError, match=r"^bandwidth: boxcar"):
        KDEWeights(bandwidth=1e-3, kernel="boxcar").fit(X, y)
