"""Learn the logits of a weighted KDE over angles by gradient descent on its cross-entropy.

The data are wind directions, the target is the quarter from north-west to north-east, across the
seam of the circle. The loss falls towards log(90), the entropy of the uniform target.
"""

import numpy as np

import kdexent
from kdexent.data import wind


def main(steps: int = 600, rate: float = 20.0) -> list[float]:
    """Return the loss after every step."""
    x, z, period = wind()
    z = z.copy()
    gradient = np.empty_like(z)
    losses = []
    for _ in range(steps):
        loss, _ = kdexent.loss_and_grad(
            x, z, 315.0, 405.0, bandwidth=10.0, kernel="von_mises", bins=45, period=period, out=gradient
        )
        z -= rate * gradient
        losses.append(loss)
    return losses


if __name__ == "__main__":
    history = main()
    for step in (0, 50, 200, len(history) - 1):
        print(f"step {step:4d}   loss {history[step]:.4f} nats   (entropy of the target {np.log(90):.4f})")
