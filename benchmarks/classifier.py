"""What do the losses of classifiers, softmax and the entropies cost, and how exact is each?"""

from __future__ import annotations

from typing import ClassVar

from kdexent_workloads.classifier_cases import suite
from kdexent_workloads.races import workloads

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked

CASES = {case.title: case for case in suite(QUICK)}


class _Classifier(_Cells):
    cells: ClassVar = {(title,): workloads.classifier(case) for title, case in CASES.items()}
    params = (tuple(CASES),)
    param_names = ("case",)


class Classifier(_Classifier, _Timed):
    pass


class ClassifierTracked(_Classifier, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()
